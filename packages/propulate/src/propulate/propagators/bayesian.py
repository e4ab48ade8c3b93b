"""Bayesian optimisation: candidates where a Gaussian process hopes for good values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from propulate.gaussian import GaussianProcess, HyperParameters
from propulate.individual import Individual
from propulate.propagators.base import Propagator, Random
from propulate.propagators.vary import Limits, reflect
from propulate.space import SearchSpace
from propulate.view import PopulationView

__all__ = ["BayesianModel", "BayesianPropagator", "soften"]

Array = NDArray[np.float64]


def soften(losses: Array, n_complete: int) -> Array:
    """Losses in units of the best one's distance to the median, logarithmic above the median.

    So that failures and cliffs don't hide what differs between good points.

    Parameters
    ----------
    losses : (m,) array
        Best first; what is smaller than one before counts as that one.
    n_complete : int
        The others after the first so many were pruned: they count as worse than three quarters of
        the complete ones, since more is not known of them.
    """
    complete = max(1, n_complete)
    y = np.maximum.accumulate(losses)
    y[complete:] = np.quantile(y[:complete], 0.75)
    median = float(np.median(y[:complete]))
    z = (y - median) / ((median - float(y[0])) or 1.0)
    softened: Array = np.where(z > 0, np.log1p(np.maximum(z, 0)), z)
    return softened / (softened.std() or 1.0)


class BayesianModel:
    """What is known about the losses of a space, and where to look next.

    Each proposal draws the process's hyper-parameters from their posterior, and its own appetite
    for the unknown from an exponential distribution: so workers that know the same propose
    different points (R. Egele et al., "Asynchronous Decentralized Bayesian Optimization for Large
    Scale Hyperparameter Optimization", 2023). Categories are one-hot coordinates; parameters that
    are not active lie in the middle.

    Parameters
    ----------
    space : SearchSpace
    most : int
        Points that are used: the best ones.
    """

    def __init__(self, space: SearchSpace, most: int = 100) -> None:
        self.space, self.most = space, most
        self.hyper = HyperParameters(space.n)
        blocks = np.where(space.ordered, 1, space.counts)
        self._owner = np.repeat(np.arange(space.n), blocks)
        self._first = np.cumsum(blocks) - blocks
        self._categories = np.flatnonzero(~space.ordered)

    def features(self, unit: Array) -> Array:
        """Coordinates of points, shape (k, n), in which distances mean something."""
        space = self.space
        columns = unit[:, self._owner]
        for i in self._categories:
            first, count = self._first[i], int(space.counts[i])
            chosen = np.floor(unit[:, i] * count)[:, None] == np.arange(count)
            columns[:, first : first + count] = chosen * math.sqrt(0.5)
        if space.is_conditional:
            active = space.active(space.from_unit(unit))
            columns = np.where(active[:, self._owner], columns, 0.5)
        return columns

    def propose(
        self, unit: Array, losses: Array, n_complete: int, rng: np.random.Generator
    ) -> Array:
        """Unit coordinates of a new point, shape (n,).

        Parameters
        ----------
        unit : (m, n) array
            Known points, best first.
        losses : (m,) array
        n_complete : int
            The others after the first so many were pruned.
        """
        known = self.features(unit)
        process = self.hyper.draw(known, soften(losses, n_complete), self._owner, rng)
        hope = rng.exponential()
        found = np.vstack([rng.random((100, self.space.n)), self._near(unit[:10], 0.3, rng)])
        for scale in (0.1, 0.03, 0.0):
            order = np.argsort(self._bound(process, known, found, hope), kind="stable")
            best = found[order[:5]]
            if scale:
                found = np.vstack([best, self._near(best, scale, rng)])
        point: Array = best[0]
        return point

    def _bound(self, process: GaussianProcess, known: Array, unit: Array, hope: float) -> Array:
        """The lower confidence bound; infinite at points that are known."""
        points = self.features(unit)
        mean, deviation = process.predict(points)
        squares = (points**2).sum(1)[:, None] + (known**2).sum(1) - 2 * points @ known.T
        bound: Array = np.where(squares.min(axis=1) < 1e-14, np.inf, mean - hope * deviation)
        return bound

    def _near(self, unit: Array, scale: float, rng: np.random.Generator, k: int = 100) -> Array:
        """Legal points at some distance from those given, in one coordinate up to all."""
        space = self.space
        centres = unit[rng.integers(len(unit), size=k)]
        share = np.exp(rng.uniform(-math.log(space.n), 0, (k, 1)))
        steps = scale * np.exp(rng.uniform(-3, 0, (k, 1))) * rng.standard_normal((k, space.n))
        steps = np.copysign(np.maximum(np.abs(steps), space.bins), steps)
        moved = np.where(space.ordered, reflect(centres + steps), rng.random((k, space.n)))
        changes = rng.random((k, space.n)) < np.where(space.ordered, share, 0.3 * share)
        moved = np.where(changes, moved, centres)
        return space.to_unit(space.from_unit(moved))

    def from_view(self, view: PopulationView, rng: np.random.Generator) -> Array:
        """Genes of a new point, shape (n,), given what is known; pruned ones are bad ones."""
        population = view.population
        rows = population.best_rows(self.most, self.most)
        unit = self.space.to_unit(population.genes[rows])
        losses = population.losses[rows].sum(axis=1)
        return self.space.from_unit(self.propose(unit, losses, len(population.ranking), rng))


class BayesianPropagator(Propagator):
    """Gaussian processes on their own, see `BayesianModel`.

    For losses that take long: up to some hundred evaluations, each bred in milliseconds.

    Parameters
    ----------
    limits : SearchSpace or mapping
    rng : source of random numbers, optional
    n_startup : int
        Random individuals before it begins.
    """

    def __init__(self, limits: Limits, rng: Random = None, n_startup: int = 10) -> None:
        super().__init__(-1, 1, rng)
        if n_startup < 2:
            raise ValueError(f"n_startup must be at least 2, got {n_startup}")
        self.space, self.n_startup = SearchSpace.of(limits), n_startup
        self._model = BayesianModel(self.space)

    def __call__(self, inds: Sequence[Individual]) -> Individual:
        """The next candidate."""
        view = inds if isinstance(inds, PopulationView) else PopulationView.of(inds, self.space)
        if view.n_breeding < self.n_startup:
            genes = self.space.sample(self.generator)
        else:
            genes = self._model.from_view(view, self.generator)
        return Individual.from_genes(self.space, genes)

    def state_dict(self) -> dict[str, Any]:
        """The hyper-parameters, JSON-ready."""
        return {"logs": self._model.hyper.logs.tolist()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up hyper-parameters."""
        self._model.hyper.logs = np.array(state["logs"])
