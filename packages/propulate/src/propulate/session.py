"""One session of one worker: the loop that evaluates, and what surrounds it."""

from __future__ import annotations

import json
import logging
import math
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from propulate.engine.evaluation import Evaluator
from propulate.engine.transport import SharedBudget, Transport
from propulate.engine.worker import STATE, Worker
from propulate.individual import Individual, Status
from propulate.settings import Settings
from propulate.storage.journal import Journal

__all__ = ["EvaluationError", "Session", "TooManyFailuresError"]

logger = logging.getLogger("propulate")


class EvaluationError(RuntimeError):
    """The loss function raised, and ``on_error="raise"`` was asked for."""


class TooManyFailuresError(RuntimeError):
    """Most evaluations failed."""


_SIGNALS = (signal.SIGTERM, signal.SIGUSR1)  # what schedulers send before the end


@contextmanager
def catching(signals: Sequence[signal.Signals]) -> Iterator[list[str]]:
    """A list that gets the names of signals that come in the block; in the main thread only."""
    caught: list[str] = []
    if threading.current_thread() is not threading.main_thread():
        yield caught
        return
    before = {
        number: signal.signal(number, lambda n, _: caught.append(signal.Signals(n).name))
        for number in signals
    }
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Session:
    """Evaluates until a limit is reached.

    Parameters
    ----------
    worker : Worker
    transport : Transport
    budget : SharedBudget
    evaluator : Evaluator
    settings : Settings
    journal : Journal or None
    generations : int
        Evaluations of this worker, -1 for no limit.
    logging_interval : int
        Log a line every so many evaluations, on the worker that `talks`.
    shares : sequence of int
        Evaluations of each worker, in deterministic runs.
    """

    def __init__(
        self,
        worker: Worker,
        transport: Transport,
        budget: SharedBudget,
        evaluator: Evaluator,
        settings: Settings,
        journal: Journal | None = None,
        generations: int = -1,
        *,
        talks: bool = True,
        logging_interval: int = 10,
        downtime: float = 0.0,
        shares: Sequence[int] = (),
    ) -> None:
        self.worker, self.transport, self.budget = worker, transport, budget
        self.evaluator, self.settings, self.journal = evaluator, settings, journal
        self.generations, self.talks = generations, talks
        self.shares = shares
        self.logging_interval = max(1, logging_interval)
        self._start = time.monotonic()
        self._earlier = downtime
        self._saved = self._ready = self._start
        self._seen = -1
        self._known = len(worker.population)  # from earlier sessions
        self._best, self._best_at = math.inf, 0
        self._warned = 0
        self.error: BaseException | None = None

    def run(self) -> str:
        """Evaluate; the reason for stopping."""
        with catching(_SIGNALS) as caught:
            self.evaluator.interrupted = lambda: bool(caught)
            return self._run(caught)

    def _run(self, caught: list[str]) -> str:
        done = 0
        while self.worker.stop_reason is None:
            if caught:
                logger.warning("%s: stopping; the same command continues the run", caught[0])
                self.worker.stop(caught[0])
                continue
            if done == self.generations:
                return "generations"
            if self._out_of_time():
                return self._leave("time_limit")
            if self.settings.deterministic and not self._wait_for_round(done):
                continue
            if self._leaves_rest():
                continue
            if not self.budget.take():
                return "max_evaluations"
            try:
                if not self._evaluate_one():
                    return self._leave("exhausted")
                self.transport.pump()
                self.transport.poll()
                self._check()
            except KeyboardInterrupt as error:
                self.error = error
                self.worker.stop("interrupted")
            except Exception as error:
                self.error = error
                self.worker.stop(f"{type(error).__name__}: {error}")
            done += 1
            self._ready = time.monotonic()
        return self.worker.stop_reason

    def _leave(self, reason: str) -> str:
        """Stop here; in rounds the others can't go on alone."""
        if self.settings.deterministic:
            self.worker.stop(reason)
        return reason

    def _wait_for_round(self, done: int) -> bool:
        """In deterministic runs: until all have finished the rounds before, or the run ends."""
        while not self.worker.is_ready(done, self.shares) and self.worker.stop_reason is None:
            self.transport.pump()
            self.transport.poll()
            time.sleep(1e-4)
        self.worker.release(done)
        return self.worker.stop_reason is None

    def _leaves_rest(self) -> bool:
        """Wait a moment if others will finish the budget sooner; at most as long as own take."""
        now = time.monotonic()
        if (
            self.budget.limit is None
            or not self.worker.leaves_rest(self.budget.left)
            or now - self._ready > self.worker.counters.evaluating / self.worker.counters.started
            or self.budget.left() <= 0
        ):
            return False
        self.transport.pump()
        self.transport.poll()
        time.sleep(1e-3)
        return True

    def _out_of_time(self) -> bool:
        limit = self.settings.time_limit
        return isinstance(limit, float | int) and time.monotonic() - self._start >= limit

    def _evaluate_one(self) -> bool:
        candidate = self._candidate()
        if candidate is None:
            return False
        for attempt in range(self.settings.retries + 1):
            if candidate.status != Status.COMPLETE:  # a cached one is complete already
                self.evaluator(candidate)
            if candidate.status == Status.INTERRUPTED:  # evaluated anew by the next job
                return True
            if candidate.status != Status.FAILED or self.settings.on_error != "retry":
                break
            logger.info("evaluation %s failed, attempt %d", tuple(candidate.uid), attempt + 1)
            candidate.status = Status.RUNNING if attempt < self.settings.retries else Status.FAILED
        candidate.walltime = self._earlier + time.monotonic() - self._start
        self.worker.finish(candidate)
        self._report(candidate)
        for callback in self.settings.callbacks:
            if callback(candidate) is False:
                self.worker.stop("callback")
        self._save_state(every=self.settings.state_interval)
        return True

    def _candidate(self) -> Individual | None:
        """The next candidate, with what is to be done about points that were seen before."""
        worker, policy = self.worker, self.worker.duplicates
        if policy == "allow":
            return worker.next()
        seen = worker.seen
        space = worker.breeder.space
        if policy == "mutate" and len(seen) >= space.cardinality and not worker.restarts:
            return None
        candidate = worker.next(avoid=seen if policy == "mutate" else None)
        if policy == "cache":
            known = worker.known_losses.get(space.key(candidate.genes))
            if known is not None:
                candidate.loss, candidate.status = known, Status.COMPLETE
        return candidate

    def _report(self, individual: Individual) -> None:
        if individual.status == Status.FAILED:
            self._warned += 1
            text = individual.error or ""
            if self._warned > 5:
                text = text.strip().rsplit("\n", 1)[-1]
            logger.warning("evaluation %s failed: %s", tuple(individual.uid), text)
        n = len(self.worker.population)
        if self.talks and n // self.logging_interval > self._seen:
            self._seen = n // self.logging_interval
            if logger.isEnabledFor(logging.INFO):
                self._log(n)

    def _log(self, n: int) -> None:
        """How far the search is, as far as this worker knows."""
        best = self.worker.population.ranking.key_at(0) * self.settings.signs[0]
        busy, seconds = self.busy()
        rate = (n - self._known) / max(seconds, 1e-9)
        budget = self.settings.budget(sum(self.worker.sizes))
        goal = f" of {budget}, {(budget - n) / rate:.0f} s left" if budget and rate else ""
        logger.info(
            "%d evaluations%s; best %.6g; %.3g per minute; busy %.0f %% of the time",
            *(n, goal, best, 60 * rate, 100 * busy / max(seconds, 1e-9)),
        )

    def _save_state(self, every: float = 0.0) -> None:
        if self.journal is None or time.monotonic() - self._saved < every:
            return
        self._saved = time.monotonic()
        self.journal.write(STATE, json.dumps(self.worker.state()).encode())

    def _check(self) -> None:
        """Stop everybody if a limit of the search itself is reached."""
        if self.transport.error is not None:
            raise self.transport.error
        population, settings = self.worker.population, self.settings
        best = population.ranking.key_at(0)
        if best < self._best - settings.min_delta:
            self._best, self._best_at = best, len(population)
        if settings.target_loss is not None and best <= settings.target_loss * settings.signs[0]:
            self.worker.stop("target_loss")
        if settings.patience is not None and len(population) - self._best_at >= settings.patience:
            self.worker.stop("patience")
        failed, n = population.counts[Status.FAILED], len(population)
        first = max(10, 2 * sum(self.worker.sizes))
        if n == failed >= first or (n >= 100 and failed > settings.max_failures * n):
            self.error = TooManyFailuresError(self._commonest_error(failed, n))
            self.worker.stop("too many failures")

    def _commonest_error(self, failed: int, n: int) -> str:
        errors = Counter(
            rare["error"].strip().rsplit("\n", 1)[-1]
            for rare in self.worker.population.rare.values()
            if "error" in rare
        )
        (text, times), *_ = errors.most_common(1)
        return f"{failed} of {n} evaluations failed, {times} of them with: {text}"

    def finish(self) -> None:
        """Take in what is left, save the state for a continuation, and close the journal."""
        self.worker.release(math.inf)
        self._save_state()
        if self.journal is not None:
            self.journal.close()

    def busy(self) -> tuple[float, float]:
        """Seconds in the loss function, and seconds in all."""
        return self.worker.counters.evaluating, time.monotonic() - self._start


def describe(value: Any) -> str:
    """The qualified name of a loss function."""
    return f"{getattr(value, '__module__', '?')}.{getattr(value, '__qualname__', repr(value))}"
