"""Where a run goes on: what a worker takes over from earlier sessions, and from the user."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from propulate.engine.worker import Worker
from propulate.individual import Individual, Status
from propulate.result import Result
from propulate.settings import Settings
from propulate.storage.history import History, in_runs

__all__ = ["Place", "add_initial", "restore", "take_in"]


class Place(NamedTuple):
    """A worker among all workers."""

    rank: int
    n_workers: int


def restore(worker: Worker, history: History, place: Place, max_crashes: int) -> None:
    """Individuals stay with their island; what was running is shared out and comes first."""
    take_in(worker, history)
    here = worker.island, worker.index
    worker.breeder.seq = history.next_seq.get(here, 0)
    if here in history.states:
        worker.load_state(history.states[here])
    for number, (uid, record) in enumerate(sorted(history.unfinished.items())):
        if number % place.n_workers != place.rank:
            continue
        candidate = worker.codec.decode(record)
        if history.starts[uid] >= max_crashes:
            candidate.status, candidate.loss = Status.FAILED, float("inf")
            candidate.error = f"crashed the job {history.starts[uid]} times"
            worker.finish(candidate)
        else:
            worker.restarts.append(candidate)


def take_in(worker: Worker, history: History) -> None:
    """The individuals of the worker's island, as they were at the end."""
    for island, frames in sorted(history.frames.items()):
        if island % len(worker.sizes) == worker.island:
            for plain, run in in_runs(frames, worker.codec, worker.population.n_objectives):
                if not plain or not worker.restore_many(run):
                    for kind, payload in run:
                        worker.restore(kind, payload)


def add_initial(worker: Worker, settings: Settings, place: Place) -> None:
    """The user's points, shared out: those with a loss are known, the others come first."""
    space = worker.breeder.space
    for number, entry in enumerate(_entries(settings.initial)):
        if number % place.n_workers != place.rank:
            continue
        values, loss = entry if isinstance(entry, tuple) else (entry, None)
        candidate = Individual.from_genes(space, space.encode(values))
        if loss is None:
            worker.restarts.append(candidate)
            continue
        candidate.operator = "initial"
        worker.breeder.birth(candidate)
        candidate.status = Status.COMPLETE
        candidate.loss = float(loss) * settings.signs[0]
        worker.finish(candidate)


def _entries(initial: Any) -> Iterable[Any]:
    """Points of a result or of a table with a column "loss", or the sequence itself."""
    if isinstance(initial, Result):
        names = initial.space.parameters
        complete = (ind for ind in initial if ind.status == Status.COMPLETE)
        return [({k: v for k, v in ind.items() if k in names}, ind.loss) for ind in complete]
    if hasattr(initial, "to_dict") and hasattr(initial, "columns"):
        rows = initial.to_dict("records")
        return [
            ({k: v for k, v in row.items() if k != "loss"}, row["loss"]) if "loss" in row else row
            for row in rows
        ]
    entries: Iterable[Any] = initial
    return entries
