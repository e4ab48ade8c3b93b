"""Diagonals and triangles; each rank works on its own rows or columns."""

from __future__ import annotations

from typing import Any

import torch

from heat_core.array.axes import normalize_axes, normalize_axis
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import balance, to_layout
from heat_core.dtypes import canonical_heat_type, default_float
from heat_core.layout import Layout, canonical_layout
from heat_core.layout.layout import progression_counts
from heat_core.ops.creation import placed
from heat_core.ops.padding import pad
from heat_core.ops.reshape import ravel
from heat_core.ops.shape import broadcast_to

__all__ = ["diag", "diagflat", "diagonal", "tri", "tril", "triu"]

#: Types that torch stores, but has no triangles of: the bits are enough.
_SAME_BITS = {
    torch.uint16: torch.int16,
    torch.uint32: torch.int32,
    torch.uint64: torch.int64,
}


def _shift(layout: Layout, rank: int, rows: int, columns: int) -> int:
    """How much the main diagonal of the array is moved to the right in the part of a rank."""
    if layout.split == rows:
        return layout.offset(rank)
    return -layout.offset(rank) if layout.split == columns else 0


def diagonal(a: DNDarray, offset: int = 0, dim1: int = 0, dim2: int = 1) -> DNDarray:
    """The diagonals of the matrices in two axes.

    Collective if one of them is the split axis: at most one small exchange.

    Parameters
    ----------
    a : DNDarray
    offset : int
        The diagonal: 0 main, positive above.
    dim1, dim2 : int
        The axes of rows and columns, which the result has not; the diagonal is its last axis.

    Returns
    -------
    DNDarray
        With canonical slabs along the diagonal, if split along ``dim1`` or ``dim2``; else with the
        slabs of ``a``.
    """
    if a.ndim < 2:
        raise ValueError(f"an array of shape {a.shape} has no diagonal")
    rows, columns = normalize_axis(dim1, a.ndim), normalize_axis(dim2, a.ndim)
    axes = normalize_axes((dim1, dim2), a.ndim)
    layout = a.layout
    local = a.larray.diagonal(offset + _shift(layout, a.comm.rank, rows, columns), rows, columns)
    first = max(0, -offset), max(0, offset)
    length = max(0, min(a.shape[rows] - first[0], a.shape[columns] - first[1]))
    shape = (*(n for axis, n in enumerate(a.shape) if axis not in axes), length)
    if layout.split is None or layout.counts is None or layout.split not in axes:
        kept = layout.reduce(axes, keepdims=False)
        return wrap(local, Layout(shape, kept.split, kept.counts), a.comm)
    start = first[0] if layout.split == rows else first[1]
    counts = progression_counts(start, start + length, 1, layout.counts)
    found = wrap(local, Layout(shape, len(shape) - 1, counts), a.comm)
    return to_layout(found, found.layout.canonical())


def diag(a: DNDarray, offset: int = 0) -> DNDarray:
    """The diagonal of a matrix, or the matrix with a vector on its diagonal. Collective.

    Parameters
    ----------
    a : DNDarray
        One or two axes.
    offset : int
        The diagonal: 0 main, positive above.

    Returns
    -------
    DNDarray
        As ``diagonal``; a matrix made of a distributed vector is split along its rows.
    """
    if a.ndim == 2:
        return diagonal(a, offset)
    if a.ndim != 1:
        raise ValueError(f"diag needs one or two axes, the array has shape {a.shape}")
    # Padded, the vector has an element for every row of the matrix.
    values = balance(pad(a, (max(0, -offset), max(0, offset))))
    layout = canonical_layout((values.size, values.size), a.split, a.comm.size)
    local = values.larray.new_zeros(layout.lshape(a.comm.rank))
    moved = offset + layout.offset(a.comm.rank)
    target = local.diagonal(moved)
    first = max(0, -moved)
    target.copy_(values.larray[first : first + target.numel()])
    return wrap(local, layout, a.comm)


def diagflat(a: DNDarray, offset: int = 0) -> DNDarray:
    """The matrix with the flattened array on its diagonal. Collective; see ``diag``."""
    return diag(ravel(a), offset)


def _triangle(m: DNDarray, k: int, name: str) -> DNDarray:
    if m.ndim == 0:
        raise ValueError(f"{name} needs an array with axes")
    if m.ndim == 1:
        m = broadcast_to(m, (m.size, m.size))
    moved = k + _shift(m.layout, m.comm.rank, m.ndim - 2, m.ndim - 1)
    # torch wants int64, and beyond the matrix all diagonals are alike.
    moved = max(-m.larray.shape[-2] - 1, min(m.larray.shape[-1] + 1, moved))
    bits = _SAME_BITS.get(m.larray.dtype)
    local = m.larray if bits is None else m.larray.contiguous().view(bits)
    part = getattr(torch, name)(local, moved)
    return wrap(part if bits is None else part.view(m.larray.dtype), m.layout, m.comm)


def tril(m: DNDarray, k: int = 0) -> DNDarray:
    """A copy with zeros above the ``k``-th diagonal of the last two axes. Local.

    Of an array with one axis, which is taken for all rows of a square matrix, as in NumPy.
    """
    return _triangle(m, k, "tril")


def triu(m: DNDarray, k: int = 0) -> DNDarray:
    """A copy with zeros below the ``k``-th diagonal of the last two axes; see ``tril``. Local."""
    return _triangle(m, k, "triu")


def tri(
    N: int,
    M: int | None = None,
    k: int = 0,
    dtype: object = None,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
) -> DNDarray:
    """A matrix with ones at and below the ``k``-th diagonal, zeros above. Local.

    Parameters
    ----------
    N, M : int
        Number of rows and columns; as many columns as rows by default.
    k : int
    dtype : data type, optional
        Default: the default floating-point type.
    split : int or None
    device : {"cpu", "gpu"} or Device, optional
    comm : Communicator, optional
    """
    chosen = default_float() if dtype is None else canonical_heat_type(dtype)
    layout, comm, lshape, where = placed((N, N if M is None else M), split, device, comm)
    ones = torch.ones(lshape, dtype=chosen.torch, device=where)
    return tril(wrap(ones, layout, comm), k)
