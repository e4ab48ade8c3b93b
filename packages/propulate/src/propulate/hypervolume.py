"""The volume that a Pareto front dominates (pure arithmetic)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["hypervolume"]

Array = NDArray[np.float64]
_SAMPLES = 200_000


def hypervolume(losses: Array, reference: Array, seed: int = 0) -> float:
    """Volume of what is dominated by the losses and dominates the reference point.

    Exact for up to three objectives; beyond, the share of random points, with a relative error of
    about a percent.

    Parameters
    ----------
    losses : (m, n_objectives) array
        To be minimised.
    reference : (n_objectives,) array
    seed : int
        Of the random points.
    """
    points = losses[(losses < reference).all(axis=1)]
    if not len(points):
        return 0.0
    if points.shape[1] == 1:
        return float(reference[0] - points.min())
    if points.shape[1] == 2:
        return _area(points, reference)
    if points.shape[1] == 3:
        return _slices(points, reference)
    low = points.min(axis=0)
    rng = np.random.default_rng(seed)
    drawn = low + (reference - low) * rng.random((_SAMPLES, len(low)))
    inside = np.zeros(_SAMPLES, bool)
    for point in points:
        inside |= (point <= drawn).all(axis=1)
    return float(np.prod(reference - low) * inside.mean())


def _area(points: Array, reference: Array) -> float:
    """Stripes from left to right, each down to the lowest point so far."""
    points = points[np.argsort(points[:, 0])]
    lowest = np.minimum.accumulate(points[:, 1])
    right = np.append(points[1:, 0], reference[0])
    return float(((right - points[:, 0]) * (reference[1] - lowest)).sum())


def _slices(points: Array, reference: Array) -> float:
    """Slices along the last objective; in each the area of the points below it."""
    order = np.argsort(points[:, 2])
    points = points[order]
    top = np.append(points[1:, 2], reference[2])
    volume = 0.0
    for i, height in enumerate(top - points[:, 2]):
        if height > 0:
            volume += height * _area(points[: i + 1, :2], reference[:2])
    return float(volume)
