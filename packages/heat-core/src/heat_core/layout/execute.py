"""Carry exchange plans out: the one place where the data of arrays change rank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from heat_core.dtypes.unsigned import signed_view
from heat_core.layout.layout import Layout
from heat_core.layout.plans import Plan, mirror_plan, redistribution_plan, resplit_plan
from heat_core.layout.segments import Part, Segment, assembly_plan, intervals_plan
from heat_core.memory import empty

if TYPE_CHECKING:
    from mpi_utils import Communicator

__all__ = ["allgather_slabs", "assemble", "execute", "fetch", "flip", "mirror", "relayout"]


def execute(comm: Communicator, plan: Plan, local: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    """Fill ``out`` with the blocks that ``plan`` brings, sending the blocks of ``local``."""
    comm.exchange(
        [(peer, local[block]) for peer, block in plan.sends],
        [(peer, out[block]) for peer, block in plan.receives],
    )
    return out


def allgather_slabs(comm: Communicator, local: torch.Tensor, layout: Layout) -> torch.Tensor:
    """The whole array on every rank."""
    assert layout.split is not None and layout.counts is not None
    if comm.size == 1:
        return local
    if layout.split == 0:
        out = empty(layout.gshape, local.dtype, local.device)
        whole: torch.Tensor = comm.allgatherv(local, layout.counts, out=out)
        return whole
    # Slabs along an inner axis are packed with that axis first, and unpacked on arrival.
    packed = local.movedim(layout.split, 0).contiguous()
    gathered: torch.Tensor = comm.allgatherv(packed, layout.counts)
    return gathered.movedim(0, layout.split).contiguous()


def relayout(
    comm: Communicator,
    local: torch.Tensor,
    source: Layout,
    target: Layout,
    inner: int | None = None,
) -> torch.Tensor:
    """The local tensor of the same global array under another layout.

    Collective unless ``source`` is replicated or equals ``target``; in these two cases the
    result may be a view of ``local``. What arrives from other ranks lies in the order of rows, or
    with axis ``inner`` innermost, for work along that axis.
    """
    if source.split == target.split and source.counts == target.counts:
        return local
    rank = comm.rank
    if source.split is None:
        return local[target.slices(rank)]
    if target.split is None:
        return allgather_slabs(comm, local, source)
    if comm.size == 1:
        return local
    plan_of = redistribution_plan if source.split == target.split else resplit_plan
    shape = list(target.lshape(rank))
    if inner is None:
        out = empty(shape, local.dtype, local.device)
    else:
        shape.append(shape.pop(inner))
        out = empty(shape, local.dtype, local.device).movedim(-1, inner)
    return execute(comm, plan_of(source, target, rank), local, out)


def mirror(comm: Communicator, local: torch.Tensor, source: Layout, target: Layout) -> torch.Tensor:
    """The local tensor of the array reversed along its split axis. Collective."""
    assert source.split is not None
    reversed_local = flip(local, source.split)
    if comm.size == 1:
        return reversed_local
    out = empty(target.lshape(comm.rank), local.dtype, local.device)
    return execute(comm, mirror_plan(source, target, comm.rank), reversed_local, out)


def flip(local: torch.Tensor, *axes: int) -> torch.Tensor:
    """The local tensor reversed along some axes."""
    return signed_view(local).flip(axes).view(local.dtype)


def assemble(
    comm: Communicator,
    locals_: Sequence[torch.Tensor],
    sources: Sequence[Layout],
    target: Layout,
    axis: int,
    segments: Sequence[Segment],
) -> torch.Tensor:
    """The local tensor of the array put together from ``segments``, in one exchange.

    Collective if any source is distributed.

    Parameters
    ----------
    comm : Communicator
    locals_ : sequence of torch.Tensor
        Local tensors of the sources, of one dtype.
    sources : sequence of Layout
    target : Layout
    axis : int
    segments : sequence of Segment
    """
    out = empty(target.lshape(comm.rank), locals_[0].dtype, locals_[0].device)
    plan = assembly_plan(sources, target, axis, segments, comm.rank)
    for block, value in plan.fills:
        out[block].fill_(value)
    comm.exchange(
        [(part.peer, _given(locals_[part.source], part, axis)) for part in plan.sends],
        [(peer, out[block]) for peer, block in plan.receives],
    )
    return out


def _given(local: torch.Tensor, part: Part, axis: int) -> torch.Tensor:
    block = local[part.block]
    if part.step == -1:
        return flip(block, axis)
    if part.step == 0:
        return block.expand(*block.shape[:axis], part.extent, *block.shape[axis + 1 :])
    return block


def fetch(
    comm: Communicator, local: torch.Tensor, source: Layout, wanted: Sequence[tuple[int, int]]
) -> torch.Tensor:
    """The positions ``wanted[rank]`` of the split axis, for every rank. Collective.

    Intervals may overlap and reach over the slabs of several ranks.
    """
    assert source.split is not None
    start, stop = wanted[comm.rank]
    shape = list(local.shape)
    shape[source.split] = stop - start
    return execute(comm, intervals_plan(source, wanted, comm.rank), local, local.new_empty(shape))
