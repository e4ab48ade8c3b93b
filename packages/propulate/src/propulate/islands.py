"""`Islands`: a search on all ranks of a communicator."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from mpi_utils import Communicator, MPIUnavailableError, agree, collective, world
from mpi_utils.runtime import load_mpi
from propulate.engine.evaluation import Evaluator
from propulate.engine.group import GroupEvaluator, serve, share_result, split_workers
from propulate.engine.records import Codec
from propulate.engine.transport import SharedBudget, Transport, check_complete
from propulate.engine.worker import Migration, Worker
from propulate.individual import Individual
from propulate.island_layout import island_sizes as sizes_of_islands
from propulate.island_layout import migration_probability as checked_probability
from propulate.island_layout import migration_table
from propulate.optimizer import Breeder
from propulate.population import Population
from propulate.propagators.base import Context, Propagator, space_of
from propulate.propagators.select import SelectMax, SelectMin
from propulate.propagators.vary import InitUniform
from propulate.pruners.base import Pruner
from propulate.restoring import Place, add_initial, restore, take_in
from propulate.result import Result
from propulate.session import EvaluationError, Session, TooManyFailuresError, describe
from propulate.settings import Settings
from propulate.space import SearchSpace
from propulate.storage.folder import RunFolder
from propulate.storage.history import History
from propulate.storage.journal import Journal

__all__ = ["Islands", "Propagators", "own_communicator"]

logger = logging.getLogger("propulate")
Propagators = Propagator | Sequence[Propagator] | Callable[[SearchSpace], Propagator]


def own_communicator(comm: Any) -> Communicator | None:
    """A communicator of our own; None on a machine without MPI."""
    if isinstance(comm, Communicator):
        return comm
    if comm is not None:
        return Communicator(comm)
    try:
        return world()
    except MPIUnavailableError:
        return None


class Islands:
    """A search by workers that are dealt to islands. Creating it is collective.

    Each rank of `comm` is a worker. The workers of an island share one population; islands exchange
    individuals now and then.

    Parameters
    ----------
    loss_fn : callable
        Gets a candidate, a mapping of the parameters, and returns the loss; see
        `propulate.engine.evaluation.Evaluator` for what else it may do.
    propagator : Propagator, sequence of one for each island, or callable, optional
        The callable takes the search space and returns a propagator. Default:
        `AdaptivePropagator`; with several objectives `NSGA2`.
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
    ranks_per_worker : int, sequence of int, or "node"
        Consecutive ranks that evaluate candidates together; of each worker, if they differ, or all
        ranks of a node. The loss function gets their mpi4py communicator as its second argument.
        The first one's loss counts, and the evaluation has failed if one of them raises.
    surrogate_factory : callable, optional
        Makes the pruner of a worker.
    limits : mapping or SearchSpace, optional
        Needed unless the propagator knows it.
    comm : Communicator or mpi4py communicator, optional
        Default: all ranks.
    worker_sub_comm : mpi4py communicator, optional
        The ranks of this rank's worker, instead of `ranks_per_worker`.
    **settings
        See `Settings`.
    """

    result: Result | None = None  # of the last run
    worker: Worker | None = None  # of this rank, in the last run

    def __init__(
        self,
        loss_fn: Callable[..., Any],
        propagator: Propagators | None = None,
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
        ranks_per_worker: int | Sequence[int] | str = 1,
        surrogate_factory: Callable[[], Pruner] | None = None,
        *,
        limits: SearchSpace | Mapping[str, Any] | None = None,
        comm: Any = None,
        worker_sub_comm: Any = None,
        **settings: Any,
    ) -> None:
        self.loss_fn = loss_fn
        self._group, self.comm = split_workers(
            own_communicator(comm), ranks_per_worker, worker_sub_comm
        )
        self.rank, size = (0, 1) if self.comm is None else (self.comm.rank, self.comm.size)
        self._serves = self._group is not None and self._group.rank > 0
        settings.setdefault("seed", self._shared_seed(rng))
        self.settings = Settings(
            generations=generations, checkpoint_path=checkpoint_path, **settings
        )
        self.sizes = sizes_of_islands(size, num_islands, island_sizes)
        bounds = np.cumsum([0, *self.sizes])
        self.island = int(np.searchsorted(bounds, self.rank, side="right")) - 1
        self.index = self.rank - int(bounds[self.island])
        if isinstance(propagator, Sequence):
            propagator = propagator[self.island]
        self.space = self._agreed_space(limits, propagator)
        self._propagator = propagator
        self.migration = Migration(
            migration_table(migration_topology, len(self.sizes)),
            checked_probability(migration_probability),
            pollination,
            emigration_propagator,
            immigration_propagator,
        )
        self._pruner = surrogate_factory() if surrogate_factory is not None else None
        folder = self.settings.folder
        self._folder = None if folder is None else RunFolder(folder, self.settings.resume)

    def _agreed_space(self, limits: Any, propagator: Any) -> SearchSpace:
        if self.settings.deterministic and len(self.sizes) > 1:
            raise ValueError("deterministic=True works on one island")
        found = limits if limits is not None else space_of(propagator)
        if found is None:
            raise ValueError("give limits=: the propagator does not say what is searched")
        space = SearchSpace.of(found)
        if self.comm is not None:
            agree(self.comm, space.hash, "the search space")
        return space

    def _shared_seed(self, rng: Any) -> int:
        """A seed from what the user gave, rank 0's on all."""
        seed = int(rng) if isinstance(rng, int) else 0
        if hasattr(rng, "getrandbits"):
            seed = rng.getrandbits(31)
        return seed if self.comm is None else int(self.comm.handle.bcast(seed))

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
        if self._group is None:
            return self._propulate(logging_interval)
        evaluate = self._evaluator()
        error: BaseException | None = None
        if self._serves:
            assert isinstance(evaluate, GroupEvaluator)
            serve(evaluate)
        else:
            try:
                self._propulate(logging_interval)
            except BaseException as raised:
                error = raised
            self._group.handle.bcast(None)
        with collective(self._group):
            if error is not None:
                raise error
        self.result = share_result(self._group, self._codec(), self.result, self.settings.signs)
        return self.result

    def _evaluator(self) -> Evaluator:
        options: dict[str, Any] = {
            "sign": self.settings.signs,
            "pruner": self._pruner,
            "timeout": self.settings.eval_timeout,
            "folder": self.settings.folder,
            "reraise": self.settings.on_error == "raise",
            "catch": self.settings.catch,
        }
        if self._group is not None:
            return GroupEvaluator(self._group, self._codec(), self.loss_fn, **options)
        alone = None if self.comm is None else load_mpi().COMM_SELF
        return Evaluator(self.loss_fn, comm=alone, **options)

    def _propulate(self, logging_interval: int) -> Result:
        history = self._share(self._open)
        with collective(self.comm) if self.comm is not None else nullcontext():
            worker, journal = self._begin(history)
        done = history.n_finished
        n = sum(self.sizes)
        shares = [self.settings.share(done, rank, n) for rank in range(n)]
        budget = SharedBudget(self.comm, self._left(done))
        transport = Transport(self.comm, worker)
        session = Session(
            worker,
            transport,
            budget,
            self._evaluator(),
            self.settings,
            journal,
            shares[self.rank],
            shares=shares,
            talks=self.rank == 0,
            logging_interval=logging_interval,
        )
        reason = session.run()
        transport.drain()
        session.finish()
        budget.free()
        if self._folder is not None:
            self._folder.close()
        self._raise_together(session.error)
        check_complete(self.comm, self.island, worker.population)
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
        return History() if self._folder is None else self._folder.open(self._header())

    def _header(self) -> dict[str, Any]:
        return {
            "format": 1,
            "space": self.space.to_json(),
            "signs": list(self.settings.signs),
            "problem_id": self.settings.problem_id,
            "loss_fn": describe(self.loss_fn),
            "seed": self.settings.seed,
            "sizes": list(self.sizes),
            "budget": self.settings.budget(sum(self.sizes)),
            "duplicates": self._duplicates,
            "replayable": self.settings.replayable,
        }

    @property
    def _duplicates(self) -> str:
        discrete = np.isfinite(self.space.cardinality)
        return self.settings.on_duplicate or ("mutate" if discrete else "allow")

    def _codec(self) -> Codec:
        return Codec(self.space)

    def _left(self, done: int) -> int | None:
        """Evaluations that may be started in this session."""
        return self.settings.left(done)

    def _context(self) -> Context:
        seed = self.settings.seed
        return Context(
            self.space,
            np.random.default_rng(np.random.SeedSequence([seed, self.island, self.index])),
            self.island,
            self.index,
            self.sizes[self.island],
            self.settings.budget(sum(self.sizes)),
            self.space.design("sobol", seed),
        )

    def _begin(self, history: History) -> tuple[Worker, Journal | None]:
        settings = self.settings
        breeder = Breeder(self._context(), self._propagator, len(settings.signs))
        journal = None
        if settings.folder is not None:
            path = settings.folder / "journal" / f"i{self.island}-w{self.index}.pj"
            journal = Journal(
                path,
                self._header(),
                settings.durability,
                required=settings.checkpoint_required,
                intact=history.intact.get((self.island, self.index)),
            )
        write = journal.write if journal is not None else (lambda kind, data: None)
        worker = Worker(
            breeder, self.sizes, self.migration, write, self._pruner, codec=self._codec()
        )
        self.worker = worker
        worker.duplicates = self._duplicates
        worker.track_duplicates = worker.duplicates != "allow"
        worker.lag = settings.lag if settings.deterministic else None
        if settings.replayable:
            worker.journal_knowledge()
        place = Place(self.rank, sum(self.sizes))
        restore(worker, history, place, self.settings.max_crashes)
        if not history.header:
            add_initial(worker, self.settings, place)
        return worker, journal

    def _raise_together(self, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, TooManyFailuresError | KeyboardInterrupt):
            wrapped = EvaluationError(f"{type(error).__name__}: {error}")
            wrapped.__cause__ = error
            error = wrapped
        with collective(self.comm) if self.comm is not None else nullcontext():
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
        self.result.folder = self.settings.folder
        if self.rank == 0:
            logger.info("%r", self.result)
        return self.result

    def summarize(
        self,
        top_n: int = 1,
        debug: int = 1,  # noqa: ARG002 - the original's signature
    ) -> list[list[Individual]] | None:
        """The best `top_n` individuals of each worker's island, logged on rank 0. Collective.

        None on those ranks that only help a worker.
        """
        if self._serves:
            return None
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
    def population(self) -> Population:
        """All individuals that this rank knows; losses are to be minimised.

        Before the search those of earlier sessions, as the journals have them.
        """
        if self.result is not None:
            return self.result.population
        breeder = Breeder(self._context(), InitUniform(self.space), len(self.settings.signs))
        worker = Worker(breeder, self.sizes, codec=self._codec())
        if self._folder is not None:
            take_in(worker, self._folder.peek(self._header()))
        return worker.population

    @property
    def propulator(self) -> Islands:
        """The search itself (the original's name)."""
        return self
