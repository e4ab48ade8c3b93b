"""Ready-made propagators."""

from __future__ import annotations

from propulate.propagators.adaptive import AdaptivePropagator
from propulate.propagators.base import Propagator, Random, as_generator
from propulate.propagators.combine import Compose, Conditional, Fork
from propulate.propagators.crossover import CrossoverUniform
from propulate.propagators.select import SelectMin, SelectUniform
from propulate.propagators.vary import (
    InitUniform,
    IntervalMutationNormal,
    Limits,
    PointMutation,
)
from propulate.space import SearchSpace

__all__ = ["get_default_propagator"]


def get_default_propagator(
    pop_size: int,
    limits: Limits,
    crossover_prob: float = 0.7,
    mutation_prob: float = 0.4,
    random_init_prob: float | None = None,
    sigma_factor: float = 0.05,
    rng: Random = None,
    *,
    kind: str = "adaptive",
    parent_contribution: float = 0.7,
) -> Propagator:
    """A propagator that works without tuning.

    Parameters
    ----------
    pop_size : int
        Individuals in the breeding pool.
    limits : SearchSpace or mapping
    crossover_prob : float
        How often a candidate has two parents.
    mutation_prob : float
        How often a gene is drawn anew; for the genetic operators alone.
    random_init_prob : float, optional
        How often a random individual is drawn; default 0.1, and 0.02 with "adaptive".
    sigma_factor : float
        Standard deviation of steps, as a share of a parameter's range; for the genetic operators
        alone.
    rng : source of random numbers, optional
    kind : {"adaptive", "ga"}
        The portfolio `AdaptivePropagator`, or the genetic operators alone.
    parent_contribution : float
        Share of the first parent's genes in a crossover.
    """
    if kind not in {"adaptive", "ga"}:
        raise ValueError(f"kind must be 'adaptive' or 'ga', got {kind!r}")
    if pop_size < 2:
        raise ValueError(f"pop_size must be at least 2, got {pop_size}")
    space, rng = SearchSpace.of(limits), as_generator(rng)
    if kind == "adaptive":
        return AdaptivePropagator(
            space,
            max(4, pop_size),
            crossover_prob=crossover_prob,
            random_init_prob=0.02 if random_init_prob is None else random_init_prob,
            rng=rng,
        )
    if random_init_prob is None:
        random_init_prob = 0.1
    steps: list[Propagator] = [
        SelectMin(pop_size),
        SelectUniform(2, rng),
        CrossoverUniform(parent_contribution, crossover_prob, rng),
        PointMutation(space, 1, mutation_prob, rng),
    ]
    if space.ordered.any():
        steps.append(IntervalMutationNormal(space, sigma_factor, 1, 1.0, rng))
    fresh = InitUniform(space, rng=rng)
    bred = Fork({Compose(steps): 1 - random_init_prob, fresh: random_init_prob}, rng)
    return Conditional(pop_size, bred, InitUniform(space, rng=rng))
