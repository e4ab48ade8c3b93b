"""What a propagator is: individuals in, new individuals out."""

from __future__ import annotations

import abc
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from propulate.individual import Individual
from propulate.population import Population
from propulate.space import Design, SearchSpace
from propulate.view import PopulationView

__all__ = ["Context", "Propagator", "Random", "Stochastic", "as_generator", "space_of"]

Random = random.Random | np.random.Generator | int | None


@dataclass(frozen=True)
class Context:
    """What a propagator is told about its surroundings, once, before the first breeding.

    Attributes
    ----------
    space : SearchSpace
    generator : numpy.random.Generator
        Of this worker.
    island, worker, island_size : int
    budget : int or None
        Evaluations of the whole run, if limited.
    design : Design
        Shared by all workers of a run; worker w of P takes the points w, w + P, ...
    """

    space: SearchSpace
    generator: np.random.Generator
    island: int = 0
    worker: int = 0
    island_size: int = 1
    budget: int | None = None
    design: Design | None = None


def as_generator(rng: Random) -> np.random.Generator | None:
    """The numpy generator that a user's source of random numbers stands for."""
    if rng is None or isinstance(rng, np.random.Generator):
        return rng
    if isinstance(rng, random.Random):
        return np.random.default_rng(rng.getrandbits(128))
    return np.random.default_rng(rng)


class Propagator(abc.ABC):
    """Base of all operators. An operator never changes its input, and returns new individuals.

    Parameters
    ----------
    parents : int
        Individuals taken; -1 for any number.
    offspring : int
        Individuals returned; -1 for as many as given.
    rng : random.Random, numpy Generator, int, optional
        Default: the worker's own stream.
    """

    def __init__(self, parents: int = 0, offspring: int = 0, rng: Random = None) -> None:
        if offspring == 0:
            raise ValueError("a propagator with offspring=0 would return nothing")
        self.parents, self.offspring, self.rng = parents, offspring, rng
        self._generator = as_generator(rng)

    @property
    def generator(self) -> np.random.Generator:
        """The source of random numbers."""
        if self._generator is None:  # used on its own, without an engine
            self._generator = np.random.default_rng()
        return self._generator

    @abc.abstractmethod
    def __call__(self, inds: Sequence[Individual]) -> Any:
        """New individuals: one, or a list of them."""

    def children(self) -> Sequence[Propagator]:
        """The propagators that this one is made of."""
        return ()

    def bind(self, context: Context) -> None:
        """Learn about the surroundings; called once, by the engine."""
        if self._generator is None:
            self._generator = context.generator
        for child in self.children():
            child.bind(context)

    def observe(self, individual: Individual) -> None:
        """Learn of an individual; called once for each that becomes known to this worker."""
        for child in self.children():
            child.observe(individual)

    def catch_up(self, population: Population, first: int) -> None:
        """Learn of all individuals from row `first` on, in a continuation; as by `observe`."""
        for row in range(first, len(population)):
            self.observe(population.individual(row))

    def state_dict(self) -> dict[str, Any]:
        """What has to be kept for a continuation, as JSON-ready values."""
        return {"children": [child.state_dict() for child in self.children()]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a state."""
        for child, kept in zip(self.children(), state["children"], strict=True):
            child.load_state_dict(kept)

    def check_parents(self, inds: Sequence[Individual], needed: int | None = None) -> None:
        """ValueError if there are fewer individuals than are taken."""
        available = inds.n_breeding if isinstance(inds, PopulationView) else len(inds)
        needed = self.parents if needed is None else needed
        if available < needed:
            raise ValueError(
                f"{type(self).__name__} takes {needed} individuals, and there are {available}"
            )


def space_of(propagator: Any) -> SearchSpace | None:
    """The space that a propagator, or one that it is made of, was made for."""
    if not isinstance(propagator, Propagator):
        return None
    space = getattr(propagator, "space", None)
    for child in propagator.children():
        space = space or space_of(child)
    return space


class Stochastic(Propagator):
    """Base of operators that are applied with a probability."""

    def __init__(
        self, parents: int = 0, offspring: int = 0, probability: float = 1.0, rng: Random = None
    ) -> None:
        super().__init__(parents, offspring, rng)
        if not 0 <= probability <= 1:
            raise ValueError(f"probability must be in [0, 1], got {probability}")
        self.probability = probability

    def applies(self) -> bool:
        """Draw whether to act this time."""
        return self.probability >= 1 or self.generator.random() < self.probability
