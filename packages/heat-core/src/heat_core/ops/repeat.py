"""Elements repeated one by one."""

from __future__ import annotations

from operator import index
from typing import Any

import torch

from heat_core.array.axes import normalize_axis
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import replicated, to_layout
from heat_core.dispatch.operands import as_tensor
from heat_core.dtypes.unsigned import signed_view
from heat_core.layout import Layout, canonical_layout
from heat_core.layout.execute import relayout
from heat_core.ops.reshape import ravel

__all__ = ["copies_for_slabs", "repeat"]


def repeat(a: DNDarray, repeats: Any, axis: int | None = None) -> DNDarray:
    """Each element several times. Collective if repeated along the split axis.

    Parameters
    ----------
    a : DNDarray
    repeats : int, array_like of int or DNDarray
        How often, for all or for each position of the axis.
    axis : int or None
        None: of the flattened array.

    Returns
    -------
    DNDarray
        With canonical slabs if repeated along the split axis, else with the slabs of ``a``.

    Raises
    ------
    ValueError
        If a number is negative, or there is not one for each position.
    TypeError
        If they are no integers.
    """
    if axis is None:
        a, axis = ravel(a), 0
    axis = normalize_axis(axis, a.ndim)
    if hasattr(repeats, "__index__") and not getattr(repeats, "ndim", 0):
        return _repeat_evenly(a, index(repeats), axis)
    if not isinstance(repeats, DNDarray):
        tensor = as_tensor(repeats).to(a.larray.device)
        repeats = wrap(tensor, Layout(tuple(tensor.shape)), a.comm)
    if repeats.larray.dtype.is_floating_point or repeats.larray.dtype.is_complex:
        raise TypeError(f"numbers of repetitions are integers, not {repeats.dtype}")
    if repeats.size == 1:
        return _repeat_evenly(a, int(replicated(repeats)), axis)
    if repeats.shape != (a.shape[axis],):
        raise ValueError(
            f"{repeats.shape} numbers of repetitions do not fit extent {a.shape[axis]}"
        )
    return _repeat_each(a, repeats, axis)


def _repeated(local: torch.Tensor, times: torch.Tensor | int, axis: int) -> torch.Tensor:
    return signed_view(local).repeat_interleave(times, axis).view(local.dtype)


def _repeat_evenly(a: DNDarray, times: int, axis: int) -> DNDarray:
    if times < 0:
        raise ValueError(f"elements cannot be repeated {times} times")
    # Balanced before and after, little has to move: the counts differ by a few elements.
    even = to_layout(a, a.layout.canonical()) if axis == a.split else a
    local = _repeated(even.larray, times, axis)
    shape = (*a.shape[:axis], a.shape[axis] * times, *a.shape[axis + 1 :])
    counts = even.layout.counts
    if axis == a.split and counts is not None:
        counts = tuple(count * times for count in counts)
    result = wrap(local, Layout(shape, a.split, counts), a.comm)
    return to_layout(result, result.layout.canonical()) if axis == a.split else result


def _repeat_each(a: DNDarray, repeats: DNDarray, axis: int) -> DNDarray:
    comm = a.comm
    wanted = Layout(repeats.shape, 0, a.layout.counts) if axis == a.split else Layout(repeats.shape)
    times = relayout(comm, repeats.larray, repeats.layout, wanted).to(torch.int64)
    numbers = [int(times.sum()), int(times.min()) if times.numel() else 0]
    totals = comm.handle.allgather(numbers) if axis == a.split else [numbers]
    if any(smallest < 0 for _, smallest in totals):
        raise ValueError("numbers of repetitions are negative")
    extent = sum(total for total, _ in totals)
    shape = (*a.shape[:axis], extent, *a.shape[axis + 1 :])
    if axis != a.split:
        local = _repeated(a.larray, times, axis)
        return wrap(local, Layout(shape, a.split, a.layout.counts), comm)
    layout = canonical_layout(shape, axis, comm.size)
    assert layout.counts is not None
    start = sum(total for total, _ in totals[: comm.rank])
    rows, copies, counts = copies_for_slabs(times, start, layout.counts)
    received = comm.handle.alltoall(counts)
    sent = signed_view(a.larray).movedim(axis, 0).index_select(0, rows)
    elements = comm.alltoallv(sent, counts, received)
    numbers_of_copies = comm.alltoallv(copies, counts, received)
    local = elements.repeat_interleave(numbers_of_copies, 0).movedim(0, axis).view(a.larray.dtype)
    return wrap(local, layout, comm)


def copies_for_slabs(
    times: torch.Tensor, start: int, counts: tuple[int, ...]
) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    """Which rows go to which rank, so that each gets its slab of the repeated rows.

    Parameters
    ----------
    times : torch.Tensor, (n_rows,)
        How often each row is repeated.
    start : int
        Place of the first copy of the first row.
    counts : tuple of int
        Extents of the slabs.

    Returns
    -------
    rows, copies : torch.Tensor
        Local positions in the order of receivers, and how many copies the receiver makes. A row
        whose copies lie in several slabs comes once for each.
    numbers : list of int
        Rows for each receiver.
    """
    present = times.nonzero().squeeze(1)
    ends = times[present].cumsum(0) + start
    starts = ends - times[present]
    edges = torch.tensor((0, *counts), device=times.device).cumsum(0)
    low = torch.searchsorted(ends, edges[:-1], right=True).tolist()
    high = torch.searchsorted(starts, edges[1:]).tolist()
    rows, copies, numbers = [], [], []
    for rank, (first, last) in enumerate(zip(low, high, strict=True)):
        numbers.append(max(0, last - first) if counts[rank] else 0)
        part = slice(first, first + numbers[-1])
        rows.append(present[part])
        copies.append(ends[part].clamp(max=edges[rank + 1]) - starts[part].clamp(min=edges[rank]))
    return torch.cat(rows), torch.cat(copies), numbers
