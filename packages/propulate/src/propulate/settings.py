"""What a run is told, checked once."""

from __future__ import annotations

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
    time_limit : float, optional
        Seconds after which no evaluation is started.
    target_loss : float, optional
        Stop when a loss as good as this is known.
    patience : int, optional
        Stop after so many evaluations of an island without a better one.
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
    time_limit: float | None = None
    target_loss: float | None = None
    patience: int | None = None
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
        if self.generations < -1:
            raise ValueError(f"generations must be -1 or more, got {self.generations}")
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

    @property
    def folder(self) -> Path | None:
        """Where the run keeps its files."""
        return None if self.checkpoint_path is None else Path(self.checkpoint_path) / self.name
