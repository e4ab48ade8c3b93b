"""Groups of torch.distributed."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from daso.errors import SyncTimeoutError
from daso.group import Done, Group, Pending
from daso.topology import Topology
from daso.transport.base import Courier, Transport

__all__ = ["TorchGroup", "torch_transport"]


class _Work(Pending):
    """A work object of torch.distributed, and the tensors that it uses."""

    def __init__(self, work: Any, *keep: Any) -> None:
        self.work, self.keep = work, keep

    def test(self) -> bool:
        if not self.work.is_completed():
            return False
        self.work.wait()  # raises what went wrong
        return True

    def wait(self, timeout_s: float) -> None:
        try:
            self.work.wait(timedelta(seconds=timeout_s))
        except RuntimeError as error:
            raise SyncTimeoutError(f"no answer from other ranks: {error}") from error


class TorchGroup(Group):
    """The ranks of a process group.

    Parameters
    ----------
    group : torch.distributed.ProcessGroup
    """

    def __init__(self, group: Any) -> None:
        self.group = group
        self.rank, self.size = dist.get_rank(group), dist.get_world_size(group)

    def _work(self, work: Any, *keep: Any) -> Pending:
        return Done() if work is None else _Work(work, *keep)

    def allreduce(self, x: Tensor, op: str = "sum") -> Pending:  # noqa: D102 - see the base
        kind = dist.ReduceOp.SUM if op == "sum" else dist.ReduceOp.MAX
        return self._work(dist.all_reduce(x, kind, group=self.group, async_op=True), x)

    def allgather(self, out: Tensor, x: Tensor) -> Pending:  # noqa: D102
        rows = list(out.view(self.size, *x.shape).unbind(0))
        return self._work(dist.all_gather(rows, x, group=self.group, async_op=True), rows, x)

    def alltoall(self, out: Tensor, x: Tensor) -> Pending:  # noqa: D102
        work = dist.all_to_all_single(out, x, group=self.group, async_op=True)
        return self._work(work, out, x)

    def bcast(self, x: Tensor, root: int = 0) -> Pending:  # noqa: D102
        source = dist.get_global_rank(self.group, root)
        return self._work(dist.broadcast(x, source, group=self.group, async_op=True), x)


def torch_transport(
    topology: Topology | None = None, *, timeout_s: float = 300.0, backend: str | None = None
) -> Transport:
    """The groups of this rank in a job of torch.distributed. Collective.

    The default process group is used for nothing but making groups; if there is none, it is
    initialised from the launcher's variables.

    Parameters
    ----------
    topology : Topology, optional
        Default: from the variables of torchrun or Slurm.
    timeout_s : float
    backend : str, optional
        Default: nccl for GPUs, if there are as many as ranks; else gloo.
    """
    if not dist.is_initialized():
        dist.init_process_group("gloo", timeout=timedelta(seconds=timeout_s))
        atexit.register(_end)
    topology = Topology.from_env() if topology is None else topology
    if backend is None:
        own_gpu = torch.cuda.is_available() and torch.cuda.device_count() >= topology.local_size
        backend = "nccl" if own_gpu and dist.is_nccl_available() else "gloo"

    def groups(parts: Sequence[Sequence[int]], backend: str | None = backend) -> Any:
        """The group that has this rank; all ranks make all groups, in the same order."""
        mine = None
        for ranks in parts:
            made = dist.new_group(
                list(ranks), timeout=timedelta(seconds=timeout_s), backend=backend
            )
            mine = made if topology.rank in ranks else mine
        return mine

    nodes = [topology.ranks_of(node) for node in range(topology.n_nodes)]
    world = groups([range(topology.size)])
    node = groups(nodes)
    ddp = groups(nodes)
    cross = groups([[ranks[place] for ranks in nodes] for place in range(topology.stripes)])
    made = [group for group in (world, node, ddp, cross) if group is not None]

    def free() -> None:
        if dist.is_initialized():
            for group in made:
                dist.destroy_process_group(group)

    return Transport(
        topology,
        world=TorchGroup(world),
        node=TorchGroup(node),
        cross=None if cross is None else TorchGroup(cross),
        courier=Courier(),
        free=free,
        process_group=ddp,
    )


def _end() -> None:
    """Destroy the groups at the end of a program that went well: gloo's threads can abort it.

    After an uncaught exception others may be waiting in them, and they are left alone.
    """
    if dist.is_initialized() and getattr(sys, "last_value", None) is None:
        dist.destroy_process_group()


def is_torch_job() -> bool:
    """Whether torch.distributed is initialised, or torchrun has started this process."""
    return dist.is_available() and (
        dist.is_initialized() or ("RANK" in os.environ and os.environ.get("WORLD_SIZE", "1") != "1")
    )
