"""Arrays cut in several."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from operator import index
from typing import Any

from heat_core.array.axes import normalize_axis
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import replicated, to_layout

__all__ = ["array_split", "dsplit", "hsplit", "split", "unstack", "vsplit"]

Sections = int | Sequence[int]


def array_split(x: DNDarray, indices_or_sections: Sections, axis: int = 0) -> list[DNDarray]:
    """Cut an array into parts along an axis. Local: views, whose data stay where they are.

    Parameters
    ----------
    x : DNDarray
    indices_or_sections : int or sequence of int
        Number of parts, of which the first ones may be longer by one; or where to cut.
    axis : int

    Returns
    -------
    list of DNDarray
        Unbalanced, when cut along the split axis: use ``balance``.
    """
    axis = normalize_axis(axis, x.ndim)
    extent = x.shape[axis]
    if hasattr(indices_or_sections, "__index__"):
        number = index(indices_or_sections)
        if number < 1:
            raise ValueError(f"an array cannot be cut in {number} parts")
        length, longer = divmod(extent, number)
        cuts = [part * length + min(part, longer) for part in range(number + 1)]
    else:
        cuts = [0, *(index(cut) for cut in indices_or_sections), extent]
    before = (slice(None),) * axis
    return [x[(*before, slice(start, stop))] for start, stop in pairwise(cuts)]


def split(x: DNDarray, indices_or_sections: Sections, axis: int = 0) -> list[DNDarray]:
    """``array_split`` in equal parts: ValueError if the number does not divide the extent."""
    if hasattr(indices_or_sections, "__index__"):
        extent = x.shape[normalize_axis(axis, x.ndim)]
        number = index(indices_or_sections)
        if number < 1 or extent % number:
            raise ValueError(f"an axis of extent {extent} has no {number} equal parts")
    return array_split(x, indices_or_sections, axis)


def _split_along(x: DNDarray, sections: Sections, axis: int, least_ndim: int) -> list[DNDarray]:
    if x.ndim < least_ndim:
        raise ValueError(f"needs {least_ndim} axes or more, the array has {x.ndim}")
    return split(x, sections, axis)


def hsplit(x: DNDarray, indices_or_sections: Sections) -> list[DNDarray]:
    """``split`` along axis 1, or axis 0 of an array with one axis. Local."""
    return _split_along(x, indices_or_sections, 0 if x.ndim == 1 else 1, 1)


def vsplit(x: DNDarray, indices_or_sections: Sections) -> list[DNDarray]:
    """``split`` along axis 0. Local."""
    return _split_along(x, indices_or_sections, 0, 2)


def dsplit(x: DNDarray, indices_or_sections: Sections) -> list[DNDarray]:
    """``split`` along axis 2. Local."""
    return _split_along(x, indices_or_sections, 2, 3)


def unstack(x: DNDarray, axis: int = 0) -> tuple[DNDarray, ...]:
    """The sub-arrays ``x[0], x[1], ...`` along an axis. Collective if it is the split axis.

    Returns
    -------
    tuple of DNDarray
        With the slabs of ``x`` if these lie along another axis. Otherwise cut in canonical slabs
        along the longest other axis; of one axis, replicated.
    """
    axis = normalize_axis(axis, x.ndim)
    if x.split == axis:
        others: list[Any] = [other for other in range(x.ndim) if other != axis]
        longest = max(others, key=lambda other: x.shape[other], default=None)
        layout = x.layout.with_split(longest, x.comm.size)
        x = wrap(replicated(x), layout, x.comm) if longest is None else to_layout(x, layout)
    layout = x.layout.reduce(frozenset((axis,)), keepdims=False)
    return tuple(wrap(part, layout, x.comm) for part in x.larray.unbind(axis))
