"""What travels in a pipeline: activations to the next rank, errors from the last rank to all."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from mpi_utils import Communicator, Request

__all__ = ["Activations", "Errors"]


class _Channel:
    """A private communicator, and what went through it.

    Attributes
    ----------
    bytes_sent : int
    seconds : float
        Spent waiting.
    """

    def __init__(self, comm: Communicator) -> None:
        own = comm.split(0, comm.rank)
        assert own is not None
        self.comm = own
        self.bytes_sent = 0
        self.seconds = 0.0
        self._sends: deque[Request[Any]] = deque()

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - start

    def poll(self) -> None:
        """Let MPI go on with what is under way."""
        while self._sends and self._sends[0].test():
            self._sends.popleft()


class Activations(_Channel):
    """From each rank to the next, in order.

    Parameters
    ----------
    comm : Communicator
    queue : int
        Messages that may be under way; then the sender waits.
    """

    def __init__(self, comm: Communicator, queue: int) -> None:
        super().__init__(comm)
        self.queue = queue
        self._form: tuple[tuple[int, ...], torch.dtype] | None = None  # of what comes
        self._is_announced = False  # whether the next rank knows the form of what it will get
        self._posted: Request[Tensor] | None = None

    def send(self, h: Tensor) -> None:
        """Hand activations to the next rank; they must not be changed any more."""
        if not self._is_announced:
            self.comm.handle.send((tuple(h.shape[1:]), h.dtype), self.comm.rank + 1)
            self._is_announced = True
        while len(self._sends) >= self.queue:
            with self._waiting():
                self._sends.popleft().wait()
        self.bytes_sent += h.nbytes
        self._sends.append(self.comm.isend(h.contiguous(), self.comm.rank + 1))
        self.poll()

    def receive(self, n: int, following: int | None = None) -> Tensor:
        """The activations of the next `n` samples from the rank before.

        The buffer of the `following` ones is put up at once, so that they arrive during the work.
        """
        if self._posted is None:
            self._posted = self._post(n)
        with self._waiting():
            h = self._posted.wait()
        self._posted = None if following is None else self._post(following)
        return h

    def _post(self, n: int) -> Request[Tensor]:
        source = self.comm.rank - 1
        if self._form is None:
            self._form = self.comm.handle.recv(source=source)
        shape, dtype = self._form
        buffer = torch.empty(n, *shape, dtype=dtype)
        request: Request[Tensor] = self.comm.irecv(buffer, source)
        return request

    def drain(self) -> None:
        """Wait until all activations have left."""
        with self._waiting():
            while self._sends:
                self._sends.popleft().wait()


class Errors(_Channel):
    """From the last rank to all others.

    Parameters
    ----------
    comm : Communicator
    lead : int
        Batches that a rank may be ahead of the last.
    strict : bool
        Whether to wait for errors that are about to be read.

    Attributes
    ----------
    stale_reads : int
        Samples whose newer errors had not come when they were read.
    """

    def __init__(self, comm: Communicator, lead: int, *, strict: bool) -> None:
        super().__init__(comm)
        self.lead, self.strict, self.stale_reads = lead, strict, 0
        self._due: deque[tuple[Any, Request[Tensor], Callable[[Any, Tensor], None]]] = deque()

    def send(self, values: Tensor) -> None:
        """From the last rank, the values of a batch to all others."""
        self.poll()
        values = values.contiguous()
        for rank in range(self.comm.size - 1):
            self.bytes_sent += values.nbytes
            self._sends.append(self.comm.isend(values, rank))

    def expect(self, index: Any, like: Tensor, write: Callable[[Any, Tensor], None]) -> None:
        """Get ready for the errors of a batch, which will be written at these ids."""
        buffer = torch.empty_like(like)
        self._due.append((index, self.comm.irecv(buffer, self.comm.size - 1), write))

    def settle(self, index: Any) -> None:
        """Write what has come, and wait for what these ids need."""
        while self._due and self._due[0][1].test():
            self._write_first()
        while len(self._due) > self.lead:
            self._write_first()
        pending = [ids for ids, _, _ in self._due]
        if not self.strict:
            self.stale_reads += _overlap(index, pending)
            return
        while pending and _overlap(index, pending):
            self._write_first()
            pending.pop(0)

    def _write_first(self) -> None:
        index, request, write = self._due.popleft()
        with self._waiting():
            values = request.wait()
        write(index, values)

    def drain(self) -> None:
        """Wait for all errors."""
        while self._due:
            self._write_first()
        with self._waiting():
            while self._sends:
                self._sends.popleft().wait()


def _overlap(index: Any, pending: list[Any]) -> int:
    """How many ids are in one of the pending batches."""
    if not pending:
        return 0
    if isinstance(index, Tensor):
        return int(torch.isin(index, torch.cat(pending)).sum())
    keys = {key for batch in pending for key in batch}
    return sum(key in keys for key in index)
