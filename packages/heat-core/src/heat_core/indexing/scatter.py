"""Writing at arrays of positions, wherever they lie; of repeated positions the last one counts."""

from __future__ import annotations

from math import prod

import torch

from heat_core.array.dndarray import DNDarray
from heat_core.array.relayout import replicated
from heat_core.dispatch.operands import local_operand
from heat_core.dtypes.unsigned import signed_view
from heat_core.indexing.advanced import owners, selection_layout
from heat_core.indexing.gather import grouped, rows_at, split_coordinate, table_of
from heat_core.indexing.positions import Positions
from heat_core.layout import Layout, canonical_layout, replicated_layout

__all__ = ["scatter"]


def scatter(x: DNDarray, positions: Positions, place: int, value: DNDarray) -> None:
    """``x`` at ``positions`` becomes ``value``. In place; the reverse of ``gather``.

    Local where all ranks know the positions and the value, or where no array indexes the split
    axis and ``value`` lies as the selection does. Otherwise positions and values go to the owners.

    Parameters
    ----------
    x : DNDarray
        Its local tensor, which may be a view, is written to.
    positions : Positions
    place : int
        Axis of the selection at which those of the positions start.
    value : DNDarray
        Of the type of ``x``; broadcasts to the selection.
    """
    layout = x.layout
    is_split_indexed = layout.split in positions.axes and x.comm.size > 1
    if not is_split_indexed:
        work: Layout = replicated_layout(positions.shape)
        linear, rows = positions.linear(work), _rows(x, positions, work, place, value)
    elif positions.is_replicated and value.split is None:
        work = replicated_layout(positions.shape)
        linear = positions.linear(work)
        owner = owners(layout, split_coordinate(layout, positions, linear))
        mine = (owner == x.comm.rank).nonzero()[:, 0]
        linear, rows = linear[mine], _rows(x, positions, work, place, value)[mine]
    else:
        linear, rows = _routed(x, positions, place, value)
    _write(x, positions, linear, rows)


def _rows(
    x: DNDarray, positions: Positions, work: Layout, place: int, value: DNDarray
) -> torch.Tensor:
    """The values for this rank's part of the positions, (n, ...)."""
    selection = selection_layout(x.layout, positions.axes, work, place)
    n_new, rank = len(work.gshape), x.comm.rank
    block = local_operand(value, selection).expand(selection.lshape(rank))
    block = block.movedim(tuple(range(place, place + n_new)), tuple(range(n_new)))
    return block.reshape(prod(work.lshape(rank)), *block.shape[n_new:])


def _routed(
    x: DNDarray, positions: Positions, place: int, value: DNDarray
) -> tuple[torch.Tensor, torch.Tensor]:
    """Positions on this rank and their values, in the order of the key."""
    comm = x.comm
    # Split along the first axis, the parts of the ranks follow each other in the key.
    work = canonical_layout(positions.shape, 0, comm.size)
    linear = positions.linear(work)
    order, counts = grouped(owners(x.layout, split_coordinate(x.layout, positions, linear)), comm)
    recv_counts = comm.alltoall(torch.tensor(counts)).tolist()
    arrived = comm.alltoallv(linear[order], counts, recv_counts)
    if value.size == 1:
        # One value for all need not travel once per position.
        rest = [n for axis, n in enumerate(x.lshape) if axis not in positions.axes]
        return arrived, replicated(value).reshape(()).expand(arrived.numel(), *rest)
    rows = _rows(x, positions, work, place, value)[order]
    return arrived, comm.alltoallv(rows, counts, recv_counts)


def _write(x: DNDarray, positions: Positions, linear: torch.Tensor, rows: torch.Tensor) -> None:
    last = _last_of_each(linear)
    if last is not None:
        linear, rows = linear[last], rows[last]
    table = signed_view(table_of(x.larray, positions.axes))
    table[rows_at(x, positions, linear)] = signed_view(rows)


def _last_of_each(linear: torch.Tensor) -> torch.Tensor | None:
    """Where each position comes last; None if none comes twice."""
    if linear.numel() < 2 or bool((linear[1:] > linear[:-1]).all()):
        return None
    ordered, order = linear.sort(stable=True)
    is_last = torch.ones_like(ordered, dtype=torch.bool)
    torch.ne(ordered[1:], ordered[:-1], out=is_last[:-1])
    return order[is_last]
