"""Success-history adaptive differential evolution (pure arithmetic)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["SuccessHistory", "current_to_best", "places"]

Array = NDArray[np.float64]


class SuccessHistory:
    """Memories of step factors F and crossover rates CR that led to improvements.

    R. Tanabe and A. Fukunaga, "Success-History Based Parameter Adaptation for Differential
    Evolution" (2013).
    """

    def __init__(self, size: int = 6, every: int = 5) -> None:
        self.f, self.cr = [0.5] * size, [0.8] * size
        self._next, self._every = 0, every
        self._successes: list[tuple[float, float, float]] = []

    def draw(self, rng: np.random.Generator) -> tuple[float, float]:
        """(F, CR) for a new candidate."""
        h = int(rng.random() * len(self.f))
        cr = min(1.0, max(0.0, self.cr[h] + 0.1 * rng.standard_normal()))
        f = 0.0
        while f <= 0:
            f = self.f[h] + 0.1 * float(rng.standard_cauchy())
        return min(f, 1.0), cr

    def success(self, f: float, cr: float, gain: float) -> None:
        """Learn that a candidate with F and CR was better than its parent, by `gain`."""
        self._successes.append((f, cr, gain))
        if len(self._successes) < self._every:
            return
        factors, rates, gains = np.array(self._successes).T
        weights = gains + 1e-300
        k = self._next
        self.f[k] = float((weights * factors**2).sum() / (weights * factors).sum())
        crossed = (weights * rates).sum()
        self.cr[k] = float((weights * rates**2).sum() / crossed) if crossed > 0 else 0.0
        self._next = (k + 1) % len(self.f)
        self._successes = []

    def state_dict(self) -> dict[str, Any]:
        """The memories, JSON-ready."""
        return {"f": self.f, "cr": self.cr, "next": self._next, "successes": self._successes}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up memories."""
        self.f, self.cr, self._next = list(state["f"]), list(state["cr"]), state["next"]
        self._successes = [(f, cr, gain) for f, cr, gain in state["successes"]]


def places(m: int, rng: np.random.Generator, n_archived: int = 0) -> tuple[int, int, int, int]:
    """Which four points make a candidate: parent, one of the best, and two different ones.

    Places in a pool of `m` >= 4, best first; the last one may also be in the archive, which
    follows the pool.
    """
    parent = int(rng.random() * m)
    best = int(rng.random() * max(2, int(0.15 * m)))
    a = int(rng.random() * m)
    b = (a + 1 + int(rng.random() * (m + n_archived - 1))) % (m + n_archived)
    return parent, best, a, b


def current_to_best(points: Array, f: float, cr: float, rng: np.random.Generator) -> Array:
    """A candidate from four points, shape (4, n), in the order of `places`.

    J. Zhang and A. C. Sanderson, "JADE" (2009), eq. 4 and 6: current-to-pbest/1/bin. Coordinates
    that leave the cube are put midway between the parent and the bound.
    """
    parent, best, a, b = points
    n = len(parent)
    v = parent + f * (best - parent) + f * (a - b)
    v = np.where(v < 0, parent / 2, np.where(v > 1, (parent + 1) / 2, v))
    take = np.asarray(rng.random(n) < cr)
    take[int(rng.random() * n)] = True
    child: Array = np.where(take, v, parent)
    return child
