"""What the training methods ask of a communicator, and who offers it.

`mpi_utils.Communicator` offers all of it over MPI; `TorchDistributed` over a process group of
torch; `lowrank.parallel.virtual_ranks` among the threads of one process.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor

__all__ = ["Comm", "Pending", "TorchDistributed", "node_of_ranks", "share", "together"]


class Pending(Protocol):
    """A collective operation that was started."""

    def wait(self) -> Tensor:
        """Block until it is complete, and return its result."""


class Comm(Protocol):
    """A group of ranks that exchange tensors; a part of `mpi_utils.Communicator`."""

    rank: int
    size: int

    def bcast(self, x: Tensor, root: int = 0) -> Tensor:
        """Fill `x` with the values that it has on `root`. Collective."""

    def iallreduce(self, x: Tensor) -> Pending:
        """Start the sum over all ranks. Collective."""

    def ialltoall(self, x: Tensor) -> Pending:
        """Start to send ``x[r]`` to rank r, and to receive ``result[s]`` from rank s. Collective.

        `x` has shape (size, n).
        """

    def iallgather(self, x: Tensor) -> Pending:
        """Start to stack `x` of all ranks along a new first axis. Collective."""

    def split(self, color: int | None) -> Comm | None:
        """The ranks with the same color, in their order; None for a color of None. Collective."""


class TorchDistributed:
    """The ranks of a process group of `torch.distributed` (gloo, NCCL), as a communicator.

    Parameters
    ----------
    group : torch.distributed.ProcessGroup, optional
        Default: the group of all ranks. `torch.distributed.init_process_group` comes before.

    Examples
    --------
    >>> import torch.distributed as dist
    >>> from lowrank import TorchDistributed
    >>> store = dist.HashStore()
    >>> dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    >>> TorchDistributed().size
    1
    >>> dist.destroy_process_group()
    """

    def __init__(self, group: Any = None) -> None:
        from torch import distributed

        if not distributed.is_initialized():
            raise RuntimeError("call torch.distributed.init_process_group before")
        self._dist, self._group = distributed, group
        self.rank, self.size = distributed.get_rank(group), distributed.get_world_size(group)

    def bcast(self, x: Tensor, root: int = 0) -> Tensor:
        """Fill `x` with the values that it has on `root`. Collective."""
        packed = x.contiguous()
        self._dist.broadcast(_bits(packed), group=self._group, group_src=root)
        return x if packed is x else x.copy_(packed)

    def iallreduce(self, x: Tensor) -> Pending:
        """Start the sum over all ranks. Collective."""
        total = x.clone()
        return _Work(self._dist.all_reduce(total, group=self._group, async_op=True), total)

    def ialltoall(self, x: Tensor) -> Pending:
        """Start to send ``x[r]`` to rank r. Collective."""
        received = torch.empty_like(x)
        started = self._dist.all_to_all_single(
            _bits(received), _bits(x), group=self._group, async_op=True
        )
        return _Work(started, received)

    def iallgather(self, x: Tensor) -> Pending:
        """Start to stack `x` of all ranks. Collective."""
        everyone = x.new_empty(self.size, *x.shape)
        started = self._dist.all_gather(
            [_bits(part) for part in everyone.unbind()], _bits(x), group=self._group, async_op=True
        )
        return _Work(started, everyone)

    def share(self, value: Any) -> list[Any]:
        """A Python object of each rank. Collective."""
        values: list[Any] = [None] * self.size
        self._dist.all_gather_object(values, value, group=self._group)
        return values

    def split(self, color: int | None) -> TorchDistributed | None:
        """Part the ranks into communicators, one for each color. Collective."""
        colors = self.share(color)
        if color is None:
            return None
        ranks = [rank for rank, c in enumerate(colors) if c == color]
        if self._group is not None:
            ranks = [self._dist.get_global_rank(self._group, rank) for rank in ranks]
        # by name of its members: groups made at the same time, of parts of a group, would get
        # the same name by a count of all groups, and take each other's addresses
        return TorchDistributed(self._dist.new_group(ranks, use_local_synchronization=True))


class _Work:
    """A started operation of torch, with its result."""

    def __init__(self, work: Any, result: Tensor) -> None:
        self._work, self._result = work, result

    def wait(self) -> Tensor:
        if self._work is not None:
            self._work.wait()
        return self._result


def _bits(x: Tensor) -> Tensor:
    """16-bit floats as bytes: gloo moves only those."""
    return x.view(torch.uint8) if x.element_size() == 2 and x.is_cpu else x


def share(comm: Any, value: Any) -> list[Any]:
    """A Python object of each rank, in the order of ranks. Collective."""
    everyone: list[Any] = (
        comm.handle.allgather(value) if hasattr(comm, "handle") else comm.share(value)
    )
    return everyone


@contextmanager
def together(comm: Any) -> Iterator[None]:
    """Make a block without communication succeed or fail on all ranks together.

    Parameters
    ----------
    comm : Comm or None
        Leaving the block is collective.

    Raises
    ------
    mpi_utils.RemoteError
        Where the block did not fail, but did on another rank.
    """
    if comm is None or comm.size == 1:
        yield
        return
    if hasattr(comm, "handle"):
        from mpi_utils import collective

        with collective(comm):
            yield
        return
    try:
        yield
    except BaseException as error:
        trace = "".join(traceback.format_exception(error))
        share(comm, (type(error), str(error), trace))
        raise
    for rank, report in enumerate(share(comm, None)):
        if report is not None:
            raise _remote_error(rank, *report)


def _remote_error(rank: int, kind: type[BaseException], message: str, trace: str) -> Exception:
    """A `RemoteError` that is an error of the original's kind as well, if that can be."""
    from mpi_utils import RemoteError

    try:
        both = type(f"Remote{kind.__name__}", (RemoteError, kind), {})
    except TypeError:  # the layouts of the two classes don't go together
        both = RemoteError
    error: Exception = both(rank, kind.__name__, message, trace)
    return error


def node_of_ranks(comm: Any) -> tuple[int, ...]:
    """The node of each rank; nodes are numbered by their lowest rank. Collective."""
    if not hasattr(comm, "handle"):
        import socket

        names = share(comm, socket.gethostname())
        return tuple(sorted(set(names), key=names.index).index(name) for name in names)
    from mpi_utils import Topology

    topology = Topology(comm)
    topology.free()
    return topology.map.node_of
