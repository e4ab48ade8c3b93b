"""Carrying the messages of a worker over MPI, and the budget that all workers share."""

from __future__ import annotations

from typing import Any

import numpy as np

from mpi_utils import Communicator
from mpi_utils.runtime import load_mpi
from propulate.engine.worker import Worker
from propulate.population import Population

__all__ = ["SharedBudget", "Transport", "check_complete"]

_TAG = 71
_PRIMES = tuple(np.uint64(p) for p in (4294967311, 11400714819323198549, 14029467366897019727))


class Transport:
    """Sends and receives what workers have to say to each other; nothing ever blocks.

    Parameters
    ----------
    comm : Communicator or None
        Its ranks are the workers, island after island; None for a worker without others.
    worker : Worker
    """

    def __init__(self, comm: Communicator | None, worker: Worker) -> None:
        self.comm = comm if comm is not None and comm.size > 1 else None
        self.worker = worker
        self._sending: list[tuple[Any, bytes]] = []
        self.error: Exception | None = None  # the first one in taking in a message

    def pump(self, *, everything: bool = False) -> None:
        """Send what may be sent."""
        if self.comm is None:
            return
        self._sending = [pair for pair in self._sending if not pair[0].Test()]
        handle = self.comm.handle
        for peer, data in self.worker.outbox.batches(everything=everything):
            self._sending.append((handle.Isend([data, load_mpi().BYTE], peer, _TAG), data))

    def poll(self) -> None:
        """Take in everything that has arrived."""
        if self.comm is None:
            return
        MPI, handle = load_mpi(), self.comm.handle
        status = MPI.Status()
        misses = 0
        while misses < 2:  # the first probe may only have made the library look
            message = handle.Improbe(MPI.ANY_SOURCE, _TAG, status)
            if message is None:
                misses += 1
                continue
            misses = 0
            data = bytearray(status.Get_count(MPI.BYTE))
            message.Recv([data, MPI.BYTE])
            try:
                self.worker.receive(bytes(data))
            except Exception as error:  # of a propagator; the others must not wait in vain
                self.error = self.error or error

    def drain(self) -> None:
        """Bring everything that is under way to its receivers. Collective.

        The first round delivers results and immigrants, the second what immigrants displaced.
        """
        if self.comm is None:
            return
        handle = self.comm.handle
        barrier = handle.Ibarrier()
        while not barrier.Test():
            self.poll()
            self.pump()
        for _ in range(2):
            totals = self.worker.outbox.totals()
            expected = handle.alltoall([totals.get(p, 0) for p in range(self.comm.size)])
            self.pump(everything=True)
            while any(self.worker.outbox.received_from(p) < expected[p] for p in totals):
                self.poll()
        # every message carries entries that were counted, except lone acknowledgements
        synchronised = handle.Ibarrier()
        while not synchronised.Test():
            self.poll()
        for request, _ in self._sending:
            request.Wait()
        self._sending = []


def check_complete(comm: Communicator | None, island: int, population: Population) -> None:
    """RuntimeError on all ranks if workers of an island know different individuals. Collective."""
    if comm is None or comm.size == 1:
        return
    names = ("island", "worker", "seq")
    parts = [population.column(name).astype(np.uint64) for name in names]
    keys = (parts[0] * _PRIMES[0] + parts[1]) * _PRIMES[1] + parts[2]
    mixed = (keys ^ (keys >> np.uint64(31))) * _PRIMES[2]
    digest = island, len(population), int(mixed.sum())
    found = set(comm.handle.allgather(digest))
    if len(found) > len({island for island, *_ in found}):
        raise RuntimeError(
            f"workers of an island ended with different individuals: {sorted(found)} "
            "(island, number, checksum); the journals have them all"
        )


class SharedBudget:
    """A counter that all workers take evaluations from. Creating and freeing it are collective.

    Parameters
    ----------
    comm : Communicator or None
    limit : int or None
        Evaluations that may be started; None for no limit.
    """

    def __init__(self, comm: Communicator | None, limit: int | None) -> None:
        self.limit = limit
        self._local = 0
        self._window: Any = None
        self._amount, self._before = np.zeros(1, np.int64), np.zeros(1, np.int64)
        if comm is not None and comm.size > 1 and limit is not None:
            MPI = load_mpi()
            self._window = MPI.Win.Allocate(8 if comm.rank == 0 else 0, 8, comm=comm.handle)
            if comm.rank == 0:
                np.frombuffer(self._window.tomemory(), np.int64)[0] = 0
            comm.handle.Barrier()
            self._window.Lock_all()
            self._add(0)  # the first access may need the target's help, later ones don't
            comm.handle.Barrier()

    def _add(self, amount: int) -> int:
        if self._window is None:
            self._local += amount
            return self._local - amount
        self._amount[0] = amount
        self._window.Fetch_and_op(self._amount, self._before, 0, 0, load_mpi().SUM)
        self._window.Flush(0)
        return int(self._before[0])

    def take(self) -> bool:
        """Whether one more evaluation may start."""
        return self.limit is None or self._add(1) < self.limit

    def left(self) -> int:
        """How many more evaluations may start, if there is a limit."""
        assert self.limit is not None
        return self.limit - self._add(0)

    def free(self) -> None:
        """Give the window back."""
        if self._window is not None:
            self._window.Unlock_all()
            self._window.Free()
            self._window = None
