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
from pathlib import Path
from typing import Any

import numpy as np

from propulate.individual import Individual, Status
from propulate.pruners.base import Pruner, TrialPruned

__all__ = ["EvaluationTimeoutError", "Evaluator", "InterruptedEvaluationError"]


class EvaluationTimeoutError(Exception):
    """An evaluation took longer than ``eval_timeout``."""


class InterruptedEvaluationError(Exception):
    """The job is about to end: the evaluation is repeated in the next one."""


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
    folder : Path, optional
        Of the run.
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
        folder: Path | None = None,
        reraise: bool = False,
        catch: tuple[type[Exception], ...] = (),
    ) -> None:
        self.loss_fn, self.sign, self.pruner = loss_fn, np.array(sign), pruner
        self.timeout, self.comm, self.folder = timeout, comm, folder
        self.reraise, self.catch = reraise, catch
        self.interrupted: Callable[[], bool] = lambda: False  # asked after each interim loss
        self._takes_comm = _takes_two(loss_fn)
        self._single = float(sign[0]) if len(sign) == 1 else 0.0

    def __call__(self, candidate: Individual) -> Individual:
        """Evaluate; the candidate gets loss, status, times, and error."""
        candidate.evaltime = time.time()
        start = time.perf_counter()
        try:
            if self.timeout is None:
                result = self._run(candidate, start)
            else:
                with _time_limit(self.timeout):
                    result = self._run(candidate, start)
            self._record(candidate, result)
        except InterruptedEvaluationError:
            candidate.status = Status.INTERRUPTED
        except TrialPruned:
            candidate.status = Status.PRUNED
            candidate.loss = candidate.interim[-1] if candidate.interim else math.inf
        except Exception as error:
            _fail(candidate, _text(error))
            if self.reraise and not isinstance(error, self.catch):
                candidate.evalperiod = time.perf_counter() - start
                raise
        candidate.evalperiod = time.perf_counter() - start
        return candidate

    def arguments(self, candidate: Individual) -> tuple[Any, ...]:
        """What the loss function gets."""
        candidate.folder = self.folder
        return (candidate, self.comm) if self._takes_comm else (candidate,)

    def _run(self, candidate: Individual, start: float) -> Any:
        result = self.loss_fn(*self.arguments(candidate))
        if isinstance(result, Generator):
            return self._drive(result, candidate, start)
        return result

    def advance(self, steps: Generator[Any, None, Any]) -> tuple[bool, Any]:
        """(False, the next value), or (True, what the generator returned)."""
        try:
            return False, next(steps)
        except StopIteration as end:
            return True, end.value

    def decide(self, verdict: Exception | None) -> Exception | None:
        """Why to end the evaluation, if not None, given what it looks like from here."""
        return verdict

    def _drive(self, steps: Generator[Any, None, Any], candidate: Individual, start: float) -> Any:
        sign = float(self.sign[0])
        if self.pruner is not None:
            self.pruner.start_run(candidate)
        try:
            while True:
                ended, value = self.advance(steps)
                if ended and value is not None:
                    return value
                if ended and not candidate.interim:
                    raise ValueError("the loss function yielded nothing")
                if ended:
                    return candidate.interim[-1] * sign
                number = float(value[1] if isinstance(value, tuple) else value)
                candidate.interim.append(number * sign)
                end = self.decide(self._verdict(candidate.interim[-1], start))
                if end is not None:
                    raise end
        finally:
            steps.close()

    def _verdict(self, interim: float, start: float) -> Exception | None:
        """Why a generator is to be ended after an interim loss."""
        if self.interrupted():
            return InterruptedEvaluationError("the job ends")
        if self.timeout is not None and time.perf_counter() - start > self.timeout:
            return EvaluationTimeoutError(f"timeout after {self.timeout} s")
        if self.pruner is not None and self.pruner.cancel(interim):
            return TrialPruned()
        return None

    def _record(self, candidate: Individual, result: Any) -> None:
        if isinstance(result, float) and math.isfinite(result) and self._single:
            candidate.status, candidate.loss = Status.COMPLETE, float(result) * self._single
            return  # what nearly all loss functions return, without a detour by arrays
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


def _text(error: Exception) -> str:
    """The traceback from the user's code on."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        if trace.tb_frame.f_code.co_filename != __file__:
            break
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace))


def _takes_two(loss_fn: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(loss_fn).parameters.values()
    except (TypeError, ValueError):
        return False
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    required = [p for p in parameters if p.kind in plain and p.default is p.empty]
    return len(required) >= 2


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise `EvaluationTimeoutError` in the block after a time; in the main thread only."""
    if threading.current_thread() is not threading.main_thread():
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
