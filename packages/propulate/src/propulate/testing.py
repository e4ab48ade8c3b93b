"""A cluster in one process, with a virtual clock: for tests of what is asynchronous."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from propulate.engine.evaluation import Evaluator
from propulate.engine.worker import Migration, Worker
from propulate.individual import Individual
from propulate.optimizer import Breeder
from propulate.propagators.adaptive import AdaptivePropagator
from propulate.propagators.base import Context
from propulate.space import SearchSpace

__all__ = ["VirtualCluster"]


class VirtualCluster:
    """Many workers, whose evaluations and messages take virtual time.

    The workers are the same state machines that run under MPI.

    Parameters
    ----------
    loss_fn : callable
    limits : SearchSpace or mapping
    sizes : sequence of int
        Workers of each island.
    duration : callable
        Takes (worker, generator) and returns the seconds of an evaluation.
    delay : callable
        Takes a generator and returns the seconds that a message is under way.
    seed : int
    migration : Migration, optional

    Attributes
    ----------
    workers : list of Worker
    now, busy : float
        Virtual seconds that have passed, and seconds that the workers evaluated.
    """

    def __init__(
        self,
        loss_fn: Callable[[Individual], float],
        limits: SearchSpace | Mapping[str, Any],
        sizes: Sequence[int],
        duration: Callable[[int, np.random.Generator], float] = lambda _, rng: rng.lognormal(),
        delay: Callable[[np.random.Generator], float] = lambda rng: 0.01 * rng.random(),
        seed: int = 0,
        migration: Migration | None = None,
    ) -> None:
        space = SearchSpace.of(limits)
        self._evaluate = Evaluator(loss_fn)
        self._duration, self._delay = duration, delay
        self._rng = np.random.default_rng(seed)
        self.workers = []
        for island, size in enumerate(sizes):
            for index in range(size):
                rng = np.random.default_rng([seed, island, index])
                context = Context(space, rng, island, index, size, design=space.design(seed=seed))
                breeder = Breeder(context, AdaptivePropagator(space))
                self.workers.append(Worker(breeder, sizes, migration))
        self.now = self.busy = 0.0
        self._events: list[tuple[float, int, int, Any]] = []
        self._arrival: dict[tuple[int, int], float] = {}
        self._order = 0

    def run(self, max_evaluations: int) -> None:
        """Evaluate so many candidates in all, then deliver what is under way."""
        left = max_evaluations
        for number in range(min(left, len(self.workers))):
            self._begin(number)
            left -= 1
        while self._events:
            self.now, _, number, what = heapq.heappop(self._events)
            if isinstance(what, bytes):
                self.workers[number].receive(what)
                self._send(number)
                continue
            self.workers[number].finish(self._evaluate(what))
            self._send(number)
            if left:
                self._begin(number)
                left -= 1
        self._deliver()

    def _push(self, time: float, number: int, what: Any) -> None:
        self._order += 1
        heapq.heappush(self._events, (time, self._order, number, what))

    def _begin(self, number: int) -> None:
        seconds = self._duration(number, self._rng)
        self.busy += seconds
        self._push(self.now + seconds, number, self.workers[number].next())

    def _send(self, number: int, *, everything: bool = False) -> None:
        for peer, data in self.workers[number].outbox.batches(everything=everything):
            # messages between two workers keep their order, as in MPI
            arrival = max(self.now + self._delay(self._rng), self._arrival.get((number, peer), 0))
            self._arrival[number, peer] = arrival
            self._push(arrival, peer, data)

    def _deliver(self) -> None:
        """The end of a run: results and immigrants, then what these displaced."""
        for _ in range(2):
            for number in range(len(self.workers)):
                self._send(number, everything=True)
            while self._events:
                self.now, _, number, data = heapq.heappop(self._events)
                self.workers[number].receive(data)
