"""Covariance matrix adaptation that learns from results in any order (pure arithmetic)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CovarianceAdaptation"]

Array = NDArray[np.float64]


class CovarianceAdaptation:
    """A normal distribution over the unit cube that moves towards good points.

    The equations are those of N. Hansen, "The CMA Evolution Strategy: A Tutorial" (2016), with
    active negative weights. Results are taken as they arrive; whenever lambda of them are there,
    the distribution is updated. Steps of late and foreign points are clipped as in N. Hansen,
    "Injecting External Solutions Into CMA-ES" (2011), so that they can't distort it.

    Parameters
    ----------
    n : int
        Dimensions.
    mean : (n,) array
        Where it starts, in unit coordinates.
    sigma : float
        Initial standard deviation.
    size : int, optional
        Lambda; default 4 + 3 ln n.
    active : bool
        Whether bad points push the covariance away.
    bins : (n,) array, optional
        Width of the bin of discrete coordinates; their standard deviation stays above 0.2 of it.
    """

    def __init__(
        self,
        n: int,
        mean: Array,
        sigma: float,
        size: int | None = None,
        *,
        active: bool = True,
        bins: Array | None = None,
    ) -> None:
        self.n, self.active = n, active
        self.size = size or 4 + int(3 * math.log(n))
        if self.size < 3:
            raise ValueError(f"pop_size must be at least 3, got {self.size}")
        self._floor = np.zeros(n) if bins is None else 0.2 * bins
        self._has_floor = bool(self._floor.any())
        self._set_constants()
        self.restart(mean, sigma)

    def _set_constants(self) -> None:
        n, size = self.n, self.size
        raw = math.log((size + 1) / 2) - np.log(np.arange(1, size + 1))
        mu = size // 2
        good, bad = raw[:mu], raw[mu:]
        self.mu_eff = float(good.sum() ** 2 / (good**2).sum())
        mu_bad = float(bad.sum() ** 2 / (bad**2).sum())
        mu_eff = self.mu_eff
        self.cc = (4 + mu_eff / n) / (n + 4 + 2 * mu_eff / n)
        self.cs = (mu_eff + 2) / (n + mu_eff + 5)
        self.c1 = 2 / ((n + 1.3) ** 2 + mu_eff)
        rank = 2 * (0.25 + mu_eff - 2 + 1 / mu_eff) / ((n + 2) ** 2 + mu_eff)
        self.cmu = min(1 - self.c1, rank)
        self.ds = 1 + 2 * max(0.0, math.sqrt((mu_eff - 1) / (n + 1)) - 1) + self.cs
        self.chi = math.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n))
        scale = 0.0
        if self.active:
            scale = min(
                1 + self.c1 / self.cmu,
                1 + 2 * mu_bad / (mu_eff + 2),
                (1 - self.c1 - self.cmu) / (n * self.cmu),
            )
        self.weights = np.concatenate([good / good.sum(), scale * bad / -bad.sum()])
        self._decay = self.cmu * float(self.weights.sum())
        self.every = max(1, int(1 / (10 * n * (self.c1 + self.cmu))))
        self._horizon = 10 + math.ceil(30 * n / size)

    def restart(self, mean: Array, sigma: float) -> None:
        """Begin anew from a mean."""
        n = self.n
        self.mean, self.sigma = np.array(mean, float), sigma
        self.cov, self.basis, self.scales = np.eye(n), np.eye(n), np.ones(n)
        self.path_s, self.path_c = np.zeros(n), np.zeros(n)
        self.updates, self._factored = 0, 0
        self._points: list[Array] = []
        self._losses: list[float] = []
        self._recent: list[float] = []

    def ask(self, rng: np.random.Generator) -> Array:
        """A point, shape (n,), which may lie outside the cube."""
        step = self.basis @ (self.scales * rng.standard_normal(self.n))
        if self._has_floor:  # margin of discrete coordinates
            spread = self.sigma * np.sqrt(np.maximum(np.diag(self.cov), 0))
            missing = np.maximum(self._floor - spread, 0) / self.sigma
            if missing.any():
                step = step + missing * rng.standard_normal(self.n)
        return self.mean + self.sigma * step

    def tell(self, point: Array, loss: float) -> bool:
        """Learn of a result; True if the distribution was updated."""
        self._points.append(point)
        self._losses.append(loss)
        if len(self._losses) < self.size:
            return False
        self._update(np.array(self._points), np.array(self._losses))
        self._points, self._losses = [], []
        return True

    def _update(self, points: Array, losses: Array) -> None:
        n, mu, weights = self.n, self.size // 2, self.weights
        steps = (points[np.argsort(losses, kind="stable")] - self.mean) / self.sigma
        white = (steps @ self.basis) / self.scales
        lengths = np.sqrt(np.einsum("ij,ij->i", white, white)) + 1e-100
        longest = math.sqrt(n) + 2 * n / (n + 2)
        if lengths.max() > longest:
            clip = np.minimum(1, longest / lengths)
            steps, white, lengths = steps * clip[:, None], white * clip[:, None], lengths * clip
        move = weights[:mu] @ steps[:mu]
        self.mean = self.mean + self.sigma * move
        self.updates += 1
        gain = math.sqrt(self.cs * (2 - self.cs) * self.mu_eff)
        # C^(-1/2) move, by way of the eigenbasis
        white_move = self.basis @ (weights[:mu] @ white[:mu])
        self.path_s = (1 - self.cs) * self.path_s + gain * white_move
        length = math.sqrt(self.path_s @ self.path_s)
        fading = math.sqrt(1 - (1 - self.cs) ** (2 * self.updates))
        h = float(length / fading < (1.4 + 2 / (n + 1)) * self.chi)
        gain = h * math.sqrt(self.cc * (2 - self.cc) * self.mu_eff)
        self.path_c = (1 - self.cc) * self.path_c + gain * move
        signed = weights.copy()
        signed[mu:] *= n / lengths[mu:] ** 2
        keep = 1 + self.c1 * (1 - h) * self.cc * (2 - self.cc) - self.c1 - self._decay
        self.cov = (
            keep * self.cov
            + (self.c1 * self.path_c[:, None]) * self.path_c
            + (steps.T * (self.cmu * signed)) @ steps
        )
        self.sigma *= math.exp(min(1.0, self.cs / self.ds * (length / self.chi - 1)))
        self._recent.append(float(losses.min()))
        del self._recent[: -self._horizon]
        if self.updates - self._factored >= self.every:
            self._factor()

    def _factor(self) -> None:
        self._factored = self.updates
        self.cov = (self.cov + self.cov.T) / 2
        values, self.basis = np.linalg.eigh(self.cov)
        self.scales = np.sqrt(np.maximum(values, 1e-20))

    @property
    def has_converged(self) -> bool:
        """Whether nothing is to be gained from going on (the usual criteria for a restart)."""
        recent = self._recent
        flat = len(recent) == self._horizon and max(recent) - min(recent) <= 1e-12 * max(
            1e-300, abs(recent[-1])
        )
        tiny = self.sigma * self.scales.max() < 1e-9
        return bool(flat or tiny or (self.scales.max() / self.scales.min()) ** 2 > 1e14)

    def state_dict(self) -> dict[str, Any]:
        """The state as JSON-ready values."""
        arrays = ("mean", "cov", "basis", "scales", "path_s", "path_c")
        state: dict[str, Any] = {name: getattr(self, name).tolist() for name in arrays}
        state |= {"size": self.size, "sigma": self.sigma, "updates": self.updates}
        state |= {"factored": self._factored, "recent": self._recent, "losses": self._losses}
        return state | {"points": [point.tolist() for point in self._points]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a state."""
        self.size = state["size"]
        self._set_constants()
        for name in ("mean", "cov", "basis", "scales", "path_s", "path_c"):
            setattr(self, name, np.array(state[name]))
        self.sigma, self.updates = state["sigma"], state["updates"]
        self._factored, self._recent = state["factored"], state["recent"][-self._horizon :]
        self._losses = list(state["losses"])
        self._points = [np.array(point) for point in state["points"]]
