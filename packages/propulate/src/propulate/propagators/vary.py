"""Variation: fresh individuals and mutation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from propulate.individual import Individual
from propulate.propagators.base import Random, Stochastic
from propulate.space import SearchSpace

__all__ = [
    "InitUniform",
    "IntervalMutationNormal",
    "MutationPolynomial",
    "PointMutation",
    "RandomPointMutation",
    "inherit_categories",
    "other_gene",
    "reflect",
]

Limits = SearchSpace | Mapping[str, Any]


def reflect(unit: Any) -> Any:
    """Fold coordinates, an array or one number, back into [0, 1], as often as it takes."""
    return 1 - abs(unit % 2 - 1)


def other_gene(space: SearchSpace, gene: float, i: int, rng: np.random.Generator) -> float:
    """A uniform gene for column i; for discrete parameters another one than `gene`."""
    n = int(space.counts[i])
    if n == 0:
        return float(space.sample(rng)[i])
    value = int(rng.random() * (n - 1))
    return float(value + (value >= gene))


def inherit_categories(
    space: SearchSpace,
    genes: NDArray[np.float64],
    parent: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Put the parent's categories into `genes`; half a category on average is drawn anew."""
    categories = np.flatnonzero(~space.ordered)
    for i in categories:
        genes[i] = parent[i]
        if rng.random() < 0.5 / len(categories):
            genes[i] = other_gene(space, genes[i], int(i), rng)
    return genes


class InitUniform(Stochastic):
    """With a probability a fresh random individual, else a copy of the first input."""

    def __init__(
        self, limits: Limits, parents: int = 0, probability: float = 1.0, rng: Random = None
    ) -> None:
        super().__init__(parents, 1, probability, rng)
        self.space = SearchSpace.of(limits)

    def __call__(self, inds: Sequence[Individual] = ()) -> Individual:
        """The individual."""
        if self.applies() or not len(inds):
            return Individual.from_genes(self.space, self.space.sample(self.generator))
        return inds[0].copy()


class RandomPointMutation(Stochastic):
    """With a probability, draw between `min_points` and `max_points` genes anew."""

    def __init__(
        self,
        limits: Limits,
        min_points: int = 1,
        max_points: int = 1,
        probability: float = 1.0,
        rng: Random = None,
    ) -> None:
        super().__init__(1, 1, probability, rng)
        self.space = SearchSpace.of(limits)
        if not 0 < min_points <= max_points <= self.space.n:
            raise ValueError(
                f"points must be in 1..{self.space.n}, the number of genes, "
                f"got {min_points}..{max_points}"
            )
        self.min_points, self.max_points = min_points, max_points

    def __call__(self, inds: Sequence[Individual]) -> Individual:
        """The mutant; discrete genes get another value than before."""
        self.check_parents(inds)
        child = inds[0].copy()
        if self.applies():
            rng = self.generator
            span = self.max_points - self.min_points + 1
            points = self.min_points + int(rng.random() * span)
            for i in rng.choice(self.space.n, points, replace=False):
                child.genes[i] = other_gene(self.space, child.genes[i], int(i), rng)
        return child


class PointMutation(RandomPointMutation):
    """With a probability, draw `points` genes anew."""

    def __init__(
        self, limits: Limits, points: int = 1, probability: float = 1.0, rng: Random = None
    ) -> None:
        super().__init__(limits, points, points, probability, rng)


class IntervalMutationNormal(Stochastic):
    """With a probability, move `points` ordered genes by normal steps, reflected into the limits.

    Parameters
    ----------
    sigma_factor : float or (float, float)
        Standard deviation as a share of the range; a pair is drawn from log-uniformly. Discrete
        genes move by at least one value.
    """

    def __init__(
        self,
        limits: Limits,
        sigma_factor: float | tuple[float, float] = 0.1,
        points: int = 1,
        probability: float = 1.0,
        rng: Random = None,
    ) -> None:
        super().__init__(1, 1, probability, rng)
        self.space = SearchSpace.of(limits)
        self.candidates = np.flatnonzero(self.space.ordered)
        if not 0 < points <= len(self.candidates):
            raise ValueError(f"points must be in 1..{len(self.candidates)}, got {points}")
        pair = sigma_factor if isinstance(sigma_factor, tuple) else (sigma_factor, sigma_factor)
        self._log_sigma = math.log(pair[0]), math.log(pair[1])
        self.points = points

    def __call__(self, inds: Sequence[Individual]) -> Individual:
        """The mutant."""
        self.check_parents(inds)
        child = inds[0].copy()
        if self.applies():
            low, high = self._log_sigma
            sigma = math.exp(low + (high - low) * self.generator.random())
            unit = self.space.to_unit(child.genes)
            for i in self.generator.choice(self.candidates, self.points, replace=False):
                step = sigma * self.generator.standard_normal()
                if self.space.counts[i]:  # at least one value away
                    step = math.copysign(max(abs(step), self.space.bins[i]), step)
                unit[i] = reflect(unit[i] + step)
            child.genes = self.space.from_unit(unit)
        return child


class MutationPolynomial(Stochastic):
    """Deb and Goyal's bounded polynomial mutation of ordered genes (Comput. Sci. Inform. 26, 1996).

    Parameters
    ----------
    eta : float
        The larger, the nearer the mutant.
    prob : float, optional
        Of each gene; default 1/n.
    """

    def __init__(
        self, limits: Limits, eta: float = 20.0, prob: float | None = None, rng: Random = None
    ) -> None:
        super().__init__(1, 1, 1.0, rng)
        self.space = SearchSpace.of(limits)
        self.eta, self.prob = eta, 1 / self.space.n if prob is None else prob

    def __call__(self, inds: Sequence[Individual]) -> Individual:
        """The mutant; categories that are hit become others."""
        self.check_parents(inds)
        child, space, rng = inds[0].copy(), self.space, self.generator
        hit = rng.random(space.n) < self.prob
        x, u = space.to_unit(child.genes), rng.random(space.n)
        power = 1 / (self.eta + 1)
        low = (2 * u + (1 - 2 * u) * (1 - x) ** (self.eta + 1)) ** power - 1
        high = 1 - (2 * (1 - u) + (2 * u - 1) * x ** (self.eta + 1)) ** power
        genes = space.from_unit(x + np.where(u < 0.5, low, high))
        moved = hit & space.ordered
        child.genes[moved] = genes[moved]
        for i in np.flatnonzero(hit & ~space.ordered):
            child.genes[i] = other_gene(space, child.genes[i], int(i), rng)
        return child
