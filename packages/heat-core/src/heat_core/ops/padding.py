"""Arrays with a border."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.layout import Segment, canonical_layout
from heat_core.ops.rearrange import rearranged

__all__ = ["pad", "padding_segments"]


def _edge(extent: int, before: int, after: int) -> list[Segment]:
    return [
        Segment(0, 0, before, 0),
        Segment(0, 0, extent),
        Segment(0, extent - 1, after, 0),
    ]


def _periodic(period: tuple[Segment, ...], before: int, after: int, extent: int) -> list[Segment]:
    """The positions ``[-before, extent + after)`` of an endless repetition of ``period``."""
    length = sum(segment.extent for segment in period)
    place = -before // length * length
    result = []
    while place < extent + after:
        for segment in period:
            low, high = max(place, -before), min(place + segment.extent, extent + after)
            if low < high:
                start = segment.start + segment.step * (low - place)
                result.append(Segment(0, start, high - low, segment.step))
            place += segment.extent
    return result


def _wrap(extent: int, before: int, after: int) -> list[Segment]:
    return _periodic((Segment(0, 0, extent),), before, after, extent)


def _symmetric(extent: int, before: int, after: int) -> list[Segment]:
    period = (Segment(0, 0, extent), Segment(0, extent - 1, extent, -1))
    return _periodic(period, before, after, extent)


def _reflect(extent: int, before: int, after: int) -> list[Segment]:
    if extent == 1:
        return _edge(extent, before, after)
    period = (Segment(0, 0, extent), Segment(0, extent - 2, extent - 2, -1))
    return _periodic(period, before, after, extent)


_MODES: dict[str, Callable[[int, int, int], list[Segment]]] = {
    "edge": _edge,
    "reflect": _reflect,
    "symmetric": _symmetric,
    "wrap": _wrap,
}


def padding_segments(extent: int, before: int, after: int, mode: str) -> list[Segment]:
    """An axis with ``before`` and ``after`` more positions, as segments of the axis itself.

    ValueError if the axis is empty, as there is nothing to take values from.
    """
    if extent == 0 and before + after:
        raise ValueError(f"an empty axis cannot be padded in mode {mode!r}")
    return _MODES[mode](extent, before, after)


def pad(
    array: DNDarray, pad_width: Any, mode: str = "constant", constant_values: Any = 0
) -> DNDarray:
    """Put a border around an array. Collective if the split axis gets longer; one exchange then.

    Parameters
    ----------
    array : DNDarray
    pad_width : int, (before, after) or sequence of these for each axis
    mode : {"constant", "edge", "reflect", "symmetric", "wrap"}
        What the border holds, as in NumPy.
    constant_values : scalar, (before, after) or sequence of these for each axis

    Returns
    -------
    DNDarray
        With canonical slabs if the split axis is padded, else with those of ``array``.
    """
    if mode != "constant" and mode not in _MODES:
        raise ValueError(f"mode is one of constant, {', '.join(_MODES)}, not {mode!r}")
    widths = _pairs(pad_width, array.ndim)
    if widths.dtype.kind not in "iu":
        raise TypeError("pad_width holds integers")
    if (widths < 0).any():
        raise ValueError("pad_width has negative numbers")
    fills = _pairs(constant_values, array.ndim)
    result = array
    for axis, ((before, after), (first, last)) in enumerate(
        zip(widths.tolist(), fills.tolist(), strict=True)
    ):
        if not before + after:
            continue
        extent = array.shape[axis]
        if mode == "constant":
            segments = [
                Segment(None, 0, before, fill=first),
                Segment(0, 0, extent),
                Segment(None, 0, after, fill=last),
            ]
        else:
            segments = padding_segments(extent, before, after, mode)
        layout = result.layout
        if axis == layout.split:
            shape = (*result.shape[:axis], before + extent + after, *result.shape[axis + 1 :])
            layout = canonical_layout(shape, axis, array.comm.size)
        else:
            layout = layout.resize(axis, before + extent + after)
        result = rearranged(result, axis, segments, layout)
    return wrap(array.larray.clone(), array.layout, array.comm) if result is array else result


def _pairs(numbers: Any, ndim: int) -> np.ndarray[Any, Any]:
    """One (before, after) for each axis, by NumPy's rules."""
    values = np.asarray(numbers)
    if values.ndim == 1 and values.size == 1:
        values = values[0]
    return np.broadcast_to(values, (ndim, 2))
