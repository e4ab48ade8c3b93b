"""Sliding windows and functions of slabs: what needs the neighbours' elements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import index

import torch

from heat_core.array.axes import normalize_axis
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.halo import slab_with_halos
from heat_core.dispatch.operands import as_tensor
from heat_core.layout import Layout, canonical_layout
from heat_core.layout.execute import fetch
from heat_core.ops.creation import from_local
from mpi_utils import collective

__all__ = ["map_blocks", "sliding_window_view", "unfold"]


def unfold(a: DNDarray, axis: int, size: int, step: int = 1) -> DNDarray:
    """Windows of ``size`` along an axis, a window every ``step``.

    Collective if it is the split axis, in one exchange of the elements between the slabs; else a
    view.

    Parameters
    ----------
    a : DNDarray
    axis : int
    size : int
        Extent of a window; ValueError if longer than the axis, or below 1.
    step : int
        Distance between windows, at least 1.

    Returns
    -------
    DNDarray
        Axis ``axis`` counts the windows, and a new last axis holds their elements. With canonical
        slabs if ``axis`` is the split axis.
    """
    axis = normalize_axis(axis, a.ndim)
    size, step = index(size), index(step)
    extent = a.shape[axis]
    if not 1 <= size <= extent or step < 1:
        raise ValueError(f"no windows of {size} with step {step} in an extent of {extent}")
    number = (extent - size) // step + 1
    shape = (*a.shape[:axis], number, *a.shape[axis + 1 :], size)
    if axis != a.split:
        local = a.larray.unfold(axis, size, step)
        return wrap(local, Layout(shape, a.split, a.layout.counts), a.comm)
    layout = canonical_layout(shape, axis, a.comm.size)
    assert layout.counts is not None
    if a.comm.size == 1:
        return wrap(a.larray.unfold(axis, size, step), layout, a.comm)
    wanted = [
        (first * step, (first + count - 1) * step + size) if count else (0, 0)
        for first, count in zip(layout.displs, layout.counts, strict=True)
    ]
    part = fetch(a.comm, a.larray, a.layout, wanted)
    if not layout.counts[a.comm.rank]:
        return wrap(part.new_empty(layout.lshape(a.comm.rank)), layout, a.comm)
    return wrap(part.unfold(axis, size, step), layout, a.comm)


def sliding_window_view(
    x: DNDarray, window_shape: int | Sequence[int], axis: int | Sequence[int] | None = None
) -> DNDarray:
    """All windows of a shape. Communication and layout as ``unfold``, axis by axis.

    Parameters
    ----------
    x : DNDarray
    window_shape : int or sequence of int
    axis : int, sequence of int or None
        The axes of the windows; None: all, in order. One may come several times.

    Returns
    -------
    DNDarray
        The axes of the windows are at the end.
    """
    sizes = (window_shape,) if isinstance(window_shape, int) else tuple(window_shape)
    axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
    if len(sizes) != len(axes):
        raise ValueError(f"a window of shape {sizes} does not fit {len(axes)} axes")
    places = [normalize_axis(place, x.ndim) for place in axes]
    for place, size in zip(places, sizes, strict=True):
        x = unfold(x, place, size)
    return x


def map_blocks(
    func: Callable[[torch.Tensor], torch.Tensor], x: DNDarray, halo: int = 0
) -> DNDarray:
    """What a function makes of the slab of each rank. Collective.

    Parameters
    ----------
    func : callable
        Takes the local tensor with ``halo`` positions more of the split axis on both sides, less
        at its ends, and returns a tensor with as many positions of this axis. Whether the result
        depends on the number of ranks is up to it. An error on one rank is raised on all.
    x : DNDarray
    halo : int
        ValueError if negative.

    Returns
    -------
    DNDarray
        What was made of the halos is cut off; the slabs are those of ``x``.
    """
    if index(halo) < 0:
        raise ValueError(f"halo {halo} is negative")
    extended, n_prev, n_next = slab_with_halos(x, halo, halo)
    with collective(x.comm):
        result = as_tensor(func(extended))
        if x.split is not None:
            expected = extended.shape[x.split]
            if result.ndim <= x.split or result.shape[x.split] != expected:
                raise ValueError(
                    f"the function returned shape {tuple(result.shape)}, "
                    f"but axis {x.split} has extent {expected}"
                )
    if x.split is None:
        return wrap(result, Layout(tuple(result.shape)), x.comm)
    count = result.shape[x.split] - n_prev - n_next
    return from_local(result.narrow(x.split, n_prev, count), x.split, comm=x.comm)
