"""Covariance adaptation on its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from propulate.individual import Individual
from propulate.propagators.base import Random
from propulate.propagators.cma import CovarianceAdaptation
from propulate.propagators.models import ModelPropagator, usable
from propulate.propagators.vary import Limits, reflect
from propulate.view import PopulationView

__all__ = ["ActiveCMA", "BasicCMA", "CMAAdapter", "CMAPropagator"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class CMAAdapter:
    """How the covariance is adapted: whether bad points push it away."""

    active: bool


@dataclass(frozen=True)
class BasicCMA(CMAAdapter):
    """Only good points count."""

    active: bool = False


@dataclass(frozen=True)
class ActiveCMA(CMAAdapter):
    """Bad points push the covariance away."""

    active: bool = True


class CMAPropagator(ModelPropagator):
    """Covariance matrix adaptation (CMA-ES), see `propulate.propagators.cma`.

    Every worker adapts its own distribution, from its own results and those of the others. When
    nothing is to be gained any more, it starts anew with twice the population.

    Parameters
    ----------
    adapter : CMAAdapter
    limits : SearchSpace or mapping
        Categories are inherited from good individuals.
    rng : source of random numbers, optional
    pop_size : int, optional
        Lambda; default 4 + 3 ln n.
    sigma0 : float
        First standard deviation, as a share of each range.
    restarts : bool
    """

    def __init__(
        self,
        adapter: CMAAdapter,
        limits: Limits,
        rng: Random = None,
        pop_size: int | None = None,
        sigma0: float = 0.3,
        *,
        restarts: bool = True,
    ) -> None:
        super().__init__(limits, rng)
        self._columns = np.flatnonzero(self.space.ordered)
        if not len(self._columns):
            raise TypeError("CMAPropagator needs at least one numeric parameter")
        self.sigma0, self.restarts = sigma0, restarts
        self._bins = self.space.bins[self._columns]
        n = len(self._columns)
        self._model = CovarianceAdaptation(
            n, np.full(n, 0.5), sigma0, pop_size, active=adapter.active, bins=self._bins
        )

    def __call__(self, inds: Sequence[Individual]) -> Individual:
        """A draw from the distribution, folded back into the limits."""
        model = self._model
        if self.restarts and model.has_converged:
            mean = self.generator.random(model.n)
            size = min(2 * model.size, 400)
            self._model = model = CovarianceAdaptation(
                model.n, mean, self.sigma0, size, active=model.active, bins=self._bins
            )
        unit = np.full(self.space.n, 0.5)
        unit[self._columns] = reflect(model.ask(self.generator))
        return self.child(unit, self._parent(inds))

    def _parent(self, inds: Sequence[Individual]) -> Array:
        if self.space.ordered.all() or not len(inds):
            return self.space.sample(self.generator)
        good = inds.best(10) if isinstance(inds, PopulationView) else list(inds)
        return good[int(self.generator.random() * len(good))].genes if good else self.fresh().genes

    def observe(self, individual: Individual) -> None:
        """Learn from any result."""
        if usable(individual):
            self._model.tell(individual.unit[self._columns], individual.loss)

    def state_dict(self) -> dict[str, Any]:
        """The distribution, JSON-ready."""
        return {"cma": self._model.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a distribution."""
        self._model.load_state_dict(state["cma"])
