"""Ranks that are threads of one process: to try a parallel method out, or to test one."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch
from torch import Tensor

__all__ = ["VirtualComm", "run_virtual"]

R = TypeVar("R")


class _Meeting:
    """Where the ranks of a communicator hand over what they have."""

    def __init__(self, size: int) -> None:
        self.barrier = threading.Barrier(size)
        self.slots: list[Any] = [None] * size

    def exchange(self, rank: int, value: Any) -> list[Any]:
        self.slots[rank] = value
        self.barrier.wait()
        values = list(self.slots)
        self.barrier.wait()
        return values


class VirtualComm:
    """A communicator among threads; see `lowrank.parallel.Comm`.

    Attributes
    ----------
    rank, size : int
    sent : Counter
        Bytes that this rank handed over to others, by operation, those of the communicators split
        off included. It is counted as `mpi_utils.traffic` counts.
    """

    def __init__(self, rank: int = 0, size: int = 1, meeting: Any = None) -> None:
        self.rank, self.size = rank, size
        self._meeting = _Meeting(size) if meeting is None else meeting
        self.sent: Counter[str] = Counter()
        self._parts: list[_Meeting] = []

    def bcast(self, x: Tensor, root: int = 0) -> Tensor:
        """Fill `x` with the values that it has on `root`. Collective."""
        if self.rank == root:
            self.sent["bcast"] += x.nbytes
        values = self._copies(x)
        if self.rank != root:
            x.copy_(values[root])
        return x

    def iallreduce(self, x: Tensor) -> _Done:
        """The sum over all ranks. Collective."""
        self.sent["allreduce"] += x.nbytes
        values = self._copies(x)
        total = values[0].clone()
        for value in values[1:]:
            total += value
        return _Done(total)

    def ialltoall(self, x: Tensor) -> _Done:
        """Send ``x[r]`` to rank r. Collective."""
        self.sent["alltoall"] += x.nbytes - x[self.rank].nbytes
        return _Done(torch.stack([value[self.rank] for value in self._copies(x)]))

    def iallgather(self, x: Tensor) -> _Done:
        """Stack `x` of all ranks. Collective."""
        self.sent["allgather"] += x.nbytes * (self.size - 1)
        return _Done(torch.stack(self._copies(x)))

    def share(self, value: Any) -> list[Any]:
        """An object of each rank. Collective."""
        return self._meeting.exchange(self.rank, value)

    def split(self, color: int | None) -> VirtualComm | None:
        """Part the ranks into communicators, one for each color. Collective."""
        colors = self.share(color)
        members = [rank for rank, c in enumerate(colors) if c == color]
        place = members.index(self.rank)
        meetings = self.share(_Meeting(len(members)) if place == 0 else None)
        if color is None:
            return None
        part = VirtualComm(place, len(members), meetings[members[0]])
        part.sent = self.sent
        self._parts.append(part._meeting)
        part._parts = self._parts
        return part

    def abort(self) -> None:
        """Let all ranks that wait for this one fail."""
        for meeting in (self._meeting, *self._parts):
            meeting.barrier.abort()

    def _copies(self, x: Tensor) -> list[Tensor]:
        """The tensors of all ranks, before anybody goes on to change them."""
        return self._meeting.exchange(self.rank, x.detach().clone())


class _Done:
    """The result of an operation that is complete when it returns."""

    def __init__(self, result: Tensor) -> None:
        self._result = result

    def wait(self) -> Tensor:
        return self._result


def run_virtual(size: int, program: Callable[[VirtualComm], R]) -> list[R]:
    """Run a program on virtual ranks, and give what each of them returns.

    The global random state of torch is one for all of them: programs should use generators.

    Parameters
    ----------
    size : int
    program : callable
        Gets the communicator.

    Raises
    ------
    Exception
        That of the lowest rank that failed by itself.
    """
    meeting = _Meeting(size)

    def one(rank: int) -> R:
        comm = VirtualComm(rank, size, meeting)
        try:
            return program(comm)
        except BaseException:
            comm.abort()
            raise

    with ThreadPoolExecutor(size) as pool:
        futures = [pool.submit(one, rank) for rank in range(size)]
    errors = [error for f in futures if (error := f.exception()) is not None]
    for error in sorted(errors, key=lambda e: isinstance(e, threading.BrokenBarrierError)):
        raise error
    return [future.result() for future in futures]
