"""Samples of which the clusters are known."""

from __future__ import annotations

from typing import Any

import torch

from heat_core.array.conversion import astype
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import replicated, to_layout
from heat_core.random import Generator, default_rng

__all__ = ["create_clusters", "create_spherical_dataset"]


def create_spherical_dataset(
    num_samples_cluster: int,
    radius: float = 1.0,
    offset: float = 4.0,
    dtype: object = "float32",
    random_state: int | Generator | None = 1,
) -> DNDarray:
    """Four balls of three dimensions, (4 * num_samples_cluster, 3), split=0. Local.

    The centres are ``k * offset`` along the diagonal, k = -2, -1, 1, 2; the rows are in a random
    order, the same on any number of ranks.
    """
    n = 4 * num_samples_cluster
    rng = default_rng(random_state)
    direction = rng.standard_normal((n, 3), dtype="float64", split=0)
    height = rng.random((n,), dtype="float64", split=0)
    place = replicated(rng.randperm(n)) % 4
    own = place[direction.layout.slices(direction.comm.rank)[0]]
    centres = direction.larray.new_tensor([-2.0, -1.0, 1.0, 2.0]) * offset
    local = direction.larray
    unit = local / torch.linalg.vector_norm(local, dim=1, keepdim=True)
    # The cube root makes the balls equally dense everywhere.
    inside = unit * (radius * height.larray ** (1 / 3)).unsqueeze(1)
    rows = inside + centres[own].unsqueeze(1)
    return astype(wrap(rows, direction.layout, direction.comm), dtype)


def create_clusters(
    n_samples: int,
    n_features: int,
    n_clusters: int,
    cluster_mean: DNDarray,
    cluster_std: DNDarray,
    cluster_weight: DNDarray | None = None,
    device: object = None,
    *,
    random_state: int | Generator | None = None,
) -> DNDarray:
    """Normally distributed clusters, (n_samples, n_features), split=0. Local.

    Parameters
    ----------
    n_samples, n_features, n_clusters : int
    cluster_mean : DNDarray, (n_clusters, n_features)
    cluster_std : DNDarray, (n_clusters, n_features) or (n_clusters, n_features, n_features)
        Standard deviations, or matrices that standard normal numbers are multiplied with.
    cluster_weight : DNDarray, (n_clusters,), optional
        Probabilities of the clusters; default: equal.
    device : {"cpu", "gpu"} or Device, optional
    random_state : int, Generator or None
    """
    means, spread = replicated(cluster_mean).double(), replicated(cluster_std).double()
    if tuple(means.shape) != (n_clusters, n_features) or len(spread) != n_clusters:
        raise ValueError(f"{n_clusters} clusters have as many means and deviations")
    weights: Any = means.new_full((n_clusters,), 1 / n_clusters)
    if cluster_weight is not None:
        weights = replicated(cluster_weight).double()
    rng = default_rng(random_state)
    given = {"dtype": "float64", "split": 0, "device": device}
    noise = rng.standard_normal((n_samples, n_features), **given)
    drawn = rng.random((n_samples,), **given)
    bounds = weights.cumsum(0) / weights.sum()
    number = torch.searchsorted(bounds, drawn.larray, right=True).clamp_(max=n_clusters - 1)
    if spread.ndim == 2:
        local = noise.larray * spread[number]
    else:
        local = torch.einsum("nij,nj->ni", spread[number], noise.larray)
    rows = wrap((local + means[number]).float(), noise.layout, noise.comm)
    return to_layout(rows, rows.layout.canonical())
