"""A quadratic model of the best points, and where it is lowest (pure arithmetic)."""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["lowest", "n_terms"]

Array = NDArray[np.float64]
_FULL = 6  # up to so many dimensions with the products of coordinates


def n_terms(n: int) -> int:
    """Coefficients of the model in n dimensions."""
    return (n + 1) * (n + 2) // 2 if n <= _FULL else 2 * n + 1


def lowest(points: Array, losses: Array, rng: np.random.Generator) -> Array:
    """A point near the minimum of a quadratic that is fitted to the losses.

    Above six dimensions the quadratic has no products of different coordinates: enough for the
    trend of separable functions, whatever ripples there are on top. The step from the best point is
    bounded by the extent of the points; along a direction in which the model falls without end, it
    goes downhill by about their standard deviation. A little noise keeps repeated proposals apart.

    Parameters
    ----------
    points : (m, n) array
        Unit coordinates, best first.
    losses : (m,) array

    Returns
    -------
    (n,) array
        Unit coordinates; may lie outside of the cube.
    """
    m, n = points.shape
    terms = np.empty((n_terms(n), m))  # a row for each coefficient: passes along rows are fast
    z = terms[1 : n + 1]
    terms[0] = 1
    np.subtract(points.T, points[0][:, None], out=z)
    centre = z.sum(axis=1) / m
    spread = np.sqrt(np.maximum(np.einsum("ij,ij->i", z, z) / m - centre**2, 0)) + 1e-12
    z /= spread[:, None]
    if n <= _FULL:
        first, second = _pairs(n)
        np.multiply(z[first], z[second], out=terms[n + 1 :])
    else:
        np.multiply(z, z, out=terms[n + 1 :])
    weighted = terms * (np.arange(m, 0.0, -1.0) / m)
    normal = weighted @ terms.T
    normal.flat[:: len(normal) + 1] += 1e-6 * m  # a ridge, for points in a plane
    scale = float(losses[-1] - losses[0]) or 1.0
    coefficients = np.linalg.solve(normal, weighted @ ((losses - losses[0]) / scale))
    step = _minimum(coefficients[1 : n + 1], coefficients[n + 1 :], n)
    step = np.minimum(np.maximum(step, z.min(axis=1) - 0.2), z.max(axis=1) + 0.2)
    noise = math.exp(rng.uniform(math.log(1e-4), math.log(0.3)))
    point: Array = points[0] + spread * (step + noise * rng.standard_normal(n))
    return point


@functools.cache
def _pairs(n: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of the pairs of coordinates, each with itself too."""
    return np.triu_indices(n)


def _minimum(slope: Array, curvature: Array, n: int) -> Array:
    """The minimum, where negative curvature counts as its magnitude."""
    tiny = 1e-9 + 0.05 * float(np.abs(slope).max())
    if n > _FULL:
        down: Array = -slope / np.maximum(2 * np.abs(curvature), tiny)
        return down
    hessian = np.zeros((n, n))
    hessian[_pairs(n)] = curvature
    values, basis = np.linalg.eigh(hessian + hessian.T)
    newton: Array = -basis @ ((basis.T @ slope) / np.maximum(np.abs(values), tiny))
    return newton
