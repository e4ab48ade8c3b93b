"""Arrays of positions: of triangles, diagonals and grids, and between flat and multi-indices."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.comm import Communicator
from heat_core.dispatch.operands import (
    as_array,
    broadcast_shapes,
    common_comm,
    local_operand,
    target_layout,
)
from heat_core.dtypes import canonical_heat_type, isdtype
from heat_core.indexing.advanced import coordinates
from heat_core.indexing.mask import nonzero
from heat_core.indexing.positions import linearized
from heat_core.ops.creation import placed

__all__ = [
    "diag_indices",
    "indices",
    "ix_",
    "ravel_multi_index",
    "tril_indices",
    "triu_indices",
    "unravel_index",
]


def _integers(obj: Any, *others: Any) -> DNDarray:
    array = as_array(obj, *others)
    if not isdtype(array.dtype, "integral"):
        raise TypeError(f"indices are integers, not {array.dtype.name}")
    return wrap(array.larray.to(torch.int64), array.layout, array.comm)


def _any_rank(comm: Communicator, arrays: Sequence[DNDarray], wrong: bool) -> bool:
    """Whether a check failed on any rank that holds a part. Collective if an array is split."""
    if comm.size == 1 or all(array.split is None for array in arrays):
        return wrong
    return bool(comm.allreduce(torch.tensor(wrong), "lor"))


def unravel_index(indices: Any, shape: int | Sequence[int]) -> tuple[DNDarray, ...]:
    """Flat positions in an array of ``shape`` as one array per axis; laid out like ``indices``.

    Collective if ``indices`` is distributed.

    Raises
    ------
    ValueError
        On all ranks, if a position is negative or beyond the end.
    """
    array = _integers(indices)
    extents = (shape,) if isinstance(shape, int) else tuple(shape)
    local = array.larray
    wrong = bool(((local < 0) | (local >= prod(extents))).any())
    if _any_rank(array.comm, [array], wrong):
        raise ValueError(f"a position is out of bounds for an array of shape {extents}")
    return tuple(wrap(p, array.layout, array.comm) for p in coordinates(local, extents))


def ravel_multi_index(
    multi_index: Sequence[Any], dims: Sequence[int], mode: str = "raise"
) -> DNDarray:
    """Multi-indices as flat, row-major positions. Collective if layouts differ.

    Parameters
    ----------
    multi_index : sequence of array_like of int, one per axis
        Broadcast against each other.
    dims : sequence of int
        Extents of the axes.
    mode : {"raise", "wrap", "clip"}
        What becomes of positions out of range.
    """
    if mode not in ("raise", "wrap", "clip"):
        raise ValueError(f"mode is 'raise', 'wrap' or 'clip', not {mode!r}")
    extents = tuple(dims)
    if len(multi_index) != len(extents) or not extents:
        raise ValueError(f"{len(multi_index)} index arrays for {len(extents)} axes")
    comm = common_comm(multi_index)
    arrays = [_integers(part, *multi_index) for part in multi_index]
    target = target_layout(arrays, broadcast_shapes(*(array.shape for array in arrays)))
    parts, wrong = [], False
    for array, extent in zip(arrays, extents, strict=True):
        local = local_operand(array, target)
        if mode == "raise":
            wrong |= bool(((local < 0) | (local >= extent)).any())
        parts.append(local % extent if mode == "wrap" and extent else local.clamp(0, extent - 1))
    if _any_rank(comm, arrays, wrong):
        raise ValueError(f"a position is out of bounds for an array of shape {extents}")
    shape = target.lshape(comm.rank)
    return wrap(linearized(parts, extents, shape).reshape(shape), target, comm)


def ix_(*args: Any) -> tuple[DNDarray, ...]:
    """Arrays of one axis as the index of the grid that they span; masks as their positions.

    Local for positions, collective for distributed masks.

    Parameters
    ----------
    *args : array_like of int or bool, (n,)
    """
    arrays = [as_array(arg, *args) for arg in args]
    if any(array.ndim != 1 for array in arrays):
        raise ValueError("the axes of a grid are arrays of one axis")
    result = []
    for number, given in enumerate(arrays):
        array = nonzero(given)[0] if isdtype(given.dtype, "bool") else given
        local, layout = array.larray, array.layout
        for axis in range(len(arrays)):
            if axis != number:
                local, layout = local.unsqueeze(axis), layout.expand(axis)
        result.append(wrap(local, layout, array.comm))
    return tuple(result)


def diag_indices(
    n: int, ndim: int = 2, *, split: int | None = None, device: object = None, comm: Any = None
) -> tuple[DNDarray, ...]:
    """Positions of the main diagonal of an array of ``ndim`` axes of extent ``n``. Local."""
    layout, comm, _, where = placed(n, split, device, comm)
    start = layout.offset(comm.rank)
    local = torch.arange(start, start + layout.lshape(comm.rank)[0], device=where)
    return tuple(wrap(local.clone(), layout, comm) for _ in range(ndim))


def _ragged(
    first: torch.Tensor, lengths: torch.Tensor, split: int | None, device: object, comm: Any
) -> tuple[DNDarray, DNDarray]:
    """Positions of rows that start at column ``first`` and have ``lengths``."""
    ends = lengths.cumsum(0)
    total = int(ends[-1]) if ends.numel() else 0
    layout, comm, _, where = placed(total, split, device, comm)
    start = layout.offset(comm.rank)
    numbers = torch.arange(start, start + layout.lshape(comm.rank)[0])
    rows = torch.searchsorted(ends, numbers, right=True)
    columns = numbers - (ends - lengths)[rows] + first[rows] if total else numbers
    return wrap(rows.to(where), layout, comm), wrap(columns.to(where), layout, comm)


def tril_indices(
    n: int,
    k: int = 0,
    m: int | None = None,
    *,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
) -> tuple[DNDarray, DNDarray]:
    """Positions of the lower triangle of an (n, m) matrix, up to diagonal ``k``. Local.

    Memory beyond the result: O(n).
    """
    n_columns = n if m is None else m
    lengths = (torch.arange(n) + k + 1).clamp(0, n_columns)
    return _ragged(torch.zeros_like(lengths), lengths, split, device, comm)


def triu_indices(
    n: int,
    k: int = 0,
    m: int | None = None,
    *,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
) -> tuple[DNDarray, DNDarray]:
    """Positions of the upper triangle of an (n, m) matrix, from diagonal ``k``. Local.

    Memory beyond the result: O(n).
    """
    n_columns = n if m is None else m
    first = (torch.arange(n) + k).clamp(0, n_columns)
    return _ragged(first, n_columns - first, split, device, comm)


def indices(
    dimensions: Sequence[int],
    dtype: object = int,
    sparse: bool = False,
    *,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
) -> Any:
    """The coordinates of every element of a grid. Local.

    Parameters
    ----------
    dimensions : sequence of int
    dtype : data type
    sparse : bool
        Return one replicated array per axis, of extent 1 along the others.
    split : int or None
        Axis of the result that is distributed, unless ``sparse``.

    Returns
    -------
    DNDarray, (ndim, *dimensions), or tuple of DNDarray
    """
    extents = tuple(dimensions)
    chosen = canonical_heat_type(dtype).torch
    if sparse:
        axes = (diag_indices(n, 1, device=device, comm=comm)[0] for n in extents)
        return tuple(wrap(a.larray.to(chosen), a.layout, a.comm) for a in ix_(*axes))
    layout, comm, lshape, where = placed((len(extents), *extents), split, device, comm)
    part = layout.slices(comm.rank)
    local = torch.empty(lshape, dtype=chosen, device=where)
    for number, axis in enumerate(range(part[0].start, part[0].stop)):
        line = torch.arange(part[axis + 1].start, part[axis + 1].stop, device=where)
        local[number] = line.reshape(-1, *(1,) * (len(extents) - axis - 1)).to(chosen)
    return wrap(local, layout, comm)
