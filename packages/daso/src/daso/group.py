"""Ranks that exchange tensors, and operations that have been started."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Generator
from typing import TypeVar

from torch import Tensor

from daso.errors import SyncTimeoutError

__all__ = ["Done", "Exchange", "Group", "Pending", "complete"]

T = TypeVar("T")


class Pending(ABC):
    """An operation that has been started."""

    @abstractmethod
    def test(self) -> bool:
        """Whether it is complete; never blocks, and raises what went wrong."""

    def wait(self, timeout_s: float) -> None:
        """Return when it is complete.

        Raises
        ------
        SyncTimeoutError
            If it is not in time.
        """
        deadline = time.monotonic() + timeout_s
        pause = 0.0
        began = time.monotonic()
        while not self.test():
            now = time.monotonic()
            if now > deadline:
                raise SyncTimeoutError(f"no answer from other ranks within {timeout_s:g} s")
            # sleeping leaves the core to those who compute: be patient with long exchanges
            pause = min(1e-3, (now - began) / 20)
            time.sleep(pause)


class Done(Pending):
    """An operation that needs nobody else."""

    def test(self) -> bool:
        """Yes."""
        return True


class Group(ABC):
    """Ranks that exchange contiguous tensors. All operations are collective over the group.

    Attributes
    ----------
    rank, size : int
    """

    rank: int
    size: int

    @abstractmethod
    def allreduce(self, x: Tensor, op: str = "sum") -> Pending:
        """Replace `x` on all ranks by the sum, or the maximum (``op="max"``)."""

    @abstractmethod
    def allgather(self, out: Tensor, x: Tensor) -> Pending:
        """Fill `out`, shape (size, *x.shape), with the `x` of all ranks."""

    @abstractmethod
    def alltoall(self, out: Tensor, x: Tensor) -> Pending:
        """Send row j of `x` to rank j; row i of `out` comes from rank i. Both: (size, m)."""

    @abstractmethod
    def bcast(self, x: Tensor, root: int = 0) -> Pending:
        """Fill `x` with the values it has on `root`."""


#: A sequence of operations: yields what it waits for, and returns its result.
Exchange = Generator[Pending, None, T]


def complete(exchange: Exchange[T], timeout_s: float) -> T:
    """Run an exchange to its end."""
    while True:
        try:
            pending = next(exchange)
        except StopIteration as stop:
            result: T = stop.value
            return result
        pending.wait(timeout_s)
