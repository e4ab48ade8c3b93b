"""`Study`: the search as Optuna's users know it, on all ranks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mpi_utils import Communicator
from propulate.engine.evaluation import Evaluator
from propulate.engine.records import TrialCodec
from propulate.engine.worker import RESULT, Worker
from propulate.individual import Individual, Status
from propulate.islands import own_communicator
from propulate.population import Population
from propulate.propagators.base import Propagator
from propulate.propulator import Propulator
from propulate.pruners.base import Pruner, TrialPruned
from propulate.result import Result, signed
from propulate.settings import Settings
from propulate.space import SearchSpace
from propulate.space.growing import GrowingSpace, complete
from propulate.storage.history import History
from propulate.study.trial import FrozenTrial, Trial, freeze

__all__ = ["Study", "create_study"]

Objective = Callable[[Trial], Any]


class _Search(Propulator):
    """A search whose space grows, and which goes on from what the study knows."""

    def __init__(self, study: Study, loss_fn: Callable[[Individual], Any], **options: Any) -> None:
        self._study, self._known = study, study.history()
        super().__init__(
            loss_fn,
            study.propagator,
            limits=study.growing.space,
            directions=study.directions,
            on_duplicate="allow",
            **options,
        )

    def _header(self) -> dict[str, Any]:
        return {**super()._header(), "space": None, "loss_fn": self._study.name}

    def _codec(self) -> TrialCodec:
        return self._study.codec

    def _open(self) -> History:
        return super()._open() if self._folder is not None else self._known

    def _left(self, done: int) -> int | None:  # noqa: ARG002 - that counts calls of its own
        return self.settings.max_evaluations

    def begin(self) -> Worker:
        """The worker, to be driven by hand; on one rank, without a journal."""
        return self._begin(self._open())[0]


class Study:
    """Trials of an objective that asks for its parameters; make it with `create_study`.

    Attributes
    ----------
    directions : list of str
    """

    def __init__(
        self,
        directions: Sequence[str],
        name: str,
        checkpoint_path: str | Path | None,
        options: Mapping[str, Any],
        pruner: Callable[[], Pruner] | None,
        propagator: Callable[[SearchSpace], Propagator] | None,
        comm: Communicator | None,
    ) -> None:
        self.directions, self.name = list(directions), name
        self._signs = Settings(directions=directions, generations=0).signs
        self.propagator = propagator
        self.growing = GrowingSpace()
        self.codec = TrialCodec(self.growing)
        self._make_pruner, self._pruner = pruner, pruner() if pruner is not None else None
        self._options = {"checkpoint_path": checkpoint_path, "name": name, **options, "comm": comm}
        self._size, self._rank = (1, 0) if comm is None else (comm.size, comm.rank)
        self._search: _Search | None = None  # of the last call of optimize, or of ask
        self._result: Result | None = None
        self._queue: deque[dict[str, Any]] = deque()
        self._enqueued = 0
        self._asked: dict[int, tuple[Individual, Trial]] = {}

    # ------------------------------------------------------------------ searching

    def optimize(
        self,
        objective: Objective,
        n_trials: int | None = None,
        timeout: float | None = None,
        *,
        catch: type[Exception] | tuple[type[Exception], ...] = (),
        callbacks: Sequence[Callable[[Study, FrozenTrial], Any]] = (),
    ) -> None:
        """Run the objective on all ranks. Collective.

        Parameters
        ----------
        objective : callable
            Takes a `Trial`, and returns a number or several. Raises `TrialPruned` to give up.
        n_trials : int, optional
            Of all ranks together.
        timeout : float, optional
            Seconds after which no trial is started.
        catch : exception types
            Count as failed trials; other exceptions end the study on all ranks.
        callbacks : sequence of callable
            Called with the study and each trial that ended on this rank; may call `stop`.

        Raises
        ------
        EvaluationError
            On all ranks, if the objective raised.
        """
        kinds = catch if isinstance(catch, tuple) else (catch,)

        def notify(individual: Individual) -> None:
            population, uid = self._population, individual.uid
            assert population is not None
            row = population.row(uid)
            assert row is not None
            ended = signed(population.individual(row), self._signs)
            for callback in callbacks:
                callback(self, self._freeze(ended, uid.seq * self._size + uid.worker))

        search = self._make_search(
            lambda candidate: self._run(objective, candidate),
            max_evaluations=n_trials,
            time_limit=timeout,
            catch=kinds,
            callbacks=[notify],
        )
        self._search = search
        self._result = search.propulate()

    def _make_search(self, loss_fn: Callable[[Individual], Any], **limits: Any) -> _Search:
        factory = None if self._make_pruner is None else lambda: self._pruner
        return _Search(
            self,
            loss_fn,
            on_error="raise",
            surrogate_factory=factory,
            **self._options,
            **limits,
        )

    def _run(self, objective: Objective, candidate: Individual) -> Any:
        trial = self._trial(candidate)
        try:
            return objective(trial)
        except Exception as error:
            # Optuna's exception of this name is as good as ours
            if type(error).__name__ == "TrialPruned" and not isinstance(error, TrialPruned):
                raise TrialPruned from error
            raise
        finally:
            self._settle(candidate, trial)

    def _trial(self, candidate: Individual) -> Trial:
        number = candidate.uid.seq * self._size + candidate.uid.worker
        fixed = self._queue.popleft() if self._queue else None
        return Trial(candidate, number, fixed, self._signs[0], self._pruner)

    def _settle(self, candidate: Individual, trial: Trial) -> None:
        """Write what was asked for into the candidate, in a space that contains it."""
        old = dict(candidate) if self.growing.parameters else {}
        self.growing.merge(trial.distributions)
        space = self.growing.space
        candidate.become(space, complete(space, {**old, **trial.params}, candidate.uid))
        self.codec.asked[candidate.uid] = list(trial.params)

    def stop(self) -> None:
        """End `optimize` on all ranks after the trials that are running; for callbacks."""
        if self._search is None or self._search.worker is None:
            raise RuntimeError("stop() ends optimize(), which is not running")
        self._search.worker.stop("stop")

    # ------------------------------------------------------------------ ask and tell

    def ask(self) -> Trial:
        """A trial that you run yourself; on one rank only."""
        worker = self._own_worker()
        candidate = worker.next()
        trial = self._trial(candidate)
        self._asked[trial.number] = candidate, trial
        return trial

    def tell(
        self,
        trial: Trial | int,
        values: float | Sequence[float] | None = None,
        state: str | None = None,
    ) -> None:
        """Report the value of a trial; without one, or with state PRUNED or FAIL, how it ended."""
        number = trial if isinstance(trial, int) else trial.number
        if number not in self._asked:
            raise ValueError(f"trial {number} was not asked for, or was told before")
        candidate, asked = self._asked.pop(number)
        self._settle(candidate, asked)

        def outcome(_: Individual) -> Any:
            if state == "PRUNED":
                raise TrialPruned
            return float("nan") if state == "FAIL" or values is None else values

        Evaluator(outcome, self._signs)(candidate)
        self._own_worker().finish(candidate)
        self._result = None

    def _own_worker(self) -> Worker:
        if self._size > 1:
            raise RuntimeError("ask and tell work on one rank: use optimize, or a comm of one")
        if self._options["checkpoint_path"] is not None:
            raise RuntimeError("ask and tell keep no journal: create the study without a path")
        if self._search is None:
            self._search = self._make_search(lambda _: 0.0, generations=0)
            self._search.begin()
        assert self._search.worker is not None
        return self._search.worker

    def enqueue_trial(self, params: Mapping[str, Any]) -> None:
        """Try these values next; what they leave out is suggested. Call it on all ranks alike."""
        if self._enqueued % self._size == self._rank:
            self._queue.append(dict(params))
        self._enqueued += 1

    def history(self) -> History:
        """What is known, as if it were read from journals."""
        history = History()
        if self._population is None:
            return history
        records = [self.codec.encode(ind) for ind in self._population]
        history.frames[0] = [(RESULT, record) for record in records]
        for ind in self._population:
            place = ind.uid.island, ind.uid.worker
            history.next_seq[place] = max(history.next_seq.get(place, 0), ind.uid.seq + 1)
        history.header = {"space": None} if records else {}
        history.n_finished = len(records)
        return history

    # ------------------------------------------------------------------ what was found

    @property
    def result(self) -> Result:
        """All individuals."""
        if self._population is None:
            raise RuntimeError("nothing was tried yet: call optimize() first")
        if self._result is None:
            self._result = Result([self._population], self._signs)
        return self._result

    @property
    def _population(self) -> Population | None:
        if self._search is None or self._search.worker is None:
            return None
        return self._search.worker.population

    def _freeze(self, individual: Individual, number: int) -> FrozenTrial:
        return freeze(individual, number, self.codec.asked.get(individual.uid, []))

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials that have ended, in the order of their starts."""
        if self._population is None:
            return []
        ordered = sorted(self.result, key=lambda ind: (ind.evaltime, ind.uid))
        return [self._freeze(individual, number) for number, individual in enumerate(ordered)]

    @property
    def best_trial(self) -> FrozenTrial:
        """The best complete trial; ValueError if there is none."""
        best = self.result.best
        if best is None:
            raise ValueError("no trial is complete yet")
        return next(trial for trial in self.trials if trial.individual == best)

    @property
    def best_trials(self) -> list[FrozenTrial]:
        """The trials of the Pareto front."""
        front = {ind.uid for ind in self.result.pareto_front}
        return [trial for trial in self.trials if trial.individual.uid in front]

    @property
    def best_params(self) -> dict[str, Any]:
        """Parameters of the best trial."""
        return self.best_trial.params

    @property
    def best_value(self) -> float:
        """Value of the best trial."""
        value = self.best_trial.value
        assert value is not None
        return value

    def trials_dataframe(self) -> Any:
        """One row a trial (extra ``propulate[pandas]``), with Optuna's names of the columns."""
        import pandas as pd

        rows = [
            {
                "number": trial.number,
                **({"value": trial.value} if len(self.directions) == 1 else {}),
                **{
                    f"values_{k}": value
                    for k, value in enumerate(trial.values or ())
                    if len(self.directions) > 1
                },
                "datetime_start": trial.datetime_start,
                "datetime_complete": trial.datetime_complete,
                "duration": trial.duration,
                **{f"params_{name}": value for name, value in trial.params.items()},
                **{f"user_attrs_{name}": value for name, value in trial.user_attrs.items()},
                "state": trial.state,
            }
            for trial in self.trials
        ]
        return pd.DataFrame(rows)

    @property
    def n_complete(self) -> int:
        """Number of complete trials."""
        return sum(trial.individual.status == Status.COMPLETE for trial in self.trials)


