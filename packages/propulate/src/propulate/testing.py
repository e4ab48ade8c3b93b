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

    The workers are the same state machines that run under MPI. As there, a worker takes in what
    has arrived when it has finished an evaluation.

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
    budget : int, optional
        Evaluations that the workers plan with.

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
        budget: int | None = None,
    ) -> None:
        space = SearchSpace.of(limits)
        design = space.design(seed=seed)
        self._evaluate = Evaluator(loss_fn)
        self._duration, self._delay = duration, delay
        self._rng = np.random.default_rng(seed)
        self.workers = []
        for island, size in enumerate(sizes):
            for index in range(size):
                rng = np.random.default_rng([seed, island, index])
                context = Context(space, rng, island, index, size, budget, design)
                breeder = Breeder(context, AdaptivePropagator(space))
                self.workers.append(Worker(breeder, sizes, migration))
        self.now = self.busy = 0.0
        self._running: list[tuple[float, int, Individual]] = []  # end, worker, candidate
        self._mail: list[list[tuple[float, int, bytes]]] = [[] for _ in self.workers]
        self._arrival: dict[tuple[int, int], float] = {}
        self._order = self._left = 0

    def run(self, max_evaluations: int) -> None:
        """Evaluate so many candidates in all, then deliver what is under way."""
        self._left = max_evaluations
        ready, waiting = list(range(len(self.workers))), []
        while self._left or self._running:
            for number in ready[: self._left]:
                if self.workers[number].leaves_rest(lambda: self._left):
                    waiting.append(number)
                else:
                    self._begin(number)
            if not self._running:
                self._begin(waiting.pop())
            self.now, number, candidate = heapq.heappop(self._running)
            worker = self.workers[number]
            seconds, _ = candidate.evalperiod, self._evaluate(candidate)
            candidate.evalperiod = seconds
            worker.finish(candidate)
            while self._mail[number] and self._mail[number][0][0] <= self.now:
                worker.receive(heapq.heappop(self._mail[number])[2])
            self._send(number)
            ready = [number]
        self._deliver()

    def _begin(self, number: int) -> None:
        seconds = self._duration(number, self._rng)
        self.busy += seconds
        self._left -= 1
        candidate = self.workers[number].next()
        candidate.evalperiod = seconds
        heapq.heappush(self._running, (self.now + seconds, number, candidate))

    def _send(self, number: int, *, everything: bool = False) -> None:
        for peer, data in self.workers[number].outbox.batches(everything=everything):
            # messages between two workers keep their order, as in MPI
            arrival = max(self.now + self._delay(self._rng), self._arrival.get((number, peer), 0))
            self._arrival[number, peer] = arrival
            self._order += 1
            heapq.heappush(self._mail[peer], (arrival, self._order, data))

    def _deliver(self) -> None:
        """The end of a run: results and immigrants, then what these displaced."""
        for _ in range(2):
            for number in range(len(self.workers)):
                self._send(number, everything=True)
            for worker, mail in zip(self.workers, self._mail, strict=True):
                while mail:
                    worker.receive(heapq.heappop(mail)[2])
