"""Propagators made of propagators."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from propulate.individual import Individual
from propulate.propagators.base import Context, Propagator, Random
from propulate.view import PopulationView

__all__ = ["Compose", "Conditional", "Fork", "PerIsland", "PerWorker", "Schedule"]


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


class Schedule(Propagator):
    """One propagator after the other, each until so many individuals are known.

    Parameters
    ----------
    phases : sequence of (int, Propagator)
        The number of individuals at which a phase ends, and who breeds until then; the last phase
        goes on for ever.
    """

    def __init__(self, phases: Sequence[tuple[int, Propagator]]) -> None:
        ends = [end for end, _ in phases]
        if not phases or ends != sorted(set(ends)):
            raise ValueError(f"the ends of the phases must increase, got {ends}")
        super().__init__(-1, -1)
        self.phases = tuple(phases)

    def children(self) -> Sequence[Propagator]:
        """The propagators of all phases."""
        return [propagator for _, propagator in self.phases]

    def __call__(self, inds: Sequence[Individual]) -> Any:
        """What the present phase's propagator returns."""
        known = len(inds.population) if isinstance(inds, PopulationView) else len(inds)
        present = next((p for end, p in self.phases if known < end), self.phases[-1][1])
        return present(inds)


class PerWorker(Propagator):
    """Each worker breeds by a propagator of its own.

    Parameters
    ----------
    make : callable
        Takes the worker's `Context`, and returns its propagator.
    """

    def __init__(self, make: Callable[[Context], Propagator]) -> None:
        super().__init__(-1, -1)
        self._make = make
        self._own: Propagator | None = None

    def bind(self, context: Context) -> None:
        """Make the propagator."""
        self._own = self._make(context)
        super().bind(context)

    def children(self) -> Sequence[Propagator]:
        """The worker's own."""
        return () if self._own is None else (self._own,)

    def __call__(self, inds: Sequence[Individual]) -> Any:
        """What the worker's own propagator returns."""
        if self._own is None:
            raise RuntimeError("PerWorker works inside of a search only: bind it first")
        return self._own(inds)


class PerIsland(PerWorker):
    """Each island breeds by a propagator of its own, given as a mapping from island numbers."""

    def __init__(self, propagators: Mapping[int, Propagator]) -> None:
        super().__init__(lambda context: propagators[context.island])
