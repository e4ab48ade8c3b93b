"""Differential evolution and density estimation on their own, and what models share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from propulate.individual import Individual, Status
from propulate.propagators.base import Context, Propagator, Random
from propulate.propagators.differential import SuccessHistory, current_to_best, places
from propulate.propagators.parzen import propose
from propulate.propagators.vary import Limits, inherit_categories
from propulate.space import SearchSpace
from propulate.view import PopulationView

__all__ = ["TPE", "DifferentialEvolution", "ModelPropagator", "usable"]

Array = NDArray[np.float64]


def usable(individual: Individual) -> bool:
    """Whether a model may learn from it."""
    return individual.status == Status.COMPLETE and math.isfinite(individual.loss)


class ModelPropagator(Propagator):
    """Base: a random start, and categories that come from good individuals."""

    def __init__(self, limits: Limits, rng: Random) -> None:
        super().__init__(-1, 1, rng)
        self.space = SearchSpace.of(limits)

    def fresh(self) -> Individual:
        """A random individual."""
        return Individual.from_genes(self.space, self.space.sample(self.generator))

    def child(self, unit: Array, parent: Array) -> Individual:
        """An individual at unit coordinates, with categories of the parent's genes."""
        genes = self.space.from_unit(unit)
        return Individual.from_genes(
            self.space, inherit_categories(self.space, genes, parent, self.generator)
        )


class DifferentialEvolution(ModelPropagator):
    """Success-history adaptive differential evolution, asynchronous.

    R. Tanabe and A. Fukunaga, "Improving the Search Performance of SHADE Using Linear Population
    Size Reduction" (2014): a candidate that is not worse than its parent takes its place; the
    parent goes into an archive, from which differences are drawn as well. Others' results replace
    the worst if they are better.

    Parameters
    ----------
    limits : SearchSpace or mapping
    pop_size : int, optional
        Default max(12, min(18 n, budget / 40)), shrinking to 6 by the end of the budget.
    rng : source of random numbers, optional
    """

    def __init__(self, limits: Limits, pop_size: int | None = None, rng: Random = None) -> None:
        super().__init__(limits, rng)
        if pop_size is not None and pop_size < 6:
            raise ValueError(f"pop_size must be at least 6, got {pop_size}")
        self._fixed = pop_size
        self.pop_size = pop_size or max(12, min(18 * self.space.n, 100))
        self._budget: int | None = None
        self._known = 0
        self._pool: list[tuple[float, Array, Array]] = []  # loss, unit, genes; best first
        self._archive: list[Array] = []
        self._history = SuccessHistory()
        self._drawn: dict[bytes, tuple[float, float, Array, float]] = {}

    def bind(self, context: Context) -> None:
        """Plan the size of the pool with the budget."""
        super().bind(context)
        self._budget = context.budget
        if self._fixed is None and context.budget is not None:
            self.pop_size = max(12, min(18 * self.space.n, context.budget // 40))

    @property
    def _size(self) -> int:
        if self._fixed is not None or self._budget is None:
            return self.pop_size
        left = max(0.0, 1 - self._known / self._budget)
        return max(6, round(6 + (self.pop_size - 6) * left))

    def __call__(self, inds: Sequence[Individual]) -> Individual:
        """The next candidate."""
        if not isinstance(inds, PopulationView):
            for individual in inds:
                if not any(np.array_equal(individual.genes, genes) for *_, genes in self._pool):
                    self.observe(individual)
        if len(self._pool) < min(self._size, 6) or self._known < self.pop_size:
            return self.fresh()
        f, cr = self._history.draw(self.generator)
        chosen = places(len(self._pool), self.generator, len(self._archive))
        known = [unit for _, unit, _ in self._pool] + self._archive
        points = np.array([known[place] for place in chosen])
        unit = current_to_best(points, f, cr, self.generator)
        loss, parent, genes = self._pool[chosen[0]]
        child = self.child(unit, genes)
        self._drawn[child.genes.tobytes()] = f, cr, parent, loss
        return child

    def observe(self, individual: Individual) -> None:
        """Selection, and what it teaches about step factors and crossover rates."""
        drawn = self._drawn.pop(individual.genes.tobytes(), None)
        if not usable(individual):
            return
        self._known += 1
        entry = individual.loss, individual.unit, individual.genes.copy()
        if drawn is not None:
            self._select(entry, drawn)
        elif len(self._pool) < self._size or individual.loss < self._pool[-1][0]:
            self._pool.append(entry)
        self._pool.sort(key=lambda member: member[0])
        del self._pool[self._size :]

    def _select(
        self, entry: tuple[float, Array, Array], drawn: tuple[float, float, Array, float]
    ) -> None:
        f, cr, parent, loss = drawn
        if entry[0] > loss:
            return
        self._history.success(f, cr, loss - entry[0])
        places = [i for i, (_, unit, _) in enumerate(self._pool) if unit is parent]
        self._pool[places[0] if places else -1] = entry
        self._archive.append(parent)
        if len(self._archive) > 2 * self._size:
            del self._archive[int(self.generator.random() * len(self._archive))]

    def state_dict(self) -> dict[str, Any]:
        """Memories and archive, JSON-ready; the pool follows from the individuals."""
        return {
            "history": self._history.state_dict(),
            "archive": [unit.tolist() for unit in self._archive],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up memories and archive."""
        self._history.load_state_dict(state["history"])
        self._archive = [np.array(unit) for unit in state["archive"]]


class TPE(ModelPropagator):
    """Tree-structured Parzen estimator, see `propulate.propagators.parzen`.

    For up to a few hundred evaluations, and for spaces with many categories.

    Parameters
    ----------
    limits : SearchSpace or mapping
    rng : source of random numbers, optional
    n_startup : int
        Random individuals before it begins.
    epsilon : float
        Share of random ones later.
    """

    def __init__(
        self, limits: Limits, rng: Random = None, n_startup: int = 10, epsilon: float = 0.05
    ) -> None:
        super().__init__(limits, rng)
        if n_startup < 2:
            raise ValueError(f"n_startup must be at least 2, got {n_startup}")
        self.n_startup, self.epsilon = n_startup, epsilon

    def __call__(self, inds: Sequence[Individual]) -> Individual:
        """The next candidate."""
        if isinstance(inds, PopulationView):
            unit = inds.arrays(500)[0]
        else:
            known = sorted(filter(usable, inds), key=lambda ind: ind.loss)[:500]
            unit = np.array([ind.unit for ind in known])
        if len(unit) < self.n_startup or self.generator.random() < self.epsilon:
            return self.fresh()
        return Individual.from_genes(self.space, propose(self.space, unit, self.generator))
