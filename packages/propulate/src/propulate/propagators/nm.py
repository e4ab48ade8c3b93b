"""The simplex search of Nelder and Mead, by many workers."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from propulate.individual import Individual, Status
from propulate.propagators.base import Context, Propagator, Random
from propulate.propagators.pso import numeric_space
from propulate.propagators.vary import Limits, reflect

__all__ = ["ParallelNelderMead"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class _Move:
    """A candidate under way: what it is, and what decides about its successor."""

    kind: str  # fill, reflect, expand, contract
    centre: Array
    worst: Array  # the vertex that is to be replaced
    f_worst: float
    reflected: Array
    f_reflected: float = math.inf


class ParallelNelderMead(Propagator):
    """Nelder and Mead's simplex (Computer Journal 7, 1965): local search in few dimensions.

    Every worker has a simplex. As in D. Lee and M. Wiswall, "A Parallel Implementation of the
    Simplex Function Minimization Routine" (2007), different workers replace different ones of the
    worst vertices; what others find is taken in if it is better than the own worst vertex. A
    simplex that has shrunk to a point starts anew around the best one.

    Parameters
    ----------
    limits : SearchSpace or mapping
        Numbers only.
    rng : source of random numbers, optional
    start : mapping or sequence of float, optional
        Where the first simplex begins; default a random point.
    alpha, gamma, rho, sigma : float
        Factors of reflection, expansion, contraction, shrinkage.
    scale : float
        Edge of the first simplex, as a share of each range.
    """

    def __init__(
        self,
        limits: Limits,
        rng: Random = None,
        start: Mapping[str, Any] | Sequence[float] | None = None,
        alpha: float = 1.0,
        gamma: float = 2.0,
        rho: float = 0.5,
        sigma: float = 0.5,
        scale: float = 0.2,
    ) -> None:
        super().__init__(-1, 1, rng)
        self.space = numeric_space(limits, type(self).__name__)
        self.alpha, self.gamma, self.rho, self.sigma = alpha, gamma, rho, sigma
        self.scale = scale
        self._start = None if start is None else Individual(start, self.space).unit
        self._simplex: list[tuple[float, Array]] = []
        self._filling = True  # take in whatever is known until there are n + 1 vertices
        self._next: deque[tuple[Array, _Move | None]] = deque()
        self._asked: dict[bytes, _Move | None] = {}
        self._worker, self._workers, self._begun = 0, 1, False

    def bind(self, context: Context) -> None:
        """Learn which vertices are this worker's."""
        super().bind(context)
        self._worker, self._workers = context.worker, context.island_size

    # ------------------------------------------------------------------ candidates

    def __call__(self, inds: Sequence[Individual]) -> Individual:  # noqa: ARG002 - it observes
        """The next vertex to try."""
        if not self._begun:
            self._begun = True
            start = self._start
            self._surround(self.generator.random(self.space.n) if start is None else start, {0})
        if not self._next:
            self._propose()
        x, move = self._next.popleft()
        genes = self.space.from_unit(reflect(x))
        self._asked[genes.tobytes()] = move
        return Individual.from_genes(self.space, genes)

    def _surround(self, x: Array, first: set[int]) -> None:
        """Queue this worker's share of the vertices x, x + edge 1, x + edge 2, ..."""
        for i in range(self.space.n + 1):
            if i % self._workers == self._worker or i in first:
                vertex = x.copy()
                if i:
                    edge = self.scale if x[i - 1] < 0.5 else -self.scale
                    vertex[i - 1] += edge
                self._next.append((vertex, None))

    def _propose(self) -> None:
        n = self.space.n
        if len(self._simplex) < n + 1:  # others' vertices have not arrived
            centre = self._simplex[0][1] if self._simplex else self.generator.random(n)
            self._next.append((centre + self.scale * self.generator.standard_normal(n), None))
            return
        points = np.array([x for _, x in self._simplex])
        if np.ptp(points, axis=0).max() < 1e-8:
            self._restart()
            return
        working = sum(move is not None for move in self._asked.values())
        if working > n // 2:  # the worst vertices are all being replaced
            weights = self.generator.standard_normal(n + 1) / math.sqrt(n + 1)
            self._next.append((points[0] + weights @ (points - points.mean(axis=0)), None))
            return
        offset = (self._worker + working) % (n // 2 + 1)
        f_worst, worst = self._simplex[-1 - offset]
        centre = (points.sum(axis=0) - worst) / n
        reflected = centre + self.alpha * (centre - worst)
        self._next.append((reflected, _Move("reflect", centre, worst, f_worst, reflected)))

    def _restart(self) -> None:
        best = self._simplex[0]
        self._simplex, self._filling = [best], True
        spread = self.scale * self.generator.random()
        for _ in range(self.space.n):
            step = spread * self.generator.standard_normal(self.space.n)
            self._next.append((best[1] + step, None))

    # ------------------------------------------------------------------ results

    def observe(self, individual: Individual) -> None:
        """Decide what follows on a result."""
        good = individual.status == Status.COMPLETE and individual.loss < math.inf
        loss = individual.loss if good else math.inf
        key = individual.genes.tobytes()
        own, x = key in self._asked, individual.unit
        move = self._asked.pop(key, None)
        if move is None:
            if own or (good and (self._filling or loss < self._simplex[-1][0])):
                self._add(loss, x)
        elif move.kind == "reflect":
            self._after_reflection(loss, x, move)
        elif loss < min(move.f_reflected, move.f_worst):
            self._replace(move.worst, loss, x)
        elif move.kind == "expand":
            self._replace(move.worst, move.f_reflected, move.reflected)
        elif any(vertex is move.worst for _, vertex in self._simplex):  # else it is old news
            self._shrink()

    def _add(self, loss: float, x: Array) -> None:
        if any(np.array_equal(x, vertex) for _, vertex in self._simplex):
            return
        self._simplex.append((loss, x))
        self._simplex.sort(key=lambda pair: pair[0])
        del self._simplex[self.space.n + 1 :]
        self._filling = len(self._simplex) <= self.space.n

    def _replace(self, vertex: Array, loss: float, x: Array) -> None:
        self._simplex = [pair for pair in self._simplex if pair[1] is not vertex]
        self._add(loss, x)

    def _after_reflection(self, loss: float, x: Array, move: _Move) -> None:
        if loss < self._simplex[0][0]:
            target, kind = move.centre + self.gamma * (x - move.centre), "expand"
        elif loss < self._simplex[max(0, len(self._simplex) - 2)][0]:
            self._replace(move.worst, loss, x)
            return
        elif loss < move.f_worst:  # outside, between the centre and the reflected point
            target, kind = move.centre + self.rho * (x - move.centre), "contract"
        else:  # inside
            target, kind = move.centre + self.rho * (move.worst - move.centre), "contract"
        follow = _Move(kind, move.centre, move.worst, move.f_worst, x, loss)
        self._next.append((target, follow))

    def _shrink(self) -> None:
        best = self._simplex[0]
        targets = [best[1] + self.sigma * (x - best[1]) for _, x in self._simplex[1:]]
        self._simplex, self._filling = [best], True
        self._next.extend((target, None) for target in targets)

    # ------------------------------------------------------------------ continuation

    def state_dict(self) -> dict[str, Any]:
        """The simplex, JSON-ready."""
        return {"simplex": [(loss, x.tolist()) for loss, x in self._simplex]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a simplex."""
        self._simplex = [(loss, np.array(x)) for loss, x in state["simplex"]]
        self._begun = bool(self._simplex)
        self._filling = len(self._simplex) <= self.space.n
