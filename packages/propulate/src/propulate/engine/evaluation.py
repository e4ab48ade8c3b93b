"""Running the loss function on a candidate, whatever it does."""

from __future__ import annotations

import inspect
import math
import signal
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from propulate.individual import Individual, Status
from propulate.pruners.base import Pruner, TrialPruned

__all__ = ["EvaluationTimeoutError", "Evaluator"]


class EvaluationTimeoutError(Exception):
    """An evaluation took longer than ``eval_timeout``."""


class Evaluator:
    """Evaluates candidates and fills in what became of them.

    Parameters
    ----------
    loss_fn : callable
        Gets the candidate, and `comm` if it has a second parameter. Returns a number, several
        numbers, or a dict with ``"loss"`` or ``"losses"``, and optionally ``"constraints"``; or is
        a generator function that yields interim losses, the last of which counts.
    sign : sequence of float
        +1 for objectives to be minimised, -1 to be maximised.
    pruner : Pruner, optional
    timeout : float, optional
        Seconds; plain functions are interrupted in the main thread only.
    comm : object, optional
    reraise : bool
        Let exceptions through, except those of the kinds in `catch`.
    """

    def __init__(
        self,
        loss_fn: Callable[..., Any],
        sign: Sequence[float] = (1.0,),
        pruner: Pruner | None = None,
        timeout: float | None = None,
        comm: Any = None,
        *,
        reraise: bool = False,
        catch: tuple[type[Exception], ...] = (),
    ) -> None:
        self.loss_fn, self.sign, self.pruner = loss_fn, np.array(sign), pruner
        self.timeout, self.comm = timeout, comm
        self.reraise, self.catch = reraise, catch
        self._takes_comm = _takes_two(loss_fn)

    def __call__(self, candidate: Individual) -> Individual:
        """Evaluate; the candidate gets loss, status, times, and error."""
        candidate.evaltime = time.time()
        start = time.perf_counter()
        try:
            with _time_limit(self.timeout):
                result = self._run(candidate, start)
            self._record(candidate, result)
        except TrialPruned:
            candidate.status = Status.PRUNED
            candidate.loss = candidate.interim[-1] if candidate.interim else math.inf
        except Exception as error:
            _fail(candidate, "".join(traceback.format_exception(error)))
            if self.reraise and not isinstance(error, self.catch):
                candidate.evalperiod = time.perf_counter() - start
                raise
        candidate.evalperiod = time.perf_counter() - start
        return candidate

    def _run(self, candidate: Individual, start: float) -> Any:
        arguments = (candidate, self.comm) if self._takes_comm else (candidate,)
        result = self.loss_fn(*arguments)
        if isinstance(result, Generator):
            return self._drive(result, candidate, start)
        return result

    def _drive(self, steps: Generator[Any, None, Any], candidate: Individual, start: float) -> Any:
        if self.pruner is not None:
            self.pruner.start_run(candidate)
        try:
            while True:
                try:
                    value = next(steps)
                except StopIteration as end:
                    if end.value is not None:
                        return end.value
                    if not candidate.interim:
                        raise ValueError("the loss function yielded nothing") from None
                    return candidate.interim[-1] * float(self.sign[0])
                number = float(value[1] if isinstance(value, tuple) else value)
                candidate.interim.append(number * float(self.sign[0]))
                if self.timeout is not None and time.perf_counter() - start > self.timeout:
                    raise EvaluationTimeoutError(f"timeout after {self.timeout} s")
                if self.pruner is not None and self.pruner.cancel(candidate.interim[-1]):
                    raise TrialPruned
        finally:
            steps.close()

    def _record(self, candidate: Individual, result: Any) -> None:
        losses = self._losses(candidate, result)
        if not np.all(losses == losses) or np.any(losses == -math.inf):
            _fail(candidate, f"the loss is {result!r}")
            candidate.loss = float(losses.sum())
            return
        candidate.status = Status.COMPLETE
        candidate.loss = float(losses[0]) if len(losses) == 1 else float(losses.sum())
        candidate.losses = None if len(losses) == 1 else losses

    def _losses(self, candidate: Individual, result: Any) -> Any:
        if isinstance(result, Mapping):
            constraints = result.get("constraints", ())
            candidate.violation = float(sum(max(0.0, float(g)) for g in constraints))
            known = {"loss", "losses", "constraints"}
            candidate.metrics = {k: _plain(v) for k, v in result.items() if k not in known}
            if "loss" not in result and "losses" not in result:
                raise ValueError(f"the dict has no 'loss': {sorted(map(str, result))}")
            result = result["losses"] if "losses" in result else result["loss"]
        if result is None or isinstance(result, str | bytes):
            raise TypeError(f"the loss function returned {result!r}, not a number")
        losses = np.atleast_1d(np.asarray(result, float)).ravel()
        if len(losses) != len(self.sign):
            raise ValueError(
                f"the loss function returned {len(losses)} numbers, expected {len(self.sign)}"
            )
        return losses * self.sign


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _fail(candidate: Individual, message: str) -> None:
    candidate.status, candidate.loss, candidate.error = Status.FAILED, math.inf, message


def _takes_two(loss_fn: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(loss_fn).parameters.values()
    except (TypeError, ValueError):
        return False
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    required = [p for p in parameters if p.kind in plain and p.default is p.empty]
    return len(required) >= 2


@contextmanager
def _time_limit(seconds: float | None) -> Iterator[None]:
    """Raise `EvaluationTimeoutError` in the block after a time; in the main thread only."""
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise EvaluationTimeoutError(f"timeout after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
