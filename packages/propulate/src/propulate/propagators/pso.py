"""Particle swarms."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from propulate.individual import Individual, Status
from propulate.propagators.base import Context, Propagator, Random
from propulate.propagators.vary import Limits
from propulate.space import SearchSpace
from propulate.view import PopulationView

__all__ = [
    "BasicPSO",
    "CanonicalPSO",
    "ConstrictionPSO",
    "InitUniformPSO",
    "StatelessPSO",
    "VelocityClampingPSO",
]

Array = NDArray[np.float64]
_SWARM = 10  # particles of an island, if nothing else is said


def numeric_space(limits: Limits | None, name: str) -> SearchSpace:
    """The space of the limits; TypeError if it has categories."""
    if limits is None:
        raise TypeError(f"{name} needs limits=")
    space = SearchSpace.of(limits)
    if not space.ordered.all():
        names = [n for n, ordered in zip(space.names, space.ordered, strict=True) if not ordered]
        raise TypeError(f"{name} moves numbers only; {names} are categories")
    return space


def _ignored(rank: int | None) -> None:
    if rank is not None:
        warnings.warn("rank= is ignored: a particle knows its worker", DeprecationWarning, 3)


class InitUniformPSO(Propagator):
    """A particle at a uniform place, with a uniform velocity up to a share of the range.

    Parameters
    ----------
    limits : SearchSpace or mapping
    rng : source of random numbers, optional
    rank : int, optional
        Ignored.
    v_init_limit : float
        Largest initial velocity, as a share of each range.
    """

    def __init__(
        self,
        limits: Limits,
        rng: Random = None,
        rank: int | None = None,
        *,
        v_init_limit: float = 0.1,
    ) -> None:
        super().__init__(0, 1, rng)
        _ignored(rank)
        self.space = numeric_space(limits, type(self).__name__)
        self.v_init_limit = v_init_limit

    def __call__(self, inds: Sequence[Individual] = ()) -> Individual:  # noqa: ARG002 - protocol
        """The particle."""
        velocity = self.v_init_limit * (2 * self.generator.random(self.space.n) - 1)
        return Individual.from_genes(self.space, self.space.sample(self.generator), velocity)


class BasicPSO(Propagator):
    """Particles are drawn to their own best place and to the best one of all.

    J. Kennedy and R. Eberhart, "Particle Swarm Optimization" (1995), with the inertia of Shi and
    Eberhart (1998). A worker moves its particles in turn. Positions that leave the limits are
    reflected, and the velocity with them.

    Parameters
    ----------
    inertia, c_cognitive, c_social : float
    rank : int, optional
        Ignored.
    limits : SearchSpace or mapping
    rng : source of random numbers, optional
    particles_per_worker : int, optional
        Default: so many that an island has at least ten.
    neighbourhood : {"global", "ring"}
        Whose best place attracts: of all particles, or of the two neighbours.
    """

    def __init__(
        self,
        inertia: float = 0.7298,
        c_cognitive: float = 1.49618,
        c_social: float = 1.49618,
        rank: int | None = None,
        limits: Limits | None = None,
        rng: Random = None,
        *,
        particles_per_worker: int | None = None,
        neighbourhood: str = "global",
    ) -> None:
        super().__init__(-1, 1, rng)
        _ignored(rank)
        self.space = numeric_space(limits, type(self).__name__)
        if neighbourhood not in {"global", "ring"}:
            raise ValueError(f"neighbourhood must be global or ring, got {neighbourhood!r}")
        if particles_per_worker is not None and particles_per_worker < 1:
            raise ValueError(f"particles_per_worker must be positive, got {particles_per_worker}")
        self.inertia, self.c_cognitive, self.c_social = inertia, c_cognitive, c_social
        self.neighbourhood, self._wanted = neighbourhood, particles_per_worker
        self._init = InitUniformPSO(self.space, rng)
        self._island, self._worker, self._size = 0, 0, 1
        self._k = particles_per_worker or _SWARM
        self._place: dict[int, tuple[Array, Array]] = {}  # of the own particles
        self._best: dict[int, tuple[float, Array]] = {}  # of all particles of the island

    def children(self) -> Sequence[Propagator]:
        """What makes new particles."""
        return (self._init,)

    def bind(self, context: Context) -> None:
        """Learn which particles are this worker's."""
        super().bind(context)
        self._island, self._worker = context.island, context.worker
        self._size = context.island_size
        self._k = self._wanted or math.ceil(_SWARM / self._size)

    def observe(self, individual: Individual) -> None:
        """Note where particles have been."""
        if individual.uid.island != self._island:
            return
        particle = individual.uid.worker * self._k + individual.uid.seq % self._k
        unit = individual.unit
        if individual.uid.worker == self._worker:
            velocity = individual.velocity
            self._place[particle] = unit, np.zeros_like(unit) if velocity is None else velocity
        known = self._best.get(particle, (math.inf, unit))
        if individual.status == Status.COMPLETE and individual.loss < known[0]:
            self._best[particle] = individual.loss, unit

    def __call__(self, inds: Sequence[Individual]) -> Individual:
        """The next place of the particle whose turn it is."""
        if not isinstance(inds, PopulationView):
            inds = self._learn_from(inds)
        particle = self._worker * self._k + inds.seq % self._k
        if particle not in self._place or particle not in self._best:
            return self._init()
        x, v = self._place[particle]
        v = self.velocity(x, v, self._best[particle][1], self._leader(particle, inds))
        x, flipped = _into_box(x + v)
        genes = self.space.from_unit(x)
        return Individual.from_genes(self.space, genes, np.where(flipped, -v, v))

    def _learn_from(self, inds: Sequence[Individual]) -> PopulationView:
        """A view of a plain sequence, all of whose members are one particle's history."""
        self._k = 1
        self._place, self._best = {}, {}
        view = PopulationView.of(inds, self.space)
        for individual in view.population:
            self.observe(individual)
        return view

    def _leader(self, particle: int, view: PopulationView) -> Array:
        if self.neighbourhood == "global":
            return self.space.to_unit(view.population.genes[view.best_rows(1)[0]])
        n = self._size * self._k
        around = {(particle + step) % n for step in (-1, 0, 1)}
        known = [self._best[neighbour] for neighbour in around if neighbour in self._best]
        return min(known, key=lambda pair: pair[0])[1]

    def pull(self, x: Array, best: Array, leader: Array) -> Array:
        """Acceleration towards both places, with random weights of each dimension."""
        r = self.generator.random((2, len(x)))
        pull: Array = self.c_cognitive * r[0] * (best - x) + self.c_social * r[1] * (leader - x)
        return pull

    def velocity(self, x: Array, v: Array, best: Array, leader: Array) -> Array:
        """The new velocity, in unit coordinates; all arguments have shape (n,)."""
        new: Array = self.inertia * v + self.pull(x, best, leader)
        return new


