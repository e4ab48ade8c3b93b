"""Keys as users write them, as one entry per axis; pure."""

from __future__ import annotations

from dataclasses import dataclass
from operator import index
from typing import Any

__all__ = ["BasicKey", "IntegerItem", "NewAxisItem", "SliceItem", "normalize"]


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


def normalize(key: Any, shape: tuple[int, ...]) -> BasicKey:
    """A key of integers, slices, Ellipsis and None: entries in order, every axis once.

    Raises
    ------
    IndexError
        Too many indices, more than one Ellipsis, or an integer out of range.
    TypeError
        Anything else in the key.
    """
    parts = key if isinstance(key, tuple) else (key,)
    n_axes = n_ellipses = 0
    for part in parts:
        _check(part)
        n_ellipses += part is Ellipsis
        n_axes += part is not None and part is not Ellipsis
    if n_axes > len(shape):
        raise IndexError(f"too many indices: {n_axes} for an array with {len(shape)} axes")
    if n_ellipses > 1:
        raise IndexError("an index has at most one Ellipsis")
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
            items.extend(_slice_item(slice(None), a, shape[a]) for a in range(axis, axis + missing))
            axis += missing
            continue
        entry = _slice_item if isinstance(part, slice) else _integer_item
        items.append(entry(part, axis, shape[axis]))
        axis += 1
    return tuple(items)


def _check(part: Any) -> None:
    if part is None or part is Ellipsis or isinstance(part, slice):
        return
    is_index = hasattr(part, "__index__") and not isinstance(part, bool)
    if not is_index or getattr(part, "ndim", 0) > 0:
        raise TypeError(
            "indices are integers, slices, Ellipsis and None; "
            f"indexing with {type(part).__name__} is not supported"
        )


def _integer_item(part: Any, axis: int, extent: int) -> IntegerItem:
    position = index(part)
    if not -extent <= position < extent:
        raise IndexError(f"index {position} is out of bounds for axis {axis} with extent {extent}")
    return IntegerItem(axis, position % extent)


def _slice_item(part: slice, axis: int, extent: int) -> SliceItem:
    start, stop, step = part.indices(extent)
    positions = range(start, stop, step)
    if step > 0:
        return SliceItem(axis, start, max(start, stop), step, False)
    if not positions:
        return SliceItem(axis, 0, 0, 1, False)
    return SliceItem(axis, positions[-1], positions[0] + 1, -step, True)
