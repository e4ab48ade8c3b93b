"""Selection: which individuals become parents."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from propulate.individual import Individual
from propulate.population import PopulationView
from propulate.propagators.base import Propagator, Random

__all__ = ["SelectMax", "SelectMin", "SelectTournament", "SelectUniform"]


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
