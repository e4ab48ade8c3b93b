"""Reading at arrays of positions, wherever they lie, in the order of the key."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.comm import Communicator
from heat_core.dtypes.unsigned import signed_view, take_positions
from heat_core.indexing.advanced import coordinates, owners, selection_layout
from heat_core.indexing.positions import Positions
from heat_core.layout import Layout

__all__ = ["gather", "rows_at", "split_coordinate"]


def gather(x: DNDarray, positions: Positions, place: int) -> DNDarray:
    """The elements of ``x`` at ``positions``; the axes of the positions start at ``place``.

    Local where no array of the key indexes the split axis and none is distributed. Otherwise the
    positions (unless all ranks know them) and the elements are exchanged once.

    Returns
    -------
    DNDarray
        Split where ``x`` is, if no array indexes that axis. Else split like the index arrays, or
        along their first axis.
    """
    comm, layout = x.comm, x.layout
    work = positions.layout(layout, comm.size)
    result = selection_layout(layout, positions.axes, work, place)
    if layout.split is None or layout.split not in positions.axes or comm.size == 1:
        return wrap(_gather_local(x.larray, positions, work, place), result, comm)
    if positions.is_replicated:
        rows = _gather_known(x, positions, work)
    else:
        rows = _gather_asked(x, positions, work)
    shape = work.lshape(comm.rank)
    return wrap(_placed(rows.reshape(*shape, *rows.shape[1:]), len(shape), place), result, comm)


def _placed(block: torch.Tensor, n_new: int, place: int) -> torch.Tensor:
    """The leading axes moved to where they belong."""
    if place == 0:
        return block
    return block.movedim(tuple(range(n_new)), tuple(range(place, place + n_new)))


def _gather_local(
    local: torch.Tensor, positions: Positions, work: Layout, place: int
) -> torch.Tensor:
    arrays = positions.local(work)
    if len(arrays) == 1:
        axis, shape = positions.axes[0], arrays[0].shape
        picked = take_positions(local, axis, arrays[0].reshape(-1))
        return picked.reshape(*local.shape[:axis], *shape, *local.shape[axis + 1 :])
    block = table_of(local, positions.axes)[tuple(arrays)]
    return _placed(block, len(work.gshape), place)


def table_of(local: torch.Tensor, axes: Sequence[int]) -> torch.Tensor:
    """A view with the indexed axes first."""
    rest = [axis for axis in range(local.ndim) if axis not in axes]
    return local.permute(*axes, *rest)


def split_coordinate(layout: Layout, positions: Positions, linear: torch.Tensor) -> torch.Tensor:
    """The coordinate along the split axis of row-major positions."""
    assert layout.split is not None
    number = positions.axes.index(layout.split)
    inner = prod(positions.extents[number + 1 :])
    coordinate = linear if inner == 1 else linear // inner
    return coordinate if number == 0 else coordinate % positions.extents[number]


def rows_at(x: DNDarray, positions: Positions, linear: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Row-major positions on this rank as indices into its `table_of`."""
    layout = x.layout
    if len(positions.axes) == 1:
        return (
            linear - layout.offset(x.comm.rank) if positions.axes[0] == layout.split else linear,
        )
    parts = coordinates(linear, positions.extents)
    if layout.split in positions.axes:
        parts[positions.axes.index(layout.split)] -= layout.offset(x.comm.rank)
    return tuple(parts)


def _rows(x: DNDarray, positions: Positions, linear: torch.Tensor) -> torch.Tensor:
    """The elements of this rank at row-major positions, (n, ...)."""
    indices = rows_at(x, positions, linear)
    table = table_of(x.larray, positions.axes)
    rows = take_positions(table, 0, indices[0]) if len(indices) == 1 else table[indices]
    return rows.contiguous()


def grouped(owner: torch.Tensor, comm: Communicator) -> tuple[torch.Tensor, list[int]]:
    """The order that sorts by owner, ties as they come, and the number for each owner."""
    counts = torch.bincount(owner, minlength=comm.size).tolist()
    # NumPy counts short integers rather than comparing them.
    short = owner.cpu().numpy().astype(np.int16 if comm.size <= 1 << 15 else np.int32)
    order = torch.from_numpy(np.argsort(short, kind="stable"))
    return order.to(owner.device), counts


def _gather_known(x: DNDarray, positions: Positions, work: Layout) -> torch.Tensor:
    """All ranks know all positions: each computes what the others want, and sends it."""
    comm, rank = x.comm, x.comm.rank
    assert work.counts is not None
    linear = positions.linear(Layout(work.gshape))
    owner = owners(x.layout, split_coordinate(x.layout, positions, linear))
    inner = prod(work.gshape[1:])
    mine = (owner == rank).nonzero()[:, 0]
    # Work is divided along the first axis, so that positions in order are grouped by receiver.
    ends = torch.tensor(work.counts, device=mine.device).cumsum(0) * inner
    upto = torch.searchsorted(mine, ends).tolist()
    send_counts = [b - a for a, b in zip([0, *upto], upto, strict=False)]
    start = work.offset(rank) * inner
    order, recv_counts = grouped(owner[start : start + work.counts[rank] * inner], comm)
    arrived = comm.alltoallv(_rows(x, positions, linear[mine]), send_counts, recv_counts)
    return unsorted(arrived, order)


def _gather_asked(x: DNDarray, positions: Positions, work: Layout) -> torch.Tensor:
    """Each rank asks the owners for its part of the positions."""
    comm = x.comm
    linear = positions.linear(work)
    order, counts = grouped(owners(x.layout, split_coordinate(x.layout, positions, linear)), comm)
    asked_counts = comm.alltoall(torch.tensor(counts)).tolist()
    asked = comm.alltoallv(linear.index_select(0, order), counts, asked_counts)
    arrived = comm.alltoallv(_rows(x, positions, asked), asked_counts, counts)
    return unsorted(arrived, order)


def unsorted(rows: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    """The rows before ``rows = before[order]``."""
    before = torch.empty_like(rows)
    signed_view(before).index_copy_(0, order, signed_view(rows))
    return before
