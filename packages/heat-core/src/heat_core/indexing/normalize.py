"""Keys as users write them, as one entry per axis; pure."""

from __future__ import annotations

from dataclasses import dataclass
from operator import index
from typing import Any

import numpy as np
import torch

from heat_core.dtypes import bool_

__all__ = [
    "BasicKey",
    "IntegerItem",
    "NewAxisItem",
    "SliceItem",
    "check_counts",
    "full_slice",
    "integer_item",
    "is_basic",
    "normalize",
    "slice_item",
]


@dataclass(frozen=True, slots=True)
class IntegerItem:
    """One position of an axis, which the result does not have."""

    axis: int
    position: int


@dataclass(frozen=True, slots=True)
class SliceItem:
    """An arithmetic progression of positions of an axis, in ascending order.

    Parameters
    ----------
    axis : int
    start, stop, step : int
        ``range(start, stop, step)`` with step > 0.
    is_reversed : bool
        Whether the key asks for the progression from its end.
    """

    axis: int
    start: int
    stop: int
    step: int
    is_reversed: bool

    @property
    def extent(self) -> int:
        """Number of positions."""
        return len(range(self.start, self.stop, self.step))


@dataclass(frozen=True, slots=True)
class NewAxisItem:
    """A new axis of extent 1."""


BasicKey = tuple[IntegerItem | SliceItem | NewAxisItem, ...]


def is_basic(parts: tuple[Any, ...]) -> bool:
    """Whether a key consists of integers, slices, Ellipsis and None."""
    for part in parts:
        kind = type(part)
        if kind is int or kind is slice or part is None or part is Ellipsis:
            continue
        if isinstance(part, (bool, np.bool_)) or not hasattr(part, "__index__"):
            return False
        if getattr(part, "ndim", 0) > 0 or getattr(part, "dtype", None) in _BOOL_TYPES:
            return False
    return True


# Zero-dimensional masks have an __index__, too.
_BOOL_TYPES = (torch.bool, np.dtype(bool), bool_)


def check_counts(n_axes: int, n_ellipses: int, ndim: int) -> None:
    """IndexError for a key of too many axes, or of more than one Ellipsis."""
    if n_axes > ndim:
        raise IndexError(f"too many indices: {n_axes} for an array with {ndim} axes")
    if n_ellipses > 1:
        raise IndexError("an index has at most one Ellipsis")


def normalize(parts: tuple[Any, ...], shape: tuple[int, ...]) -> BasicKey:
    """A key of integers, slices, Ellipsis and None: entries in order, every axis once.

    Raises
    ------
    IndexError
        Too many indices, more than one Ellipsis, or an integer out of range.
    """
    n_axes = n_ellipses = 0
    for part in parts:
        n_ellipses += part is Ellipsis
        n_axes += part is not None and part is not Ellipsis
    check_counts(n_axes, n_ellipses, len(shape))
    if not n_ellipses and n_axes < len(shape):
        parts = (*parts, Ellipsis)
    items: list[IntegerItem | SliceItem | NewAxisItem] = []
    axis = 0
    for part in parts:
        if part is None:
            items.append(NewAxisItem())
            continue
        if part is Ellipsis:
            missing = len(shape) - n_axes
            items.extend(full_slice(a, shape[a]) for a in range(axis, axis + missing))
            axis += missing
            continue
        entry = slice_item if isinstance(part, slice) else integer_item
        items.append(entry(part, axis, shape[axis]))
        axis += 1
    return tuple(items)


def integer_item(part: Any, axis: int, extent: int) -> IntegerItem:
    """The position that an integer means; IndexError if there is none."""
    try:
        position = index(part)
    except TypeError:
        raise IndexError(f"{part!r} is not an index") from None
    if not -extent <= position < extent:
        raise IndexError(f"index {position} is out of bounds for axis {axis} with extent {extent}")
    return IntegerItem(axis, position % extent)


def full_slice(axis: int, extent: int) -> SliceItem:
    """All positions of an axis."""
    return SliceItem(axis, 0, extent, 1, False)


def slice_item(part: slice, axis: int, extent: int) -> SliceItem:
    """The positions that a slice means."""
    start, stop, step = part.indices(extent)
    positions = range(start, stop, step)
    if step > 0:
        return SliceItem(axis, start, max(start, stop), step, False)
    if not positions:
        return SliceItem(axis, 0, 0, 1, False)
    return SliceItem(axis, positions[-1], positions[0] + 1, -step, True)
