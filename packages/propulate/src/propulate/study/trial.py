"""Trials: one evaluation as the objective sees it, and as it is remembered."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from propulate.individual import Individual, Status
from propulate.pruners.base import Pruner
from propulate.space.parameters import Categorical, Constant, Float, Int, Parameter

__all__ = ["FrozenTrial", "Trial"]

_STORABLE = (type(None), bool, int, float, str)


class Trial:
    """Handed to the objective, which asks it for parameters and reports interim values.

    Parameters
    ----------
    candidate : Individual
        Has a value for each parameter that was ever asked for.
    number : int
    fixed : mapping
        Values that were enqueued for this trial.
    sign : float
        -1 if the objective is to be maximised.
    pruner : Pruner, optional

    Attributes
    ----------
    number : int
        Unique in a run on a fixed number of ranks.
    params : dict
        What was asked for so far, and the answers.
    distributions : dict of str to Parameter
    """

    def __init__(
        self,
        candidate: Individual,
        number: int,
        fixed: Mapping[str, Any] | None = None,
        sign: float = 1.0,
        pruner: Pruner | None = None,
    ) -> None:
        self.number, self._candidate = number, candidate
        self.params: dict[str, Any] = {}
        self.distributions: dict[str, Parameter] = {}
        self._fixed, self._sign, self._pruner = dict(fixed or {}), sign, pruner
        self._prune = False
        if pruner is not None:
            pruner.start_run(candidate)

    def __repr__(self) -> str:
        return f"Trial({self.number}, {self.params})"

    # ------------------------------------------------------------------ parameters

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """A number in [low, high], uniform in its logarithm with `log`."""
        if low == high:
            return float(self._answer(name, Constant(float(low))))
        return float(self._answer(name, Float(low, high, step=step, log=log)))

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        """An integer in [low, high], both included."""
        if low == high:
            return int(self._answer(name, Constant(int(low))))
        return int(self._answer(name, Int(low, high, step=step, log=log)))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of the choices: None, booleans, numbers or strings."""
        wrong = [choice for choice in choices if not isinstance(choice, _STORABLE)]
        if wrong:
            raise ValueError(
                f"parameter {name!r}: choices are None, booleans, numbers or strings, not {wrong}"
            )
        if len(choices) == 1:
            return self._answer(name, Constant(choices[0]))
        return self._answer(name, Categorical(choices))

    def _answer(self, name: str, parameter: Parameter) -> Any:
        if name in self.params:
            if self.distributions[name] != parameter:
                raise ValueError(
                    f"parameter {name!r} was {self.distributions[name]} before in this trial"
                )
            return self.params[name]
        self.distributions[name] = parameter
        if isinstance(parameter, Constant):
            value = parameter.value
        elif name in self._fixed:
            value = parameter.decode(parameter.encode(self._fixed[name]))
        else:
            value = self._suggest(name, parameter)
        self.params[name] = value
        return value

    def _suggest(self, name: str, parameter: Parameter) -> Any:
        """The candidate's value if it is legal here, else a random one."""
        if name in self._candidate:
            try:
                return parameter.decode(parameter.encode(self._candidate[name]))
            except (ValueError, TypeError):
                pass  # asked for in another range than before
        import numpy as np

        from propulate.space import SearchSpace

        seed = [*self._candidate.uid, len(self.params), self._candidate.seed]
        space = SearchSpace({name: parameter})
        return space.decode(space.sample(np.random.default_rng(seed)))[name]

    # ------------------------------------------------------------------ while it runs

    def report(self, value: float, step: int) -> None:
        """Report an interim value; `step` must not decrease."""
        if step < 0:
            raise ValueError(f"step must not be negative, got {step}")
        self._candidate.interim.append(float(value) * self._sign)
        if self._pruner is not None:
            self._prune = self._pruner.cancel(self._candidate.interim[-1])

    def should_prune(self) -> bool:
        """Whether the objective had better raise `TrialPruned`, by the value reported last."""
        return self._prune

    def set_user_attr(self, key: str, value: Any) -> None:
        """Keep a value that JSON can hold with the trial."""
        self._candidate.metrics[key] = value

    @property
    def user_attrs(self) -> dict[str, Any]:
        """What `set_user_attr` has kept."""
        return dict(self._candidate.metrics)


@dataclass(frozen=True)
class FrozenTrial:
    """A trial that has ended.

    Attributes
    ----------
    number : int
        In the order of the starts.
    state : str
        COMPLETE, PRUNED or FAIL, as in Optuna.
    values : tuple of float, or None
        None if it failed; of a pruned trial the last value that it reported.
    params : dict
    user_attrs : dict
    intermediate_values : dict of int to float
    datetime_start, datetime_complete : datetime
    individual : Individual
    """

    number: int
    state: str
    values: tuple[float, ...] | None
    params: dict[str, Any]
    user_attrs: dict[str, Any]
    intermediate_values: dict[int, float]
    datetime_start: datetime
    datetime_complete: datetime
    individual: Individual = field(repr=False)

    @property
    def value(self) -> float | None:
        """The value, if there is one objective."""
        if self.values is not None and len(self.values) > 1:
            raise RuntimeError("this study has several objectives: use .values")
        return None if self.values is None else self.values[0]

    @property
    def duration(self) -> float:
        """Seconds."""
        return (self.datetime_complete - self.datetime_start).total_seconds()


_STATES = {Status.COMPLETE: "COMPLETE", Status.PRUNED: "PRUNED"}


def freeze(individual: Individual, number: int, asked: Sequence[str]) -> FrozenTrial:
    """The trial of an individual, whose losses are in the user's signs."""
    losses = (individual.loss,) if individual.losses is None else tuple(individual.losses.tolist())
    state = _STATES.get(individual.status, "FAIL")
    known = state == "COMPLETE" or (state == "PRUNED" and math.isfinite(individual.loss))
    return FrozenTrial(
        number,
        state,
        losses if known else None,
        {name: individual[name] for name in asked if name in individual},
        dict(individual.metrics),
        dict(enumerate(individual.interim)),
        datetime.fromtimestamp(individual.evaltime).astimezone(),
        datetime.fromtimestamp(individual.evaltime + individual.evalperiod).astimezone(),
        individual,
    )
