"""Sums, means and extremes of sparse matrices, their diagonals and parts."""

from __future__ import annotations

from typing import Any, TypeVar

import torch

from heat_core.array.axes import normalize_axis
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.dtypes import bool_, default_float, isdtype
from heat_core.layout import Layout, replicated_layout
from heat_core.layout.layout import progression_in_slab
from heat_core.sparse.coordinates import compressed, global_coordinates
from heat_core.sparse.matrix import Compressed

__all__ = ["diagonal", "getitem", "maximum", "mean", "minimum", "total"]

M = TypeVar("M", bound=Compressed)


def total(matrix: Compressed, axis: int | None = None) -> DNDarray:
    """The sum over an axis, or of all elements.

    Local along the axis that is not compressed; else one allreduce of a vector.
    """
    if axis is None:
        whole: DNDarray = total(matrix, 1 - matrix.major).sum()
        return whole
    wide = torch.int64 if isdtype(matrix.dtype, ("bool", "integral")) else matrix.ldata.dtype
    lines, n_lines, crosses = _lines(matrix, axis)
    sums = torch.zeros(n_lines, dtype=wide, device=matrix.ldata.device)
    sums.index_add_(0, lines, matrix.ldata.to(wide))
    return _vector(matrix, matrix.comm.allreduce(sums) if crosses else sums, axis)


def mean(matrix: Compressed, axis: int | None = None) -> DNDarray:
    """The mean over an axis, or of all elements, zeros included. Collective like ``total``."""
    extent = matrix.shape[0] * matrix.shape[1] if axis is None else matrix.shape[axis]
    sums = total(matrix, axis)
    if isdtype(sums.dtype, "integral"):
        sums = sums.astype(default_float())
    return sums / extent


def maximum(matrix: Compressed, axis: int | None = None) -> DNDarray:
    """The largest element over an axis, or of all, zeros included. Collective like ``total``."""
    return _extreme(matrix, axis, "max")


def minimum(matrix: Compressed, axis: int | None = None) -> DNDarray:
    """The smallest element over an axis, or of all, zeros included. Collective like ``total``."""
    return _extreme(matrix, axis, "min")


def _extreme(matrix: Compressed, axis: int | None, which: str) -> DNDarray:
    if isdtype(matrix.dtype, "complex floating") or matrix.dtype is bool_:
        raise TypeError(f"{which} does not take {matrix.dtype.name}")
    if axis is None:
        whole: DNDarray = getattr(_extreme(matrix, 1 - matrix.major, which), which)()
        return whole
    if matrix.shape[axis] == 0:
        raise ValueError(f"the {which} over an axis without elements")
    lines, n_lines, crosses = _lines(matrix, axis)
    data = matrix.ldata
    limits = torch.finfo(data.dtype) if data.is_floating_point() else torch.iinfo(data.dtype)
    least = -torch.inf if data.is_floating_point() else limits.min
    most = torch.inf if data.is_floating_point() else limits.max
    found = data.new_full((n_lines,), least if which == "max" else most)
    found = found.scatter_reduce_(0, lines, data, f"a{which}")
    stored = torch.bincount(lines, minlength=n_lines)
    if crosses:
        found, stored = matrix.comm.allreduce(found, which), matrix.comm.allreduce(stored)
    with_zero = torch.maximum if which == "max" else torch.minimum
    has_zero = stored < matrix.shape[axis]
    return _vector(
        matrix, torch.where(has_zero, with_zero(found, torch.zeros_like(found)), found), axis
    )


def _lines(matrix: Compressed, axis: int) -> tuple[torch.Tensor, int, bool]:
    """The row or column that each element is reduced to, how many, and whether ranks share them."""
    if normalize_axis(axis, 2) == matrix.major:
        return matrix.lindices, matrix.shape[1 - matrix.major], matrix.is_distributed()
    return matrix.major_numbers(), matrix.lshape[matrix.major], False


def _vector(matrix: Compressed, local: torch.Tensor, axis: int) -> DNDarray:
    if normalize_axis(axis, 2) == matrix.major:
        return wrap(local, replicated_layout(tuple(local.shape)), matrix.comm)
    return matrix._major_vector(local)


def diagonal(matrix: Compressed) -> DNDarray:
    """The main diagonal, (min(rows, columns),), distributed like the matrix. Local."""
    length = min(matrix.shape)
    rows, columns = global_coordinates(matrix)
    on = rows == columns
    offset = matrix.layout.offset(matrix.comm.rank)
    counts = matrix.layout.counts
    if counts is not None:
        starts = matrix.layout.displs
        counts = tuple(
            sorted((0, n, length - start))[1] for n, start in zip(counts, starts, strict=True)
        )
    layout = Layout((length,), None if counts is None else 0, counts)
    local = matrix.ldata.new_zeros(layout.lshape(matrix.comm.rank))
    local[rows[on] - offset] = matrix.ldata[on]
    return wrap(local, layout, matrix.comm)


def getitem(matrix: M, key: Any) -> M:
    """A part of the matrix: slices with positive steps, or integers, which keep their axis. Local.

    Rows or columns stay where they are.
    """
    parts = list(key) if isinstance(key, tuple) else [key]
    if len(parts) > 2:
        raise IndexError("a matrix has two axes")
    parts += [slice(None)] * (2 - len(parts))
    ranges = [_range(part, extent) for part, extent in zip(parts, matrix.shape, strict=True)]
    major, minor = ranges[matrix.major], ranges[1 - matrix.major]
    layout, comm = matrix.layout, matrix.comm
    if layout.split is not None:
        layout = layout.slice(major.start, major.stop, major.step)
    else:
        layout = layout.resize(matrix.major, len(major))
    layout = layout.resize(1 - matrix.major, len(minor))
    offset, count = matrix.layout.offset(comm.rank), matrix.lshape[matrix.major]
    first, number = progression_in_slab(major.start, major.stop, major.step, offset, count)
    rows, columns = matrix.major_numbers() - first, matrix.lindices - minor.start
    chosen = (rows >= 0) & (rows % major.step == 0) & (rows < number * major.step)
    chosen &= (columns >= 0) & (columns % minor.step == 0) & (columns < len(minor) * minor.step)
    rows, columns = rows[chosen] // major.step, columns[chosen] // minor.step
    return compressed(type(matrix), rows, columns, matrix.ldata[chosen], layout, comm)


def _range(part: Any, extent: int) -> range:
    if isinstance(part, slice):
        positions = range(*part.indices(extent))
        if positions.step < 0:
            raise ValueError("slices of a sparse matrix need positive steps")
        stop = positions.start + len(positions) * positions.step
        return range(positions.start, stop, positions.step)
    number = part.__index__()
    if not -extent <= number < extent:
        raise IndexError(f"index {number} is out of bounds for an axis of extent {extent}")
    return range(number % extent, number % extent + 1)
