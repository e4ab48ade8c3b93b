"""What a run is told, checked once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from propulate.individual import Individual

__all__ = ["Settings"]

_ON_ERROR = ("record", "raise", "retry")
_RESUME = ("auto", "must", "never")
_DUPLICATES = ("allow", "mutate", "cache")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Options of a run; keyword arguments of `Propulator` and `Islands`.

    Attributes
    ----------
    seed : int
    direction, directions : str, sequence of str
        "minimize" or "maximize", one for each objective.
    generations : int
        Evaluations of each worker; -1 for no limit.
    max_evaluations : int, optional
        Evaluations of all workers together, those of earlier sessions included.
    time_limit : float or "slurm", optional
        Seconds after which no evaluation is started; with "slurm", until two minutes before the
        job's end.
    target_loss : float, optional
        Stop when a loss as good as this is known.
    patience : int, optional
        Stop after so many evaluations of an island without one that is better by `min_delta`.
    on_error : {"record", "retry", "raise"}
        What an exception of the loss function does.
    retries : int
        For "retry".
    catch : tuple of exception types
        Those that are recorded in spite of "raise".
    max_failures : float
        Stop when more than this share of at least 100 evaluations has failed, or all of ten.
    eval_timeout : float, optional
        Seconds that an evaluation may take.
    on_duplicate : {"allow", "mutate", "cache"}, optional
        A point that was evaluated before is evaluated again, changed, or given the known loss.
        Default: "mutate" if all parameters are discrete.
    initial : sequence, Result or DataFrame
        Points to begin with: dicts, or pairs of a dict and its known loss; the complete individuals
        of a result; or a row a point, with an optional column "loss".
    checkpoint_path : path, optional
        Folder of the journal; None for no journal.
    name : str
        Of the run, a folder in there.
    resume : {"auto", "must", "never"}
    durability : {"flush", "fsync", "none"}
    checkpoint_required : bool
        Raise if the journal can't be written.
    state_interval : float
        Seconds between saved states of the propagator.
    max_crashes : int
        A candidate that was running when the job died so many times is marked as failed.
    deterministic : bool
        The same seed on the same number of ranks gives the same run, whatever the timing: before
        its n-th candidate a worker waits for the others' results up to n - 1 - lag. Slow if
        evaluations take different times; the budget is shared out in advance. What stops it early
        (a time limit, a target) still depends on timing.
    lag : int
        Rounds that results may be late in deterministic runs.
    replayable : bool
        Journal what was known at each breeding, for `propulate replay`.
    callbacks : sequence of callable
        Called with each own finished individual.
    problem_id : str
        Identifies the loss function; a continuation with another one is refused.
    """

    seed: int = 0
    direction: str = "minimize"
    directions: Sequence[str] | None = None
    generations: int = -1
    max_evaluations: int | None = None
    time_limit: float | str | None = None
    target_loss: float | None = None
    patience: int | None = None
    min_delta: float = 0.0
    on_error: str = "record"
    retries: int = 0
    catch: tuple[type[Exception], ...] = ()
    max_failures: float = 0.5
    eval_timeout: float | None = None
    on_duplicate: str | None = None
    initial: Any = ()
    checkpoint_path: str | Path | None = "./"
    name: str = "propulate"
    resume: str = "auto"
    durability: str = "flush"
    checkpoint_required: bool = False
    state_interval: float = 30.0
    max_crashes: int = 2
    callbacks: Sequence[Callable[[Individual], Any]] = field(default=())
    problem_id: str = ""
    deterministic: bool = False
    lag: int = 0
    replayable: bool = False

    def __post_init__(self) -> None:
        for name, allowed in (
            ("on_error", _ON_ERROR),
            ("resume", _RESUME),
            ("on_duplicate", (None, *_DUPLICATES)),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {allowed}, got {getattr(self, name)!r}")
        for direction in self.directions or (self.direction,):
            if direction not in {"minimize", "maximize"}:
                raise ValueError(f"a direction is minimize or maximize, got {direction!r}")
        if self.lag < 0:
            raise ValueError(f"lag must not be negative, got {self.lag}")
        if self.deterministic and self.generations == -1 and self.max_evaluations is None:
            raise ValueError("deterministic=True needs generations or max_evaluations")
        if self.generations < -1:
            raise ValueError(f"generations must be -1 or more, got {self.generations}")
        if isinstance(self.time_limit, str):
            object.__setattr__(self, "time_limit", _seconds_left(self.time_limit))
        limits = (self.max_evaluations, self.time_limit, self.target_loss, self.patience)
        if self.generations == -1 and all(limit is None for limit in limits):
            raise ValueError(
                "nothing would end this run: give generations, max_evaluations, time_limit, "
                "target_loss or patience"
            )

    @property
    def signs(self) -> tuple[float, ...]:
        """+1 for each objective to be minimised, -1 to be maximised."""
        return tuple(
            1.0 if direction == "minimize" else -1.0
            for direction in self.directions or (self.direction,)
        )

    def budget(self, n_workers: int) -> int | None:
        """Evaluations of the whole run, if that is known."""
        if self.max_evaluations is not None:
            return self.max_evaluations
        return self.generations * n_workers if self.generations > 0 else None

    def left(self, done: int) -> int | None:
        """Evaluations that all workers together may start, after those of earlier sessions."""
        if self.max_evaluations is None or self.deterministic:
            return None
        return max(0, self.max_evaluations - done)

    def share(self, done: int, rank: int, n_workers: int) -> int:
        """Evaluations of one worker in this session, -1 for any number.

        Those of earlier sessions are shared out evenly; in deterministic runs the budget is.
        """
        limits = []
        if self.generations != -1:
            limits.append(self.generations * n_workers)
        if self.deterministic and self.max_evaluations is not None:
            limits.append(self.max_evaluations)
        if not limits:
            return -1
        share, rest = divmod(max(0, min(limits) - done), n_workers)
        return share + (rank < rest)

    @property
    def folder(self) -> Path | None:
        """Where the run keeps its files."""
        return None if self.checkpoint_path is None else Path(self.checkpoint_path) / self.name


def _seconds_left(scheduler: str) -> float:
    """Until two minutes before the end of the job."""
    if scheduler != "slurm":
        raise ValueError(f"time_limit must be a number of seconds or 'slurm', got {scheduler!r}")
    end = os.environ.get("SLURM_JOB_END_TIME", "")
    if not end.isdigit():
        raise ValueError(
            "time_limit='slurm' needs a job of Slurm 22.05 or later, which sets "
            "SLURM_JOB_END_TIME; give the seconds instead"
        )
    return max(0.0, int(end) - time.time() - 120)
