"""`Propulator` and `Islands`: a search on all ranks of a communicator."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mpi_utils import Communicator, MPIUnavailableError, agree, collective, world
from propulate.engine.evaluation import Evaluator
from propulate.engine.transport import SharedBudget, Transport
from propulate.engine.worker import Migration, Worker
from propulate.individual import Individual, Status
from propulate.optimizer import Breeder
from propulate.propagators.adaptive import AdaptivePropagator
from propulate.propagators.base import Context, Propagator
from propulate.propagators.select import SelectMax, SelectMin
from propulate.pruners.base import Pruner
from propulate.result import Result
from propulate.session import EvaluationError, Session, TooManyFailuresError, describe
from propulate.settings import Settings
from propulate.space import SearchSpace
from propulate.storage.history import History, read_history
from propulate.storage.journal import Journal

__all__ = ["Islands", "Propulator"]

logger = logging.getLogger("propulate")


def _communicator(comm: Any) -> Communicator | None:
    """A communicator of our own; None on a machine without MPI."""
    if isinstance(comm, Communicator):
        return comm
    if comm is not None:
        return Communicator(comm)
    try:
        return world()
    except MPIUnavailableError:
        return None


def _space_of(propagator: Propagator | None) -> SearchSpace | None:
    """The space that a propagator was made for."""
    if propagator is None:
        return None
    space = getattr(propagator, "space", None)
    for child in propagator.children():
        space = space or _space_of(child)
    return space


class Islands:
    """A search by workers that are dealt to islands. Creating it is collective.

    Each rank of `comm` is a worker. The workers of an island share one population; islands exchange
    individuals now and then.

    Parameters
    ----------
    loss_fn : callable
        Gets a candidate, a mapping of the parameters, and returns the loss; see
        `propulate.engine.evaluation.Evaluator` for what else it may do.
    propagator : Propagator, or sequence of one for each island, optional
        Default: `AdaptivePropagator`.
    rng : object, optional
        For compatibility; a number or a random.Random seeds the run.
    generations : int
        Evaluations of each worker; -1 for no such limit.
    num_islands : int
    island_sizes : sequence of int, optional
        Workers of each island; default equal shares.
    migration_topology : (n, n) array of int, optional
        Entry [i, j]: individuals that island i sends to j at a migration; default one each.
    migration_probability : float
        Of a migration, per island and generation.
    emigration_propagator, immigration_propagator : callable
        Choose who is sent, and who is displaced.
    pollination : bool
        Send copies instead of the individuals themselves.
    checkpoint_path : path or None
    surrogate_factory : callable, optional
        Makes the pruner of a worker.
    limits : mapping or SearchSpace, optional
        Needed unless the propagator knows it.
    comm : Communicator or mpi4py communicator, optional
        Default: all ranks.
    **settings
        See `Settings`.
    """

    def __init__(
        self,
        loss_fn: Callable[..., Any],
        propagator: Propagator | Sequence[Propagator] | None = None,
        rng: Any = None,
        generations: int = -1,
        num_islands: int = 1,
        island_sizes: Sequence[int] | None = None,
        migration_topology: Any = None,
        migration_probability: float = 0.9,
        emigration_propagator: Callable[[int], Propagator] = SelectMin,
        immigration_propagator: Callable[[int], Propagator] = SelectMax,
        pollination: bool = True,
        checkpoint_path: str | Path | None = "./",
        surrogate_factory: Callable[[], Pruner] | None = None,
        *,
        limits: SearchSpace | Mapping[str, Any] | None = None,
        comm: Any = None,
        **settings: Any,
    ) -> None:
        if isinstance(rng, int):
            settings.setdefault("seed", rng)
        elif hasattr(rng, "getrandbits"):
            settings.setdefault("seed", rng.getrandbits(31))
        self.loss_fn = loss_fn
        self.comm = _communicator(comm)
        self.rank, size = (0, 1) if self.comm is None else (self.comm.rank, self.comm.size)
        if self.comm is not None and self.comm.size > 1:
            # a seed that was drawn at random is rank 0's
            settings["seed"] = self.comm.handle.bcast(settings.get("seed", 0))
        self.settings = Settings(
            generations=generations, checkpoint_path=checkpoint_path, **settings
        )
        self.sizes = _island_sizes(size, num_islands, island_sizes)
        bounds = np.cumsum([0, *self.sizes])
        self.island = int(np.searchsorted(bounds, self.rank, side="right")) - 1
        self.index = self.rank - int(bounds[self.island])
        if isinstance(propagator, Sequence):
            propagator = propagator[self.island]
        space = limits if limits is not None else _space_of(propagator)
        if space is None:
            raise ValueError("give limits=: the propagator does not say what is searched")
        self.space = SearchSpace.of(space)
        if self.comm is not None:
            agree(self.comm, self.space.hash, "the search space")
        self._propagator = propagator
        self.migration = Migration(
            _topology(migration_topology, len(self.sizes)),
            _probability(migration_probability),
            pollination,
            emigration_propagator,
            immigration_propagator,
        )
        self._pruner = surrogate_factory() if surrogate_factory is not None else None
        self.result: Result | None = None
        self._lock = -1

    # ------------------------------------------------------------------ one run

    def propulate(self, logging_interval: int = 10, debug: int = 1) -> Result:  # noqa: ARG002
        """Search until a limit is reached. Collective; the same result on all workers of an island.

        Raises
        ------
        EvaluationError
            On all ranks, if the loss function raised and ``on_error="raise"``.
        TooManyFailuresError
            On all ranks, if most evaluations failed.
        """
        history = self._share(self._open)
        worker, journal = self._worker(history)
        done = history.n_finished
        limit = self.settings.max_evaluations
        budget = SharedBudget(self.comm, None if limit is None else max(0, limit - done))
        transport = Transport(self.comm, worker)
        evaluator = Evaluator(
            self.loss_fn,
            self.settings.signs,
            self._pruner,
            self.settings.eval_timeout,
            reraise=self.settings.on_error == "raise",
        )
        session = Session(
            worker,
            transport,
            budget,
            evaluator,
            self.settings,
            journal,
            self._generations(done),
            talks=self.rank == 0,
            logging_interval=logging_interval,
        )
        reason = session.run()
        transport.drain()
        session.finish()
        budget.free()
        self._unlock()
        self._raise_together(session.error)
        return self._collect(worker, session, reason)

    def _share(self, read: Callable[[], History]) -> History:
        """Rank 0 reads; all get it, or its error."""
        if self.comm is None:
            return read()
        history = History()
        with collective(self.comm):
            if self.rank == 0:
                history = read()
        shared: History = self.comm.handle.bcast(history)
        return shared

    def _open(self) -> History:
        folder, settings = self.settings.folder, self.settings
        if folder is None:
            return History()
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(folder / "lock", os.O_CREAT | os.O_WRONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._unlock()
            raise RuntimeError(
                f"another job is searching in {folder}; give this one another name= or "
                "checkpoint_path="
            ) from None
        try:
            if settings.resume == "never":
                _set_aside(folder)
            history = read_history(folder)
            self._check_header(history)
        except BaseException:
            self._unlock()
            raise
        return history

    def _check_header(self, history: History) -> None:
        header, settings = history.header, self.settings
        if not header:
            if settings.resume == "must":
                raise FileNotFoundError(f"there is no run to continue in {settings.folder}")
            return
        mine = self._header()
        for key in ("space", "signs", "problem_id"):
            if header[key] != mine[key]:
                raise ValueError(
                    f"the run in {settings.folder} has another {key}; choose another name=, or "
                    f"resume='never':\n  there: {header[key]}\n  here:  {mine[key]}"
                )
        if header["loss_fn"] != mine["loss_fn"]:
            logger.warning(
                "the run in %s was made with %s, it goes on with %s",
                settings.folder,
                header["loss_fn"],
                mine["loss_fn"],
            )

    def _header(self) -> dict[str, Any]:
        return {
            "format": 1,
            "space": self.space.to_json(),
            "signs": list(self.settings.signs),
            "problem_id": self.settings.problem_id,
            "loss_fn": describe(self.loss_fn),
        }

    def _unlock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _worker(self, history: History) -> tuple[Worker, Journal | None]:
        settings = self.settings
        seeds = np.random.SeedSequence([settings.seed, self.island, self.index])
        context = Context(
            self.space,
            np.random.default_rng(seeds),
            self.island,
            self.index,
            self.sizes[self.island],
            self._budget(),
            self.space.design("sobol", settings.seed),
        )
        propagator = self._propagator or AdaptivePropagator(self.space)
        breeder = Breeder(context, propagator, len(settings.signs))
        journal = None
        if settings.folder is not None:
            path = settings.folder / "journal" / f"i{self.island}-w{self.index}.pj"
            journal = Journal(
                path,
                self._header(),
                settings.durability,
                required=settings.checkpoint_required,
            )
        write = journal.write if journal is not None else (lambda kind, data: None)
        worker = Worker(breeder, self.sizes, self.migration, write, self._pruner)
        policy = settings.on_duplicate
        if policy is None and np.isfinite(self.space.cardinality):
            policy = "mutate"
        worker.duplicates = policy or "allow"
        worker.track_duplicates = worker.duplicates != "allow"
        self._restore(worker, history)
        return worker, journal

    def _budget(self) -> int | None:
        settings = self.settings
        if settings.max_evaluations is not None:
            return settings.max_evaluations
        return settings.generations * sum(self.sizes) if settings.generations > 0 else None

    def _restore(self, worker: Worker, history: History) -> None:
        """Individuals stay with their island; what was running is shared out and comes first."""
        n_islands, place = len(self.sizes), (self.island, self.index)
        for island, frames in sorted(history.frames.items()):
            if island % n_islands == self.island:
                for kind, payload in frames:
                    worker.restore(kind, payload)
        worker.breeder.seq = history.next_seq.get(place, 0)
        if place in history.states:
            worker.load_state(history.states[place])
        for number, (uid, record) in enumerate(sorted(history.unfinished.items())):
            if number % sum(self.sizes) != self.rank:
                continue
            (candidate,) = worker.codec.decode(record)
            if history.starts[uid] >= self.settings.max_crashes:
                candidate.status, candidate.loss = Status.FAILED, float("inf")
                candidate.error = f"crashed the job {history.starts[uid]} times"
                worker.finish(candidate)
            else:
                worker.restarts.append(candidate)
        if not history.header:
            self._add_initial(worker)

    def _add_initial(self, worker: Worker) -> None:
        for number, entry in enumerate(self.settings.initial):
            if number % sum(self.sizes) != self.rank:
                continue
            values, loss = entry if isinstance(entry, tuple) else (entry, None)
            candidate = Individual.from_genes(self.space, self.space.encode(values))
            if loss is None:
                worker.restarts.append(candidate)
            else:
                candidate.operator = "initial"
                worker.breeder.birth(candidate)
                candidate.status = Status.COMPLETE
                candidate.loss = float(loss) * self.settings.signs[0]
                worker.finish(candidate)

    def _generations(self, done: int) -> int:
        """Evaluations of this worker in this session; earlier ones are shared out evenly."""
        generations, size = self.settings.generations, sum(self.sizes)
        if generations == -1:
            return -1
        share, rest = divmod(max(0, generations * size - done), size)
        return share + (self.rank < rest)

    def _raise_together(self, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, TooManyFailuresError | KeyboardInterrupt):
            wrapped = EvaluationError(f"{type(error).__name__}: {error}")
            wrapped.__cause__ = error
            error = wrapped
        if self.comm is None:
            if error is not None:
                raise error
            return
        with collective(self.comm):
            if error is not None:
                raise error

    def _collect(self, worker: Worker, session: Session, reason: str) -> Result:
        busy, total = session.busy()
        n = max(1, worker.counters.started)
        overhead = (total - busy) / n
        if self.comm is not None:
            times = self.comm.handle.allgather((busy, total))
            busy, total = sum(t[0] for t in times), sum(t[1] for t in times)
            reason = self.comm.handle.bcast(reason)
        share = busy / total if total else 0.0
        self.result = Result(
            [worker.population], self.settings.signs, reason, session.busy()[1], share, overhead
        )
        if self.rank == 0:
            logger.info("%r", self.result)
        return self.result

    def summarize(self, top_n: int = 1, debug: int = 1) -> list[list[Individual]]:  # noqa: ARG002
        """The best `top_n` individuals of each worker's island, logged on rank 0. Collective."""
        if self.result is None:
            raise RuntimeError("call propulate() before summarize()")
        top = self.result.top(top_n)
        tops = [top] if self.comm is None else self.comm.handle.allgather(top)
        if self.rank == 0:
            seen = {ind.uid: ind for island in tops for ind in island}
            sign = self.settings.signs[0]
            for place, ind in enumerate(sorted(seen.values(), key=lambda i: i.loss * sign)[:top_n]):
                logger.info("%d: %r", place + 1, ind)
        return list(tops)

    @property
    def propulator(self) -> Islands:
        """The search itself (the original's name)."""
        return self


