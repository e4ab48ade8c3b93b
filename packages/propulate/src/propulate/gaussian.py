"""Gaussian processes (pure arithmetic).

C. E. Rasmussen and C. K. I. Williams, "Gaussian Processes for Machine Learning" (2006).
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["GaussianProcess", "HyperParameters", "most_likely"]

Array = NDArray[np.float64]
_LENGTHS = np.geomspace(0.05, 4.0, 8)
_NOISES = (1e-4, 1e-2, 1e-1)


class GaussianProcess:
    """Regression with a Matern kernel of order 5/2, and the most likely amplitude.

    Parameters
    ----------
    points : (m, n) array
    values : (m,) array
    lengths : float or (n,) array
        Distances over which values change.
    noise : float
        Variance of the values' noise, relative to the amplitude.

    Attributes
    ----------
    evidence : float
        Logarithm of the likelihood, up to a constant.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the kernel is singular in floating-point numbers.
    """

    def __init__(self, points: Array, values: Array, lengths: Any, noise: float) -> None:
        self.lengths, self.noise = lengths, noise
        self.centre = float(values.mean())
        y = values - self.centre
        self._points = points / lengths
        kernel = np.empty((len(y) + 1, len(y) + 1))
        kernel[:-1, :-1] = _matern(self._points, self._points)
        kernel.flat[: -1 : len(y) + 2] += noise
        # with the values as a last row, the factor's last row solves its triangular system
        kernel[-1, :-1], kernel[-1, -1] = y, 2 * (y @ y) / noise + 1
        factor = np.linalg.cholesky(kernel)
        self._factor, self._white = factor[:-1, :-1], factor[-1, :-1]
        likely = float(self._white @ self._white) / len(y) + 1e-300
        logdet = 2 * float(np.log(self._factor.diagonal()).sum())
        self.evidence = -0.5 * (len(y) * math.log(likely) + logdet)
        # elsewhere it varies at least as much as where it was seen
        self.amplitude = max(likely, float(y @ y) / len(y))

    @functools.cached_property
    def _inverse(self) -> Array:
        inverse: Array = np.linalg.inv(self._factor)
        return inverse

    def predict(self, points: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of the values, noise included, at points (k, n)."""
        cross = _matern(points / self.lengths, self._points)
        rest = np.maximum(1 - ((cross @ self._inverse.T) ** 2).sum(axis=1), 0)
        mean: Array = self.centre + cross @ (self._white @ self._inverse)
        deviation: Array = np.sqrt(self.amplitude * (rest + self.noise))
        return mean, deviation


def _matern(a: Array, b: Array) -> Array:
    """(1 + z + z^2/3) exp(-z) with z = sqrt(5) |a - b|, shape (len(a), len(b))."""
    squares = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2 * a @ b.T
    z = np.sqrt(np.maximum(5 * squares, 0))
    kernel: Array = (1 + z + z * z / 3) * np.exp(-z)
    return kernel


def most_likely(points: Array, values: Array) -> GaussianProcess:
    """The process with the largest evidence, of a grid with one length for all dimensions."""
    processes = [
        GaussianProcess(points, values, length, noise) for length in _LENGTHS for noise in _NOISES
    ]
    return max(processes, key=lambda process: process.evidence)


class HyperParameters:
    """Lengths of the dimensions, and noise, as draws from their posterior.

    A chain of R. Metropolis et al. (1953), which goes on from one data set to the next one that
    has a few points more. Priors are log-normal.

    Parameters
    ----------
    n : int
        Lengths.
    steps : int
        Of the chain, for each draw.
    """

    def __init__(self, n: int, steps: int = 10) -> None:
        self.steps = steps
        self._centre = np.log([0.6] * n + [0.01])
        self._width = np.array([1.0] * n + [1.5])
        self.logs = self._centre.copy()

    def draw(
        self, points: Array, values: Array, owner: NDArray[np.int64], rng: np.random.Generator
    ) -> GaussianProcess:
        """A process with the next hyper-parameters of the chain.

        `owner` says which length each column of the points has, shape (columns,).
        """
        process, weight = self._weigh(self.logs, points, values, owner)
        for _ in range(self.steps):
            logs = self.logs.copy()
            if rng.random() < 0.5:
                logs[int(rng.random() * len(logs))] += rng.standard_normal()
            else:
                logs += 0.3 * rng.standard_normal(len(logs))
            other, its = self._weigh(logs, points, values, owner)
            if other is not None and (process is None or math.log(rng.random()) < its - weight):
                self.logs, process, weight = logs, other, its
        if process is None:  # none of them was regular
            self.logs = self._centre.copy()
            process = GaussianProcess(points, values, 0.6, 0.1)
        return process

    def _weigh(
        self, logs: Array, points: Array, values: Array, owner: NDArray[np.int64]
    ) -> tuple[GaussianProcess | None, float]:
        """The process and the logarithm of its posterior density."""
        lengths, noise = np.exp(logs[:-1])[owner], math.exp(logs[-1]) + 1e-6
        try:
            process = GaussianProcess(points, values, lengths, noise)
        except np.linalg.LinAlgError:
            return None, -math.inf
        prior = -0.5 * float((((logs - self._centre) / self._width) ** 2).sum())
        return process, process.evidence + prior
