"""A group whose ranks are threads, or turns of a loop, of one process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from daso.errors import DesyncError
from daso.group import Exchange, Group, Pending

__all__ = ["Hub", "InprocGroup", "lockstep"]


class Hub:
    """A meeting point of `size` ranks; `member` gives each its `Group`."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._lock = threading.Lock()
        self._rounds: dict[int, _Round] = {}

    def member(self, rank: int) -> InprocGroup:
        """The group as seen by one rank."""
        return InprocGroup(self, rank)

    def join(self, number: int, rank: int, name: str, tensors: tuple[Tensor, ...]) -> _Round:
        """Hand in a rank's tensors for the operation of this number."""
        with self._lock:
            this = self._rounds.setdefault(number, _Round(self.size))
            this.names[rank], this.tensors[rank] = name, tensors
            this.n_arrived += 1
            if this.n_arrived == self.size:
                del self._rounds[number]
                this.run()
        return this


class _Round(Pending):
    """One operation of all ranks."""

    def __init__(self, size: int) -> None:
        self.names: list[str] = [""] * size
        self.tensors: list[tuple[Tensor, ...]] = [()] * size
        self.n_arrived = 0
        self.error: Exception | None = None
        self._over = threading.Event()

    def run(self) -> None:
        name = self.names[0]
        if len(set(self.names)) > 1:
            self.error = DesyncError(f"the ranks called different operations: {self.names}")
        else:
            try:
                _OPERATIONS[name.partition(" ")[0]](self.tensors, name)
            except Exception as error:
                self.error = error
        self._over.set()

    def test(self) -> bool:
        if not self._over.is_set():
            return False
        if self.error is not None:
            raise self.error
        return True


def _allreduce(tensors: Sequence[tuple[Tensor, ...]], name: str) -> None:
    total = tensors[0][0].clone()
    for (x,) in tensors[1:]:
        total = total + x if name.endswith("sum") else torch.maximum(total, x)
    for (x,) in tensors:
        x.copy_(total)


def _allgather(tensors: Sequence[tuple[Tensor, ...]], _: str) -> None:
    whole = torch.stack([pair[1] for pair in tensors])
    for pair in tensors:
        pair[0].copy_(whole.view(pair[0].shape))


def _alltoall(tensors: Sequence[tuple[Tensor, ...]], _: str) -> None:
    blocks = torch.stack([pair[1] for pair in tensors])
    for rank, pair in enumerate(tensors):
        pair[0].copy_(blocks[:, rank])


def _bcast(tensors: Sequence[tuple[Tensor, ...]], name: str) -> None:
    source = tensors[int(name.split()[1])][0]
    for (x,) in tensors:
        if x is not source:
            x.copy_(source)


_OPERATIONS: dict[str, Callable[[Sequence[tuple[Tensor, ...]], str], None]] = {
    "allreduce": _allreduce,
    "allgather": _allgather,
    "alltoall": _alltoall,
    "bcast": _bcast,
}


class InprocGroup(Group):
    """One rank's view of a `Hub`."""

    def __init__(self, hub: Hub, rank: int) -> None:
        self.hub, self.rank, self.size = hub, rank, hub.size
        self._number = 0

    def _join(self, name: str, *tensors: Tensor) -> Pending:
        number, self._number = self._number, self._number + 1
        return self.hub.join(number, self.rank, name, tensors)

    def allreduce(self, x: Tensor, op: str = "sum") -> Pending:  # noqa: D102 - see the base
        return self._join(f"allreduce {op}", x)

    def allgather(self, out: Tensor, x: Tensor) -> Pending:  # noqa: D102
        return self._join("allgather", out, x)

    def alltoall(self, out: Tensor, x: Tensor) -> Pending:  # noqa: D102
        return self._join("alltoall", out, x)

    def bcast(self, x: Tensor, root: int = 0) -> Pending:  # noqa: D102
        return self._join(f"bcast {root}", x)


def lockstep(exchanges: Sequence[Exchange[Any]]) -> list[Any]:
    """Run the same exchange of all ranks in turns; their results."""
    results: list[Any] = [None] * len(exchanges)
    running = list(enumerate(exchanges))
    while running:
        still: list[tuple[int, Exchange[Any]]] = []
        for rank, exchange in running:
            try:
                next(exchange)
                still.append((rank, exchange))
            except StopIteration as stop:
                results[rank] = stop.value
        running = still
    return results
