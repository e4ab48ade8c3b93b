"""Tree-structured Parzen estimator (pure arithmetic)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from propulate.space import SearchSpace

__all__ = ["propose"]

Array = NDArray[np.float64]


def propose(
    space: SearchSpace, unit: Array, rng: np.random.Generator, n_candidates: int = 24
) -> Array:
    """Genes where good points are dense and bad ones are not.

    J. Bergstra et al., "Algorithms for Hyper-Parameter Optimization" (2011): of points drawn from
    the density of the good ones, the one with the largest ratio of the densities, gene by gene.

    Parameters
    ----------
    unit : (m, n) array
        Unit coordinates of the known points, best first.

    Returns
    -------
    (n,) array
    """
    m = len(unit)
    n_good = min(math.ceil(0.1 * m), 25)
    good, bad = unit[:n_good], unit[n_good:]
    genes = np.empty(space.n)
    ordered = space.ordered
    if ordered.any():
        genes[ordered] = _numeric(good[:, ordered], bad[:, ordered], rng, n_candidates)
        genes[ordered] = space.from_unit(np.where(ordered, genes, 0.5))[ordered]
    for i in np.flatnonzero(~ordered):
        genes[i] = _category(good[:, i], bad[:, i], int(space.counts[i]), rng)
    return genes


def _numeric(good: Array, bad: Array, rng: np.random.Generator, k: int) -> Array:
    d = good.shape[1]
    columns = np.arange(d)
    widths = _bandwidths(good)
    # one component is the prior, a wide normal around the middle
    pick = rng.integers(len(good) + 1, size=(k, d))
    centres = np.vstack([good, np.full(d, 0.5)])[pick, columns]
    spread = np.vstack([widths, np.ones(d)])[pick, columns]
    drawn = 1 - np.abs((centres + spread * rng.standard_normal((k, d))) % 2 - 1)
    score = _log_density(drawn, good, widths) - _log_density(drawn, bad, _bandwidths(bad))
    best: Array = drawn[score.argmax(axis=0), columns]
    return best


def _bandwidths(points: Array) -> Array:
    """Distance to the farther neighbour in each dimension, shape (m, d)."""
    m, d = points.shape
    if m == 0:
        return np.empty((0, d))
    order = np.argsort(points, axis=0)
    padded = np.vstack([np.zeros(d), np.take_along_axis(points, order, 0), np.ones(d)])
    gaps = np.diff(padded, axis=0)
    widths = np.empty_like(points)
    np.put_along_axis(widths, order, np.maximum(gaps[:-1], gaps[1:]), 0)
    return np.clip(widths, 1 / min(100, m + 2), 1.0)


def _log_density(x: Array, centres: Array, widths: Array) -> Array:
    """Logarithm of the mixture of normals and the prior, shape of x."""
    z = (x[:, None, :] - centres[None]) / widths[None]
    total = (np.exp(-0.5 * z * z) / widths[None]).sum(axis=1)
    prior = np.exp(-0.5 * (x - 0.5) ** 2)
    return np.asarray(np.log((total + prior) / (len(centres) + 1)))


def _category(good: Array, bad: Array, n: int, rng: np.random.Generator) -> float:
    l_counts = 1 + np.bincount((good * n).astype(int), minlength=n)
    g_counts = 1 + np.bincount((bad * n).astype(int), minlength=n)
    drawn = rng.choice(n, 24, p=l_counts / l_counts.sum())
    return float(drawn[(l_counts / g_counts)[drawn].argmax()])
