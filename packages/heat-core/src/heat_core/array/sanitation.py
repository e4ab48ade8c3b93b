"""Checks of arguments, for those who write functions of arrays. All are local."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from heat_core.array.axes import normalize_axis
from heat_core.array.dndarray import DNDarray

__all__ = [
    "ndim",
    "sanitize_axis",
    "sanitize_in",
    "sanitize_shape",
    "sanitize_slice",
    "shape",
    "size",
]


def shape(a: DNDarray) -> tuple[int, ...]:
    """Global shape. Local."""
    sanitize_in(a)
    return a.shape


def ndim(a: DNDarray) -> int:
    """Number of axes. Local."""
    sanitize_in(a)
    return a.ndim


def size(a: DNDarray, axis: int | None = None) -> int:
    """Global number of elements, or extent of an axis. Local."""
    sanitize_in(a)
    return a.size if axis is None else a.shape[normalize_axis(axis, a.ndim)]


def sanitize_in(x: Any) -> None:
    """TypeError if ``x`` is not an array."""
    if not isinstance(x, DNDarray):
        raise TypeError(f"expected a DNDarray, not {type(x).__name__}: see ht.array")


def sanitize_axis(
    shape: Sequence[int], axis: int | Sequence[int] | None
) -> int | tuple[int, ...] | None:
    """The axis, or axes, counted from the front.

    Raises
    ------
    AxisError
        If the shape has no such axis.
    """
    if axis is None:
        return None
    if isinstance(axis, int):
        return normalize_axis(axis, len(shape))
    return tuple(normalize_axis(each, len(shape)) for each in axis)


def sanitize_shape(shape: int | Sequence[int], lval: int = 0) -> tuple[int, ...]:
    """A shape as a tuple of Python integers.

    Parameters
    ----------
    shape : int or sequence of int
    lval : int
        The smallest legal extent.

    Raises
    ------
    TypeError, ValueError
        If an extent is not an integer, or is too small.
    """
    extents = (shape,) if hasattr(shape, "__index__") else shape
    result = tuple(operator.index(extent) for extent in extents)
    if any(extent < lval for extent in result):
        raise ValueError(f"the extents of shape {result} must be at least {lval}")
    return result


def sanitize_slice(sl: slice, max_dim: int) -> slice:
    """A slice with its bounds for an extent.

    ``range(s.start, s.stop, s.step)`` of the result ``s`` are the positions.
    """
    if not isinstance(sl, slice):
        raise TypeError(f"expected a slice, not {type(sl).__name__}")
    return slice(*sl.indices(max_dim))
