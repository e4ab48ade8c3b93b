"""Arrays in another shape with the same elements in row-major order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import index

import torch

from heat_core.array.axes import normalize_split
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import replicated, to_layout
from heat_core.layout import Layout, canonical_layout
from heat_core.layout.execute import relayout
from mpi_utils import collective

__all__ = ["flatten", "ravel", "reshape"]


def reshape(
    x: DNDarray,
    /,
    shape: int | Sequence[int],
    *more: int,
    new_split: int | None = None,
    copy: bool | None = None,
) -> DNDarray:
    """The same elements in another shape. Collective if they change rank, one or two exchanges.

    Parameters
    ----------
    x : DNDarray
    shape, *more : int or tuple of int
        One extent may be -1.
    new_split : int, optional
        The split axis of the result. Default: that of ``x``, if the number of axes and the extent
        of this axis stay, else 0; None if ``x`` is replicated.
    copy : bool or None
        True: never share memory with ``x``; None: share where possible; False: ValueError where it
        is not.

    Returns
    -------
    DNDarray
        With the slabs of ``x``, if no element has to change its rank, else with canonical slabs.
    """
    extents = _target_shape(x, (shape, *more))
    split = _target_split(x, extents, new_split)
    if split == _kept_split(x.layout, extents):
        layout = x.layout if split is None else Layout(extents, split, x.layout.counts)
        return _reshaped_in_place(x, Layout(extents) if split is None else layout, copy)
    if copy is False:
        raise ValueError(
            f"cannot reshape {x.shape}, split {x.split}, to {extents}, split {split}, "
            "without a copy"
        )
    target = canonical_layout(extents, split, x.comm.size)
    if x.split is None:
        local = x.larray.reshape(extents)[target.slices(x.comm.rank)]
        return wrap(local.clone() if copy else local, target, x.comm)
    if split is None:
        return wrap(replicated(x).reshape(extents), target, x.comm)
    return to_layout(_through_rows(x, extents), target)


def _target_shape(x: DNDarray, shape: tuple[int | Sequence[int], ...]) -> tuple[int, ...]:
    given = shape[0] if len(shape) == 1 and not hasattr(shape[0], "__index__") else shape
    extents = [index(extent) for extent in given]  # type: ignore[arg-type]
    if extents.count(-1) > 1 or any(extent < -1 for extent in extents):
        raise ValueError(f"shape {tuple(extents)} has negative extents besides one -1")
    if -1 in extents:
        place = extents.index(-1)
        known = math.prod(extents[:place] + extents[place + 1 :])
        if known == 0:
            raise ValueError(f"-1 in shape {tuple(extents)} may be any extent")
        extents[place] = x.size // known
    if math.prod(extents) != x.size:
        raise ValueError(f"cannot reshape an array of shape {x.shape} to {tuple(extents)}")
    return tuple(extents)


def _target_split(x: DNDarray, shape: tuple[int, ...], new_split: int | None) -> int | None:
    if new_split is not None:
        return normalize_split(new_split, len(shape))
    if x.split is None or not shape:
        return None
    stays = len(shape) == x.ndim and shape[x.split] == x.shape[x.split]
    return x.split if stays else 0


def _kept_split(layout: Layout, shape: tuple[int, ...]) -> int | None:
    """The split axis under which no element changes its rank; -1 if there is none."""
    if layout.split is None:
        return None
    rows = math.prod(layout.gshape[: layout.split])
    for axis, extent in enumerate(shape):
        if extent == layout.gshape[layout.split] and math.prod(shape[:axis]) == rows:
            return axis
    return -1


def _reshaped_in_place(x: DNDarray, layout: Layout, copy: bool | None) -> DNDarray:
    shape = layout.lshape(x.comm.rank)
    if copy is False:
        # Strides decide, and they may differ between ranks.
        with collective(x.comm):
            try:
                return wrap(x.larray.view(shape), layout, x.comm)
            except RuntimeError as error:
                raise ValueError("cannot reshape without a copy") from error
    local = x.larray.reshape(shape)
    shares = local.untyped_storage().data_ptr() == x.larray.untyped_storage().data_ptr()
    return wrap(local.clone() if copy and shares else local, layout, x.comm)


def _through_rows(x: DNDarray, shape: tuple[int, ...]) -> DNDarray:
    """Distributed, with canonical slabs along axis 0: whole rows, so that slabs are intervals."""
    comm = x.comm
    rows = to_layout(x, x.layout.with_split(0, comm.size))
    target = canonical_layout(shape, 0, comm.size)
    flat = _flat(rows.layout)
    local: torch.Tensor = relayout(comm, rows.larray.reshape(-1), flat, _flat(target))
    return wrap(local.view(target.lshape(comm.rank)), target, comm)


def _flat(layout: Layout) -> Layout:
    """The layout of the flattened array, of one with slabs along axis 0."""
    assert layout.counts is not None
    row = math.prod(layout.gshape[1:])
    return Layout((layout.gshape[0] * row,), 0, tuple(count * row for count in layout.counts))


def ravel(a: DNDarray) -> DNDarray:
    """All elements in row-major order along one axis, as ``reshape(a, -1)``."""
    return reshape(a, (a.size,))


def flatten(a: DNDarray) -> DNDarray:
    """A copy of all elements in row-major order along one axis. Collective as ``reshape``."""
    return reshape(a, (a.size,), copy=True)
