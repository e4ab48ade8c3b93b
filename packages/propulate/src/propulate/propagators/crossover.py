"""Crossover: children of several parents."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from propulate.individual import Individual
from propulate.propagators.base import Random, Stochastic
from propulate.propagators.vary import Limits, reflect
from propulate.space import SearchSpace

__all__ = [
    "CrossoverArithmetic",
    "CrossoverBlend",
    "CrossoverMultiple",
    "CrossoverSBX",
    "CrossoverSigmoid",
    "CrossoverUniform",
]


class CrossoverUniform(Stochastic):
    """With a probability, genes come from the first parent with a given share, else the second.

    Parameters
    ----------
    relative_parent_contribution : float
        The first parent's share, in [0, 1].
    """

    def __init__(
        self,
        relative_parent_contribution: float = 0.5,
        probability: float = 1.0,
        rng: Random = None,
    ) -> None:
        super().__init__(2, 1, probability, rng)
        if not 0 <= relative_parent_contribution <= 1:
            raise ValueError(f"a share is in [0, 1], got {relative_parent_contribution}")
        self.share = relative_parent_contribution

    def __call__(self, inds: Sequence[Individual]) -> Individual:
        """The child."""
        self.check_parents(inds)
        return self._cross(inds, self.share) if self.applies() else inds[0].copy()

    def _cross(self, inds: Sequence[Individual], share: float) -> Individual:
        first, second = inds[0], inds[1]
        child = first.copy()
        from_second = self.generator.random(len(child.genes)) >= share
        child.genes[from_second] = second.genes[from_second]
        child.parents = (first.uid, second.uid)
        return child


class CrossoverSigmoid(CrossoverUniform):
    """Uniform crossover in which the better parent's share is 1 / (1 + exp(-difference / T))."""

    def __init__(
        self, temperature: float = 1.0, probability: float = 1.0, rng: Random = None
    ) -> None:
        super().__init__(0.5, probability, rng)
        if temperature <= 0:
            raise ValueError(f"temperature must be positive, got {temperature}")
        self.temperature = temperature

    def __call__(self, inds: Sequence[Individual]) -> Individual:
        """The child."""
        self.check_parents(inds)
        if not self.applies():
            return inds[0].copy()
        better, worse = sorted(inds[:2], key=lambda ind: ind.loss)
        ratio = min((worse.loss - better.loss) / self.temperature, 700.0)
        return self._cross([better, worse], 1 / (1 + math.exp(-ratio)))


class CrossoverMultiple(Stochastic):
    """With a probability, each gene comes from a parent drawn uniformly."""

    def __init__(self, parents: int = -1, probability: float = 1.0, rng: Random = None) -> None:
        super().__init__(parents, 1, probability, rng)

    def __call__(self, inds: Sequence[Individual]) -> Individual:
        """The child."""
        self.check_parents(inds)
        child = inds[0].copy()
        if self.applies():
            genes = np.array([ind.genes for ind in inds])
            child.genes = genes[
                self.generator.integers(len(inds), size=genes.shape[1]), np.arange(genes.shape[1])
            ]
            child.parents = tuple(ind.uid for ind in inds)
        return child


class _UnitCrossover(Stochastic):
    """Base of crossovers that compute with unit coordinates; categories come from either parent."""

    def __init__(self, limits: Limits, probability: float, rng: Random) -> None:
        super().__init__(2, 1, probability, rng)
        self.space = SearchSpace.of(limits)

    def __call__(self, inds: Sequence[Individual]) -> Individual:
        """The child."""
        self.check_parents(inds)
        first, second = inds[0], inds[1]
        if not self.applies():
            return first.copy()
        genes = self.space.from_unit(reflect(self.mix(first.unit, second.unit)))
        if not self.space.ordered.all():
            heads = self.generator.random(self.space.n) < 0.5
            genes = np.where(self.space.ordered, genes, np.where(heads, first.genes, second.genes))
        child = Individual.from_genes(self.space, genes)
        child.parents = (first.uid, second.uid)
        return child

    def mix(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
        """Unit coordinates of the child, shape (n,), which may lie outside the cube."""
        raise TypeError(
            f"{type(self).__name__} does not say how to mix {len(a)} and {len(b)} genes"
        )


class CrossoverSBX(_UnitCrossover):
    """Simulated binary crossover (K. Deb and R. B. Agrawal, Complex Systems 9, 1995).

    Parameters
    ----------
    limits : SearchSpace or mapping
    eta : float
        The larger, the nearer the child is to a parent.
    probability, prob_gene : float
        Of a crossover, and of each gene in it.
    rng : source of random numbers, optional
    """

    def __init__(
        self,
        limits: Limits,
        eta: float = 15.0,
        probability: float = 0.9,
        prob_gene: float = 0.5,
        rng: Random = None,
    ) -> None:
        super().__init__(limits, probability, rng)
        self.eta, self.prob_gene = eta, prob_gene

    def mix(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
        """One of the two children, drawn by gene."""
        n, rng = len(a), self.generator
        u = rng.random(n)
        spread = np.where(u <= 0.5, 2 * u, 1 / (2 * (1 - u))) ** (1 / (self.eta + 1))
        sign = np.where(rng.random(n) < 0.5, 1.0, -1.0)
        crossed = 0.5 * (a + b + sign * spread * (a - b))
        mixed: NDArray[np.float64] = np.where(rng.random(n) < self.prob_gene, crossed, a)
        return mixed


class CrossoverBlend(_UnitCrossover):
    """Each gene uniform in the parents' interval, widened by `alpha` on both sides (BLX).

    L. J. Eshelman and J. D. Schaffer, "Real-Coded Genetic Algorithms and Interval-Schemata" (1993).
    """

    def __init__(
        self, limits: Limits, alpha: float = 0.5, probability: float = 1.0, rng: Random = None
    ) -> None:
        super().__init__(limits, probability, rng)
        self.alpha = alpha

    def mix(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
        """Uniform in the widened interval."""
        u = (1 + 2 * self.alpha) * self.generator.random(len(a)) - self.alpha
        return a + u * (b - a)


class CrossoverArithmetic(_UnitCrossover):
    """A weighted mean of the parents, with one weight for all genes, drawn uniformly."""

    def __init__(self, limits: Limits, probability: float = 1.0, rng: Random = None) -> None:
        super().__init__(limits, probability, rng)

    def mix(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
        """On the line between the parents."""
        return a + self.generator.random() * (b - a)
