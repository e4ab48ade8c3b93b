"""Several objectives: NSGA-II in steady state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from propulate.individual import Individual, Status
from propulate.propagators.base import Propagator, Random
from propulate.propagators.crossover import CrossoverSBX
from propulate.propagators.vary import Limits, MutationPolynomial
from propulate.space import SearchSpace

__all__ = ["NSGA2", "crowding_distances", "domination_ranks"]

Array = NDArray[np.float64]


def domination_ranks(losses: Array, violations: Array | None = None) -> NDArray[np.int64]:
    """The front that each point belongs to, 0 for those that nothing dominates.

    Parameters
    ----------
    losses : (m, n_objectives) array
    violations : (m,) array, optional
        Points that violate constraints less dominate those that violate them more (K. Deb,
        Comput. Methods Appl. Mech. Engrg. 186 (2000) 311).
    """
    not_worse = np.all(losses[:, None] <= losses[None], axis=2)
    better: Any = not_worse & np.any(losses[:, None] < losses[None], axis=2)
    if violations is not None and violations.any():
        same = violations[:, None] == violations[None]
        better = np.where(same, better, violations[:, None] < violations[None])
    ranks = np.full(len(losses), -1)
    left = better.sum(axis=0)  # by how many each is dominated
    front = 0
    while (ranks < 0).any():
        members = (left == 0) & (ranks < 0)
        ranks[members] = front
        left = left - better[members].sum(axis=0)
        front += 1
    return ranks


def crowding_distances(losses: Array) -> Array:
    """How far the neighbours of each point of one front are; infinite at its ends."""
    m, n_objectives = losses.shape
    distance = np.zeros(m)
    for k in range(n_objectives):
        order = np.argsort(losses[:, k], kind="stable")
        column = losses[order, k]
        span = column[-1] - column[0]
        distance[order[[0, -1]]] = np.inf
        if span > 0 and m > 2:
            distance[order[1:-1]] += (column[2:] - column[:-2]) / span
    return distance


class NSGA2(Propagator):
    """Parents from an archive of the best fronts, by crowded tournaments.

    K. Deb et al., "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II" (2002), in steady
    state: each result enters the archive at once, and the last of it leaves.

    Parameters
    ----------
    limits : SearchSpace or mapping
    pop_size : int
        Size of the archive.
    crossover, mutation : Propagator, optional
        Default: simulated binary crossover (eta 15, probability 0.9) and polynomial mutation
        (eta 20, each gene with probability 1/n).
    rng : source of random numbers, optional
    """

    def __init__(
        self,
        limits: Limits,
        pop_size: int = 40,
        crossover: Propagator | None = None,
        mutation: Propagator | None = None,
        rng: Random = None,
    ) -> None:
        super().__init__(-1, 1, rng)
        if pop_size < 4:
            raise ValueError(f"pop_size must be at least 4, got {pop_size}")
        self.space = SearchSpace.of(limits)
        self.pop_size = self.init_size = pop_size
        self.crossover = crossover or CrossoverSBX(self.space, rng=rng)
        self.mutation = mutation or MutationPolynomial(self.space, rng=rng)
        self.archive: list[Individual] = []
        self._ranks: NDArray[np.int64] = np.empty(0, np.int64)
        self._crowding: Array = np.empty(0)

    def children(self) -> Sequence[Propagator]:
        """Crossover and mutation."""
        return (self.crossover, self.mutation)

    def observe(self, individual: Individual) -> None:
        """Enter a result into the archive."""
        super().observe(individual)
        if individual.status != Status.COMPLETE or not np.isfinite(individual.loss):
            return
        self.archive.append(individual)
        losses = np.array(
            [ind.losses if ind.losses is not None else (ind.loss,) for ind in self.archive]
        )
        violations = np.array([ind.violation for ind in self.archive])
        self._ranks = domination_ranks(losses, violations)
        self._crowding = np.empty(len(losses))
        for front in range(int(self._ranks.max()) + 1):
            members = self._ranks == front
            self._crowding[members] = crowding_distances(losses[members])
        if len(self.archive) > self.pop_size:
            last = int(np.lexsort((-self._crowding, self._ranks))[-1])
            del self.archive[last]
            self._ranks = np.delete(self._ranks, last)
            self._crowding = np.delete(self._crowding, last)

    def _tournament(self) -> Individual:
        a, b = (int(k) for k in self.generator.integers(len(self.archive), size=2))
        better = (self._ranks[a], -self._crowding[a]) <= (self._ranks[b], -self._crowding[b])
        return self.archive[a if better else b]

    def __call__(self, inds: Sequence[Individual]) -> Individual:  # noqa: ARG002 - it observes
        """The next candidate."""
        if len(self.archive) < 4:
            return Individual.from_genes(self.space, self.space.sample(self.generator))
        child = self.crossover([self._tournament(), self._tournament()])
        mutant: Individual = self.mutation([child])
        return mutant

    def state_dict(self) -> dict[str, Any]:
        """Nothing: the archive follows from the individuals."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to take up."""
