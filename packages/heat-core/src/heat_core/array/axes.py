"""Axes as users write them: negative, missing, several."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from operator import index

from heat_core.errors import AxisError

__all__ = ["normalize_axes", "normalize_axis", "normalize_split"]


def normalize_axis(axis: int, ndim: int) -> int:
    """The axis counted from the front; AxisError if there is none."""
    number = index(axis)
    if not -ndim <= number < ndim:
        raise AxisError(number, ndim)
    return number % ndim


def normalize_split(split: int | None, ndim: int) -> int | None:
    """The split axis counted from the front, or None."""
    return None if split is None else normalize_axis(split, ndim)


@cache
def _all_axes(ndim: int) -> frozenset[int]:
    return frozenset(range(ndim))


def normalize_axes(axis: int | Sequence[int] | None, ndim: int) -> frozenset[int]:
    """The axes of a reduction; None: all. ValueError if one comes twice."""
    if axis is None:
        return _all_axes(ndim)
    if not isinstance(axis, (tuple, list)):
        return frozenset((normalize_axis(axis, ndim),))  # type: ignore[arg-type]
    axes = frozenset(normalize_axis(item, ndim) for item in axis)
    if len(axes) != len(axis):
        raise ValueError(f"an axis comes twice in {tuple(axis)}")
    return axes
