"""Ask and tell: the search without MPI, journal or loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from propulate.individual import Individual, Status, Uid
from propulate.population import Columns, Population
from propulate.propagators.adaptive import AdaptivePropagator
from propulate.propagators.base import Context, Propagator
from propulate.propagators.pareto import NSGA2
from propulate.propagators.vary import other_gene
from propulate.space import SearchSpace
from propulate.space.growing import express
from propulate.view import PopulationView

__all__ = ["Breeder", "Optimizer", "default_propagator"]


def default_propagator(space: SearchSpace, n_objectives: int = 1) -> Propagator:
    """What breeds if the user names nothing."""
    return AdaptivePropagator(space) if n_objectives == 1 else NSGA2(space)


class Breeder:
    """What one worker knows, and how it makes candidates: the part that all front ends share.

    Parameters
    ----------
    context : Context
        Carries space, random numbers, and this worker's place.
    propagator : Propagator, or callable that makes one for a space, optional
    n_objectives : int

    Attributes
    ----------
    seq : int
        How many candidates were bred.
    """

    def __init__(
        self,
        context: Context,
        propagator: Propagator | Callable[[SearchSpace], Propagator] | None = None,
        n_objectives: int = 1,
    ) -> None:
        self._given, self._n_objectives = propagator, n_objectives
        self.seq = 0
        self._begin(context)

    def _begin(self, context: Context) -> None:
        self.context, self.space = context, context.space
        if isinstance(self._given, Propagator):
            self.propagator = self._given
        elif self._given is not None:
            self.propagator = self._given(context.space)
        else:
            self.propagator = default_propagator(context.space, self._n_objectives)
        self.propagator.bind(context)
        self.population = Population(context.space, self._n_objectives)
        if isinstance(self.propagator, AdaptivePropagator):
            self.propagator.ranking = self.population.ranking
        fill = getattr(self.propagator, "pop_size", 20)
        self._view = PopulationView(self.population, fill)
        self._points = context.design
        init_size = getattr(self.propagator, "init_size", 0)
        share, rest = divmod(init_size, context.island_size)
        self._n_points = share + (context.worker < rest)

    def move(self, space: SearchSpace) -> None:
        """Go on in a space with more parameters or wider ranges, with all that is known.

        The propagator begins anew, and observes all individuals again.
        """
        known = list(self.population)
        points = self._points
        design = None if points is None else space.design(points.kind, points.seed)
        context = replace(self.context, space=space, design=design)
        self._begin(context)
        for individual in known:
            genes = express(individual.genes, individual.space, space, individual.uid)
            individual.become(space, genes)
            self.learn(individual)

    def breed(self, avoid: Container[bytes] | None = None) -> Individual:
        """A new candidate with a uid of its own; one whose key is in `avoid` is changed."""
        candidate = self._propose()
        if avoid is not None:
            rng, space = self.context.generator, self.space
            for _ in range(50):
                if space.key(candidate.genes) not in avoid:
                    break
                i = int(rng.random() * space.n)
                candidate.genes[i] = other_gene(space, candidate.genes[i], i, rng)
            genes = self._unseen(candidate.genes, avoid)
            candidate = Individual.from_genes(space, genes, operator=candidate.operator)
        return self.birth(candidate)

    def _unseen(self, genes: NDArray[np.float64], avoid: Container[bytes]) -> NDArray[np.float64]:
        """The next point from `genes` on, in the order of the indices, that is not in `avoid`."""
        counts = self.space.counts
        genes = genes.copy()
        for _ in range(int(min(self.space.cardinality, 1_000_000))):
            if self.space.key(genes) not in avoid:
                break
            for i in range(len(counts)):
                genes[i] = (genes[i] + 1) % max(counts[i], 1)
                if genes[i]:
                    break
        return genes

    def _propose(self) -> Individual:
        context = self.context
        if self._points is not None and self.seq < self._n_points:
            index = context.worker + self.seq * context.island_size + context.island * 65536
            genes = self.space.from_unit(self._points.point(index))
            candidate = Individual.from_genes(self.space, genes, operator="init")
        else:
            self._view.seq = self.seq
            candidate = self.propagator(self._view)
            if not isinstance(candidate, Individual):
                (candidate,) = candidate
            if candidate.sealed:
                raise TypeError(f"{type(self.propagator).__name__} returned one of its parents")
            candidate.operator = candidate.operator or type(self.propagator).__name__
        return candidate

    def birth(self, candidate: Individual) -> Individual:
        """Give a candidate its uid."""
        context = self.context
        candidate.uid = Uid(context.island, context.worker, self.seq)
        candidate.rank = candidate.current = context.worker
        candidate.generation = self.seq
        candidate.status, candidate.sealed = Status.RUNNING, True
        self.seq += 1
        return candidate

    def learn(self, individual: Individual) -> bool:
        """Take in a finished individual; False if it was known."""
        n = len(self.population)
        self.population.add(individual)
        if len(self.population) == n:
            return False
        self.propagator.observe(individual)
        return True

    def learn_many(self, columns: Columns) -> None:
        """Take in many finished individuals that are not known."""
        first = len(self.population)
        self.population.extend(columns)
        self.propagator.catch_up(self.population, first)


class Optimizer:
    """A search in which you evaluate the candidates, in any order, with any number outstanding.

    Parameters
    ----------
    limits : SearchSpace or mapping
    propagator : Propagator, optional
        Default: `AdaptivePropagator`.
    seed : int
    budget : int, optional
        Number of evaluations that are planned; helps to choose well.
    design : str
        Initial design; see `propulate.space.Design`.

    Examples
    --------
    >>> optimizer = Optimizer({"x": (-5.0, 5.0)}, seed=1)
    >>> for _ in range(100):
    ...     candidate = optimizer.ask()
    ...     optimizer.tell(candidate, candidate["x"] ** 2)
    >>> optimizer.best.loss < 1e-3
    True
    """

    def __init__(
        self,
        limits: SearchSpace | Mapping[str, Any],
        propagator: Propagator | None = None,
        seed: int = 0,
        *,
        budget: int | None = None,
        design: str = "sobol",
    ) -> None:
        space = SearchSpace.of(limits)
        rng = np.random.default_rng(np.random.SeedSequence([seed, 0, 0]))
        context = Context(space, rng, budget=budget, design=space.design(design, seed))
        self._breeder = Breeder(context, propagator)

    @property
    def population(self) -> Population:
        """All individuals that were told."""
        return self._breeder.population

    @property
    def best(self) -> Individual | None:
        """The best individual so far."""
        return self.population.best

    def ask(self) -> Individual:
        """The next candidate: a mapping of the parameters."""
        return self._breeder.breed()

    def tell(self, candidate: Individual, loss: float, *, pruned: bool = False) -> None:
        """Report the loss of a candidate; NaN for one that failed.

        With `pruned`, the loss is the last one before its evaluation was ended early.
        """
        loss = float(loss)
        failed = math.isnan(loss) or loss == -math.inf
        candidate.loss = loss
        ended = Status.PRUNED if pruned else Status.COMPLETE
        candidate.status = Status.FAILED if failed else ended
        self._breeder.learn(candidate)