class Propulator(Islands):
    """A search whose workers share one population: `Islands` with a single island.

    The parameters are those of the original, by name; see `Islands` and `Settings` for the rest.
    """

    def __init__(
        self,
        loss_fn: Callable[..., Any],
        propagator: Propagator | None = None,
        rng: Any = None,
        island_idx: int = 0,
        island_comm: Any = None,
        propulate_comm: Any = None,
        worker_sub_comm: Any = None,
        generations: int = -1,
        checkpoint_path: str | Path | None = "./",
        *,
        surrogate_factory: Callable[[], Pruner] | None = None,
        limits: SearchSpace | Mapping[str, Any] | None = None,
        comm: Any = None,
        **settings: Any,
    ) -> None:
        if worker_sub_comm is not None and worker_sub_comm.Get_size() > 1:
            raise ValueError("a worker is one rank; give island_comm, and no worker_sub_comm")
        if island_idx:
            raise ValueError("use Islands for more than one island")
        super().__init__(
            loss_fn,
            propagator,
            rng,
            generations,
            checkpoint_path=checkpoint_path,
            surrogate_factory=surrogate_factory,
            limits=limits,
            comm=comm or island_comm or propulate_comm,
            **settings,
        )


def _island_sizes(workers: int, num_islands: int, sizes: Sequence[int] | None) -> tuple[int, ...]:
    if sizes is not None:
        if sum(sizes) != workers or min(sizes) < 1:
            raise ValueError(
                f"island_sizes {tuple(sizes)} must be positive and add up to {workers} workers"
            )
        return tuple(int(size) for size in sizes)
    if not 1 <= num_islands <= workers:
        raise ValueError(f"{num_islands} islands need as many workers, there are {workers}")
    share, rest = divmod(workers, num_islands)
    return tuple(share + (island < rest) for island in range(num_islands))


def _topology(topology: Any, n: int) -> list[list[int]]:
    if topology is None:
        topology = np.ones((n, n), int) - np.eye(n, dtype=int)
    table = np.asarray(topology)
    if table.shape != (n, n):
        raise ValueError(f"migration_topology must have shape ({n}, {n}), got {table.shape}")
    if (table < 0).any() or table.diagonal().any():
        raise ValueError("migration_topology must be non-negative, with a diagonal of zeros")
    return [[int(k) for k in row] for row in table]


def _probability(probability: float) -> float:
    if not 0 <= probability <= 1:
        raise ValueError(f"migration_probability must be in [0, 1], got {probability}")
    return probability


def _set_aside(folder: Path) -> None:
    """Keep the files of an earlier run under another name."""
    journal = folder / "journal"
    if journal.exists():
        number = sum(1 for _ in folder.glob("journal-*"))
        journal.rename(folder / f"journal-{number}")
