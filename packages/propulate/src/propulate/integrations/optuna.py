"""Optuna: our propagators as a sampler of its studies, and results in its storages.

Needs the extra ``propulate[optuna]``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial, TrialState

from propulate.individual import Individual, Status
from propulate.optimizer import Breeder
from propulate.propagators.base import Context
from propulate.propagators.default import get_default_propagator
from propulate.propagators.pareto import NSGA2
from propulate.result import Result
from propulate.space import Categorical, Constant, Float, Int, Ordinal, Parameter, SearchSpace

__all__ = ["PropulateSampler", "export", "from_optuna", "space_from_optuna", "space_to_optuna"]

_ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def space_from_optuna(distributions: Mapping[str, BaseDistribution]) -> SearchSpace:
    """The search space of Optuna's distributions."""
    return SearchSpace({name: _parameter(found) for name, found in distributions.items()})


def _parameter(distribution: BaseDistribution) -> Parameter:
    if isinstance(distribution, FloatDistribution):
        if distribution.low == distribution.high:
            return Constant(distribution.low)
        return Float(
            distribution.low, distribution.high, log=distribution.log, step=distribution.step
        )
    if isinstance(distribution, IntDistribution):
        if distribution.low == distribution.high:
            return Constant(distribution.low)
        return Int(
            distribution.low, distribution.high, log=distribution.log, step=distribution.step
        )
    assert isinstance(distribution, CategoricalDistribution)
    if len(distribution.choices) == 1:
        return Constant(distribution.choices[0])
    return Categorical(distribution.choices)


def space_to_optuna(space: SearchSpace) -> dict[str, BaseDistribution]:
    """Optuna's distributions of a search space; ordered values become categories there."""
    return {name: _distribution(parameter) for name, parameter in space.parameters.items()}


def _distribution(parameter: Parameter) -> BaseDistribution:
    if isinstance(parameter, Float):
        return FloatDistribution(parameter.lo, parameter.hi, parameter.log, parameter.step)
    if isinstance(parameter, Int):
        return IntDistribution(parameter.lo, parameter.hi, parameter.log, parameter.step)
    if isinstance(parameter, Constant):
        return CategoricalDistribution([parameter.value])
    assert isinstance(parameter, Categorical | Ordinal)
    return CategoricalDistribution(parameter.choices)