def create_study(
    direction: str = "minimize",
    *,
    directions: Sequence[str] | None = None,
    name: str = "study",
    seed: int = 0,
    pruner: Callable[[], Pruner] | None = None,
    propagator: Callable[[SearchSpace], Propagator] | None = None,
    checkpoint_path: str | Path | None = None,
    comm: Any = None,
) -> Study:
    """A study. Call it on all ranks.

    Parameters
    ----------
    direction, directions : str, sequence of str
        "minimize" or "maximize"; several for several objectives.
    name : str
        Of the folder in `checkpoint_path`.
    seed : int
    pruner : callable, optional
        Makes a pruner, such as ``propulate.pruners.MedianPruner``.
    propagator : callable, optional
        Makes a propagator for a search space; default `AdaptivePropagator`.
    checkpoint_path : path, optional
        Where trials are journalled, and from where an earlier study of this name goes on; default
        nowhere.
    comm : Communicator or mpi4py communicator, optional
        Default: all ranks.

    Examples
    --------
    >>> study = create_study()
    >>> study.optimize(lambda trial: trial.suggest_float("x", -5, 5) ** 2, n_trials=100)
    >>> study.best_value < 0.01
    True
    """
    wanted = [direction] if directions is None else list(directions)
    communicator = own_communicator(comm)
    return Study(wanted, name, checkpoint_path, {"seed": seed}, pruner, propagator, communicator)
