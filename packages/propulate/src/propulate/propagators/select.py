"""Selection: which individuals become parents."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence

import numpy as np

from propulate.individual import Individual
from propulate.propagators.base import Propagator, Random
from propulate.view import PopulationView

__all__ = [
    "SelectBoltzmann",
    "SelectMax",
    "SelectMin",
    "SelectRank",
    "SelectTournament",
    "SelectUniform",
    "SelectYoungest",
]


def _usable(inds: Sequence[Individual]) -> list[Individual]:
    return [ind for ind in inds if ind.loss == ind.loss]


class SelectMin(Propagator):
    """The `offspring` individuals with the smallest losses, best first."""

    def __init__(self, offspring: int) -> None:
        super().__init__(-1, offspring)

    def __call__(self, inds: Sequence[Individual]) -> list[Individual]:
        """The selected."""
        if isinstance(inds, PopulationView):
            self.check_parents(inds, self.offspring)
            return inds.best(self.offspring)
        usable = _usable(inds)
        self.check_parents(usable, self.offspring)
        return heapq.nsmallest(self.offspring, usable, key=lambda ind: ind.loss)


class SelectMax(Propagator):
    """The `offspring` individuals with the largest losses, worst first."""

    def __init__(self, offspring: int) -> None:
        super().__init__(-1, offspring)

    def __call__(self, inds: Sequence[Individual]) -> list[Individual]:
        """The selected."""
        if isinstance(inds, PopulationView):
            self.check_parents(inds, self.offspring)
            return inds.worst(self.offspring)
        usable = _usable(inds)
        self.check_parents(usable, self.offspring)
        return heapq.nlargest(self.offspring, usable, key=lambda ind: ind.loss)


class SelectUniform(Propagator):
    """`offspring` different individuals, drawn uniformly."""

    def __init__(self, offspring: int, rng: Random = None) -> None:
        super().__init__(-1, offspring, rng)

    def __call__(self, inds: Sequence[Individual]) -> list[Individual]:
        """The selected."""
        self.check_parents(inds, self.offspring)
        if isinstance(inds, PopulationView):
            return inds.sample(self.offspring, self.generator)
        places = self.generator.choice(len(inds), self.offspring, replace=False)
        return [inds[int(place)] for place in places]


class SelectTournament(Propagator):
    """`offspring` individuals, each the best of `size` drawn ones."""

    def __init__(self, offspring: int, size: int = 3, rng: Random = None) -> None:
        super().__init__(-1, offspring, rng)
        self.size = size

    def __call__(self, inds: Sequence[Individual]) -> list[Individual]:
        """The selected; one can win more than once."""
        usable = inds.best(len(inds)) if isinstance(inds, PopulationView) else _usable(inds)
        self.check_parents(usable, 1)
        ranked = sorted(usable, key=lambda ind: ind.loss)
        draws = self.generator.integers(len(ranked), size=(self.offspring, self.size))
        return [ranked[place] for place in draws.min(axis=1)]


def _ranked(inds: Sequence[Individual]) -> list[Individual]:
    """Those that may breed, best first."""
    if isinstance(inds, PopulationView):
        return inds.best(len(inds))
    return sorted(_usable(inds), key=lambda ind: ind.loss)


class SelectRank(Propagator):
    """`offspring` different individuals, by linear ranking.

    The best one is `pressure` times as likely as the average one; `pressure` is in [1, 2].
    """

    def __init__(self, offspring: int, pressure: float = 1.5, rng: Random = None) -> None:
        super().__init__(-1, offspring, rng)
        if not 1 <= pressure <= 2:
            raise ValueError(f"pressure must be in [1, 2], got {pressure}")
        self.pressure = pressure

    def __call__(self, inds: Sequence[Individual]) -> list[Individual]:
        """The selected."""
        ranked = _ranked(inds)
        self.check_parents(ranked, self.offspring)
        n = len(ranked)
        weights = self.pressure - (2 * self.pressure - 2) * np.arange(n) / max(1, n - 1)
        weights = np.maximum(weights, 1e-12)
        chosen = self.generator.choice(n, self.offspring, replace=False, p=weights / weights.sum())
        return [ranked[int(place)] for place in chosen]


class SelectBoltzmann(Propagator):
    """`offspring` different individuals, with weights exp(-loss / temperature)."""

    def __init__(self, offspring: int, temperature: float = 1.0, rng: Random = None) -> None:
        super().__init__(-1, offspring, rng)
        if temperature <= 0:
            raise ValueError(f"temperature must be positive, got {temperature}")
        self.temperature = temperature

    def __call__(self, inds: Sequence[Individual]) -> list[Individual]:
        """The selected."""
        ranked = [ind for ind in _ranked(inds) if math.isfinite(ind.loss)]
        self.check_parents(ranked, self.offspring)
        losses = np.array([ind.loss for ind in ranked])
        # the largest keys of this form are a draw without replacement by these weights
        keys = self.generator.gumbel(size=len(losses)) - losses / self.temperature
        return [ranked[int(place)] for place in np.argsort(-keys)[: self.offspring]]


class SelectYoungest(Propagator):
    """The `offspring` newest individuals, newest first: the window of regularised evolution."""

    def __init__(self, offspring: int) -> None:
        super().__init__(-1, offspring)

    def __call__(self, inds: Sequence[Individual]) -> list[Individual]:
        """The selected."""
        usable = [ind for ind in inds if math.isfinite(ind.loss)]
        self.check_parents(usable, self.offspring)
        return usable[-self.offspring :][::-1]