class PropulateSampler(BaseSampler):
    """Breeds the parameters of an Optuna study; for any objective, storage and pruner.

    Parameters that not all trials have asked for are drawn at random, as by Optuna's own samplers
    that look at all parameters together. Several processes may share the study.

    Parameters
    ----------
    kind : {"adaptive", "ga"}
        See `propulate.get_default_propagator`; several objectives are bred by NSGA-II.
    pop_size : int
        Individuals in the breeding pool.
    seed : int, optional

    Examples
    --------
    >>> import optuna
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> study = optuna.create_study(sampler=PropulateSampler(seed=1))
    >>> study.optimize(lambda trial: trial.suggest_float("x", -5, 5) ** 2, n_trials=60)
    >>> study.best_value < 0.1
    True
    """

    def __init__(self, kind: str = "adaptive", pop_size: int = 20, seed: int | None = None) -> None:
        get_default_propagator(pop_size, {"x": (0.0, 1.0)}, kind=kind)  # check the arguments
        self.kind, self.pop_size = kind, pop_size
        self._rng = np.random.default_rng(seed)
        self._independent = RandomSampler(seed)
        self._intersection = optuna.search_space.IntersectionSearchSpace()
        self._breeder: Breeder | None = None
        self._distributions: dict[str, BaseDistribution] = {}
        self._bred: dict[int, Individual] = {}  # by the number of their trials
        self._first, self._known = 0, set[int]()  # all trials before the first one are known

    def reseed_rng(self) -> None:
        """Draw differently from a copy of this sampler in another process."""
        self._rng = np.random.default_rng()
        self._independent.reseed_rng()
        self._breeder = None

    def infer_relative_search_space(
        self,
        study: optuna.Study,
        trial: FrozenTrial,  # noqa: ARG002 - Optuna's signature
    ) -> dict[str, BaseDistribution]:
        """The parameters that all trials have in common."""
        common = self._intersection.calculate(study)
        return {name: found for name, found in common.items() if not found.single()}

    def sample_relative(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        """Values for the parameters in common."""
        if not search_space:
            return {}
        if self._breeder is None or search_space != self._distributions:
            self._begin(study, search_space)
        assert self._breeder is not None
        self._learn(study)
        candidate = self._breeder.breed()
        self._bred[trial.number] = candidate
        return dict(candidate)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """A random value for another parameter."""
        return self._independent.sample_independent(study, trial, param_name, param_distribution)

    def _begin(self, study: optuna.Study, search_space: dict[str, BaseDistribution]) -> None:
        space, n_objectives = space_from_optuna(search_space), len(study.directions)
        if n_objectives > 1:
            propagator: Any = NSGA2(space, max(4, self.pop_size))
        else:
            propagator = get_default_propagator(self.pop_size, space, kind=self.kind)
        design = space.design("sobol", int(self._rng.integers(1 << 31)))
        self._breeder = Breeder(Context(space, self._rng, design=design), propagator, n_objectives)
        self._distributions = dict(search_space)
        self._bred, self._first, self._known = {}, 0, set()

    def _learn(self, study: optuna.Study) -> None:
        """Take in the trials that have ended since the last time."""
        trials = study.get_trials(deepcopy=False)
        for trial in trials[self._first :]:
            if trial.number not in self._known and trial.state in _ENDED:
                self._known.add(trial.number)
                self._take(study, trial)
        while self._first in self._known:
            self._known.discard(self._first)
            self._first += 1

    def _take(self, study: optuna.Study, trial: FrozenTrial) -> None:
        assert self._breeder is not None
        candidate, space = self._bred.pop(trial.number, None), self._breeder.space
        if not set(space.parameters) <= set(trial.params):
            return
        try:
            genes = space.encode({name: trial.params[name] for name in space.parameters})
        except ValueError:  # in another range than now
            return
        if candidate is None:
            candidate = self._breeder.birth(Individual.from_genes(space, genes))
        candidate.genes = genes
        maximised = [d == optuna.study.StudyDirection.MAXIMIZE for d in study.directions]
        signs = np.where(maximised, -1.0, 1.0)
        candidate.status = Status.FAILED
        if trial.state == TrialState.COMPLETE:
            losses = np.array(trial.values) * signs
            candidate.status, candidate.loss = Status.COMPLETE, float(losses.sum())
            candidate.losses = losses if len(losses) > 1 else None
        elif trial.state == TrialState.PRUNED and trial.intermediate_values:
            last = trial.intermediate_values[max(trial.intermediate_values)]
            candidate.status, candidate.loss = Status.PRUNED, float(last * signs[0])
        if math.isfinite(candidate.loss) or candidate.status == Status.FAILED:
            self._breeder.learn(candidate)


_STATES = {
    Status.COMPLETE: TrialState.COMPLETE,
    Status.PRUNED: TrialState.PRUNED,
    Status.FAILED: TrialState.FAIL,
}


def export(result: Result, storage: Any = None, name: str = "propulate") -> optuna.Study:
    """A study in an Optuna storage with all trials of a result, for its plots and dashboard.

    Parameters
    ----------
    result : Result
    storage : str or optuna storage, optional
        Such as ``"sqlite:///run.db"``; default in memory.
    name : str
        Of the study; trials are added if there is one of that name.
    """
    kinds = optuna.study.StudyDirection
    directions = [kinds.MINIMIZE if sign > 0 else kinds.MAXIMIZE for sign in result.signs]
    study = optuna.create_study(
        storage=storage, study_name=name, directions=directions, load_if_exists=True
    )
    distributions = space_to_optuna(result.space)
    study.add_trials([_frozen(individual, distributions) for individual in result])
    return study


def _frozen(individual: Individual, distributions: Mapping[str, BaseDistribution]) -> FrozenTrial:
    losses = [individual.loss] if individual.losses is None else list(individual.losses)
    state = _STATES.get(individual.status, TrialState.FAIL)
    params = dict(individual)
    trial = optuna.trial.create_trial(
        state=state,
        values=[float(loss) for loss in losses] if state == TrialState.COMPLETE else None,
        params=params,
        distributions={name: distributions[name] for name in params},
        user_attrs={"uid": list(individual.uid), "operator": individual.operator}
        | dict(individual.metrics),
        intermediate_values=dict(enumerate(individual.interim)),
    )
    trial.datetime_start = datetime.fromtimestamp(individual.evaltime)  # noqa: DTZ006 - as Optuna
    trial.datetime_complete = datetime.fromtimestamp(  # noqa: DTZ006
        individual.evaltime + individual.evalperiod
    )
    return trial


def from_optuna(study: optuna.Study) -> Sequence[tuple[dict[str, Any], float]]:
    """The complete trials of a study, to begin a search with: ``initial=from_optuna(study)``."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [(dict(trial.params), float(trial.values[0])) for trial in trials]
