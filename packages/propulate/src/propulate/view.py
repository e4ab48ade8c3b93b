"""What propagators see of a population."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from propulate.individual import Individual, Status, Uid
from propulate.population import Population
from propulate.space import SearchSpace

__all__ = ["PopulationView"]


class PopulationView(Sequence[Individual]):
    """The active individuals, as propagators see them.

    A sequence, for propagators that iterate or sort, with methods for those that are in a hurry.

    Parameters
    ----------
    population : Population
    fill : int
        Pruned individuals take part while there are fewer complete ones than this.

    Attributes
    ----------
    seq : int
        Which one of its worker's candidates the next one will be.
    """

    def __init__(self, population: Population, fill: int = 0) -> None:
        self.population = population
        self.space = population.space
        self.fill = fill
        self.seq = 0

    @classmethod
    def of(cls, inds: Iterable[Individual], space: SearchSpace) -> PopulationView:
        """A view of copies of some individuals, for use without an engine."""
        population = Population(space)
        for seq, individual in enumerate(inds):
            copy = individual.copy()
            copy.uid, copy.loss, copy.status = Uid(0, 0, seq), individual.loss, Status.COMPLETE
            population.add(copy)
        return cls(population)

    def __len__(self) -> int:
        return self.population.n_active

    def _rows(self) -> NDArray[np.int64]:
        return np.flatnonzero(self.population.column("active"))

    def __getitem__(self, index: Any) -> Any:
        rows = self._rows()[index]
        if isinstance(index, slice):
            return [self.population.individual(int(row)) for row in rows]
        return self.population.individual(int(rows))

    def __iter__(self) -> Iterator[Individual]:
        return self._individuals(self._rows())

    def _individuals(self, rows: Iterable[Any]) -> Iterator[Individual]:
        return (self.population.individual(int(row)) for row in rows)

    def best_rows(self, k: int) -> NDArray[np.int32]:
        """Rows of the `k` best that may breed, or fewer."""
        return self.population.best_rows(k, min(k, self.fill))

    def best(self, k: int) -> list[Individual]:
        """The `k` best, or fewer."""
        return list(self._individuals(self.best_rows(k)))

    def worst(self, k: int) -> list[Individual]:
        """The `k` worst that may breed, or fewer, worst first."""
        return list(self._individuals(self.population.ranking.last(k)))

    def sample(self, k: int, rng: np.random.Generator) -> list[Individual]:
        """`k` different ones that may breed, drawn uniformly."""
        ranking = self.population.ranking
        places = rng.choice(self.n_breeding, k, replace=False)
        if self.n_breeding > len(ranking):
            return list(self._individuals(self.best_rows(self.fill)[places]))
        return list(self._individuals(ranking.at(int(place)) for place in places))

    @property
    def n_breeding(self) -> int:
        """How many may breed: complete with a finite loss, and pruned ones while these are few."""
        n = len(self.population.ranking)
        return max(n, min(self.fill, n + self.population.n_doubtful))

    def arrays(self, k: int | None = None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Unit coordinates (k, n) and losses (k,) of the `k` best (default: all), best first."""
        rows = self.best_rows(len(self.population) if k is None else k)
        losses = self.population.losses[rows]
        total = losses[:, 0] if self.population.n_objectives == 1 else losses.sum(axis=1)
        return self.space.to_unit(self.population.genes.take(rows, axis=0)), total
