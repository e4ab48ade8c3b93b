"""The elements of an array in another order, or several times."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np
import torch

from heat_core.array.axes import normalize_axes, normalize_axis
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import replicated, to_layout
from heat_core.dtypes.unsigned import signed_view, take_positions
from heat_core.layout import Layout, Segment, canonical_layout
from heat_core.layout.execute import assemble, mirror
from heat_core.ops.reshape import ravel, reshape
from heat_core.ops.shape import expand_dims, transpose

__all__ = ["flip", "fliplr", "flipud", "rearranged", "roll", "rot90", "tile"]


def rearranged(x: DNDarray, axis: int, segments: Sequence[Segment], layout: Layout) -> DNDarray:
    """The array whose ``axis`` is put together from segments of that of ``x``.

    Collective if ``axis`` is the split axis, in one exchange.
    """
    return wrap(assemble(x.comm, [x.larray], [x.layout], layout, axis, segments), layout, x.comm)


def flip(m: DNDarray, axis: int | Sequence[int] | None = None) -> DNDarray:
    """Reverse the order along axes. Collective if the split axis is one of them.

    Parameters
    ----------
    m : DNDarray
    axis : int, sequence of int or None
        None: all.

    Returns
    -------
    DNDarray
        With canonical slabs if ``m`` has them; otherwise the slabs of the split axis are reversed,
        too.
    """
    axes = normalize_axes(axis, m.ndim)
    local, layout = m.larray, m.layout
    if others := [item for item in axes if item != layout.split]:
        local = signed_view(local).flip(others).view(local.dtype)
    if layout.split in axes:
        layout = layout if layout.is_balanced else layout.mirrored()
        local = mirror(m.comm, local, m.layout, layout)
    return wrap(local.clone() if local is m.larray else local, layout, m.comm)


def fliplr(m: DNDarray) -> DNDarray:
    """Reverse the order along axis 1; see ``flip``."""
    return flip(m, 1)


def flipud(m: DNDarray) -> DNDarray:
    """Reverse the order along axis 0; see ``flip``."""
    return flip(m, 0)


def roll(
    x: DNDarray, shift: int | Sequence[int], axis: int | Sequence[int] | None = None
) -> DNDarray:
    """Move elements along axes; what goes over the end comes in at the start.

    Collective if the split axis is one of them, in one exchange.

    Parameters
    ----------
    x : DNDarray
    shift : int or sequence of int
        Number of places; one for each axis, or the same for all.
    axis : int, sequence of int or None
        None: roll the flattened array. An axis may come several times.

    Returns
    -------
    DNDarray
        With the layout of ``x``.
    """
    if axis is None:
        flat = roll(ravel(x), shift, 0)
        return to_layout(reshape(flat, x.shape, new_split=x.split), x.layout)
    shifts = np.broadcast(shift, axis)
    if shifts.ndim > 1:
        raise ValueError("shift and axis are integers or sequences of them")
    total: dict[int, int] = {}
    for places, one in shifts:
        one_axis = normalize_axis(one, x.ndim)
        total[one_axis] = total.get(one_axis, 0) + index(places)
    across = total.pop(x.split, 0) if x.split is not None and x.comm.size > 1 else 0
    local = x.larray.roll(tuple(total.values()), tuple(total)) if total else x.larray
    result = wrap(local, x.layout, x.comm)
    if x.split is None or not x.shape[x.split] or not across % x.shape[x.split]:
        return wrap(local.clone(), x.layout, x.comm) if local is x.larray else result
    extent = x.shape[x.split]
    across %= extent
    segments = (Segment(0, extent - across, across), Segment(0, 0, extent - across))
    return rearranged(result, x.split, segments, x.layout)


def rot90(m: DNDarray, k: int = 1, axes: Sequence[int] = (0, 1)) -> DNDarray:
    """Rotate by ``k`` quarter turns from the first towards the second of two axes.

    Collective if an axis that is reversed is the split axis, see ``flip``; the split follows its
    axis.
    """
    if len(axes) != 2:
        raise ValueError(f"a rotation has two axes, not {len(axes)}")
    first, second = (normalize_axis(axis, m.ndim) for axis in axes)
    if first == second:
        raise ValueError(f"the axes of a rotation are different, not {tuple(axes)}")
    order = list(range(m.ndim))
    order[first], order[second] = second, first
    turns = k % 4
    if turns == 0:
        return wrap(m.larray.clone(), m.layout, m.comm)
    if turns == 2:
        return flip(m, (first, second))
    return transpose(flip(m, second), order) if turns == 1 else flip(transpose(m, order), second)


def tile(x: DNDarray, reps: int | Sequence[int]) -> DNDarray:
    """The array side by side with itself. Collective if repeated along the split axis.

    Parameters
    ----------
    x : DNDarray
    reps : int or sequence of int
        How often along each axis; missing numbers, and missing axes of ``x``, are in front.

    Returns
    -------
    DNDarray
        With canonical slabs if repeated along the split axis, else with the slabs of ``x``.
    """
    given: Sequence[Any] = (reps,) if hasattr(reps, "__index__") else reps
    times = [max(0, index(number)) for number in given]
    times = [1] * (x.ndim - len(times)) + times
    x = expand_dims(x, tuple(range(len(times) - x.ndim)))
    if x.split is not None and x.comm.size > 1:
        axis = x.split
        x = _tile_split(x, axis, times[axis])
        times[axis] = 1
    shape = tuple(extent * number for extent, number in zip(x.shape, times, strict=True))
    layout = canonical_layout(shape, x.split, x.comm.size)
    if x.split is not None and times[x.split] == 1:
        layout = Layout(shape, x.split, x.layout.counts)
    return wrap(x.larray.repeat(times), layout, x.comm)


def _tile_split(x: DNDarray, axis: int, times: int) -> DNDarray:
    if times == 1:
        return x
    extent = x.shape[axis]
    shape = (*x.shape[:axis], extent * times, *x.shape[axis + 1 :])
    layout = canonical_layout(shape, axis, x.comm.size)
    if times <= x.comm.size:
        return rearranged(x, axis, [Segment(0, 0, extent)] * times, layout)
    # The slab of a rank holds the whole array at least once.
    start, count = layout.offset(x.comm.rank), layout.lshape(x.comm.rank)[axis]
    positions = torch.arange(start, start + count, device=x.larray.device) % max(extent, 1)
    return wrap(take_positions(replicated(x), axis, positions), layout, x.comm)