def _into_box(x: Array) -> tuple[Array, Any]:
    """Reflected coordinates, and where the direction has changed."""
    folded = x % 2
    return 1 - np.abs(folded - 1), folded > 1


class VelocityClampingPSO(BasicPSO):
    """`BasicPSO` with velocities of at most `v_limits`, as a share of each range."""

    def __init__(
        self,
        inertia: float = 0.7298,
        c_cognitive: float = 1.49618,
        c_social: float = 1.49618,
        rank: int | None = None,
        limits: Limits | None = None,
        rng: Random = None,
        v_limits: float | Sequence[float] = 0.6,
        **options: Any,
    ) -> None:
        super().__init__(inertia, c_cognitive, c_social, rank, limits, rng, **options)
        self.v_limits = np.broadcast_to(np.asarray(v_limits, float), (self.space.n,))

    def velocity(self, x: Array, v: Array, best: Array, leader: Array) -> Array:
        """The new velocity, clamped."""
        new: Array = np.clip(super().velocity(x, v, best, leader), -self.v_limits, self.v_limits)
        return new


class ConstrictionPSO(BasicPSO):
    """Velocities shrink by Clerc and Kennedy's factor (2002); the two weights must exceed 4."""

    def __init__(
        self,
        c_cognitive: float = 2.05,
        c_social: float = 2.05,
        rank: int | None = None,
        limits: Limits | None = None,
        rng: Random = None,
        **options: Any,
    ) -> None:
        phi = c_cognitive + c_social
        if phi <= 4:
            raise ValueError(f"c_cognitive + c_social must exceed 4, got {phi}")
        super().__init__(1.0, c_cognitive, c_social, rank, limits, rng, **options)
        self.chi = 2 / (phi - 2 + math.sqrt(phi * (phi - 4)))

    def velocity(self, x: Array, v: Array, best: Array, leader: Array) -> Array:
        """The new velocity."""
        new: Array = self.chi * (v + self.pull(x, best, leader))
        return new


class CanonicalPSO(ConstrictionPSO):
    """`ConstrictionPSO` with velocities of at most the full range."""

    def velocity(self, x: Array, v: Array, best: Array, leader: Array) -> Array:
        """The new velocity."""
        new: Array = np.clip(super().velocity(x, v, best, leader), -1, 1)
        return new


class StatelessPSO(BasicPSO):
    """Particles without inertia."""

    def __init__(
        self,
        c_cognitive: float = 1.49618,
        c_social: float = 1.49618,
        rank: int | None = None,
        limits: Limits | None = None,
        rng: Random = None,
        **options: Any,
    ) -> None:
        super().__init__(0.0, c_cognitive, c_social, rank, limits, rng, **options)
