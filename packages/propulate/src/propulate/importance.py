"""Which parameters matter (pure arithmetic)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["correlation_ratio", "importances"]

_BINS = 10


def correlation_ratio(groups: NDArray[np.int64], values: NDArray[np.float64]) -> float:
    """Share of the variance that lies between the groups, 0 to 1, less what chance explains.

    The estimator epsilon squared of T. L. Kelley, PNAS 21 (1935) 554.

    Parameters
    ----------
    groups : (m,) array of int
    values : (m,) array
    """
    m, total = len(values), float(((values - values.mean()) ** 2).sum())
    labels, inverse = np.unique(groups, return_inverse=True)
    k = len(labels)
    if total == 0 or k < 2 or m <= k:
        return 0.0
    sizes = np.bincount(inverse)
    means = np.bincount(inverse, values) / sizes
    within = float(((values - means[inverse]) ** 2).sum())
    return max(0.0, 1 - (within / (m - k)) / (total / (m - 1)))


def importances(
    names: Sequence[str],
    unit: NDArray[np.float64],
    active: NDArray[np.bool_],
    losses: NDArray[np.float64],
) -> dict[str, float]:
    """The share of each parameter in what single parameters explain of the losses' ranks.

    A parameter's effect is the correlation ratio over ten groups of its values, or over its
    categories; an inactive one is a group of its own. Interactions are not seen. The results add up
    to 1, unless nothing is explained.

    Parameters
    ----------
    names : sequence of str, length n
    unit : (m, n) array
    active : (m, n) bool array
    losses : (m,) array

    Returns
    -------
    dict of str to float
        Greatest first.
    """
    ranks = np.argsort(np.argsort(losses)).astype(float)
    effects = {}
    for i, name in enumerate(names):
        column = unit[:, i]
        if len(np.unique(column)) > _BINS:
            edges = np.quantile(column, np.linspace(0, 1, _BINS + 1)[1:-1])
            groups = np.searchsorted(edges, column)
        else:
            groups = np.unique(column, return_inverse=True)[1]
        effects[name] = correlation_ratio(np.where(active[:, i], groups, -1), ranks)
    total = sum(effects.values()) or 1.0
    ordered = sorted(effects.items(), key=lambda item: -item[1])
    return {name: effect / total for name, effect in ordered}
