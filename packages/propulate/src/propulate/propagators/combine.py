"""Propagators made of propagators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from propulate.individual import Individual
from propulate.population import PopulationView
from propulate.propagators.base import Propagator, Random

__all__ = ["Compose", "Conditional", "Fork"]


class Compose(Propagator):
    """One propagator after the other: the output of each is the input of the next.

    Raises
    ------
    ValueError
        If there is none, or two neighbours don't fit.
    """

    def __init__(self, propagators: Sequence[Propagator]) -> None:
        if not propagators:
            raise ValueError("Compose needs at least one propagator")
        for first, second in pairwise(propagators):
            if second.parents not in {-1, first.offspring}:
                raise ValueError(
                    f"{type(first).__name__} returns {first.offspring} individuals, "
                    f"{type(second).__name__} takes {second.parents}"
                )
        super().__init__(propagators[0].parents, propagators[-1].offspring)
        self.propagators = tuple(propagators)

    def children(self) -> Sequence[Propagator]:
        """The propagators in their order."""
        return self.propagators

    def __call__(self, inds: Sequence[Individual]) -> Any:
        """What the last one returns."""
        result: Any = inds
        for propagator in self.propagators:
            result = propagator([result] if isinstance(result, Individual) else result)
        return result


class Conditional(Propagator):
    """`true_prop` if at least `pop_size` active individuals are known, else `false_prop`."""

    def __init__(
        self,
        pop_size: int,
        true_prop: Propagator,
        false_prop: Propagator,
        parents: int = -1,
        offspring: int = -1,
    ) -> None:
        super().__init__(parents, offspring)
        self.pop_size, self.true_prop, self.false_prop = pop_size, true_prop, false_prop

    def children(self) -> Sequence[Propagator]:
        """Both branches."""
        return (self.true_prop, self.false_prop)

    def __call__(self, inds: Sequence[Individual]) -> Any:
        """What the chosen branch returns."""
        known = inds.n_breeding if isinstance(inds, PopulationView) else len(inds)
        return (self.true_prop if known >= self.pop_size else self.false_prop)(inds)


class Fork(Propagator):
    """One of several branches, drawn by weight before any of them does work."""

    def __init__(self, branches: Mapping[Propagator, float], rng: Random = None) -> None:
        if not branches or min(branches.values()) < 0 or sum(branches.values()) <= 0:
            raise ValueError("Fork needs branches with non-negative weights, not all zero")
        super().__init__(-1, -1, rng)
        self.branches, weights = tuple(branches), list(branches.values())
        self._cumulative = [sum(weights[: i + 1]) / sum(weights) for i in range(len(weights))]

    def children(self) -> Sequence[Propagator]:
        """The branches."""
        return self.branches

    def __call__(self, inds: Sequence[Individual]) -> Any:
        """What the drawn branch returns."""
        draw = self.generator.random()
        index = next(i for i, c in enumerate(self._cumulative) if draw < c or c >= 1)
        return self.branches[index](inds)
