"""How well samples fit their clusters.

P. J. Rousseeuw: Silhouettes, J. Comput. Appl. Math. 20 (1987).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import replicated, to_layout
from heat_core.layout import replicated_layout
from heat_core.ops.moments import mean
from heat_core.random import Generator, default_rng
from heat_core.samples import Samples, class_codes
from heat_core.spatial.distances import euclidean
from heat_core.spatial.ring import travelling

__all__ = ["silhouette_samples", "silhouette_score"]

_BLOCK_ELEMENTS = 1 << 18


def silhouette_samples(X: DNDarray, labels: DNDarray, *, metric: str = "euclidean") -> DNDarray:
    """``(b - a) / max(a, b)`` of each sample, (n,). Collective.

    a is the mean distance to the others of its cluster, b the mean distance to the samples of the
    nearest other cluster; 0 for a sample that is alone.

    Parameters
    ----------
    X : DNDarray, (n, d)
        Samples; or with ``metric="precomputed"`` their distances, (n, n).
    labels : DNDarray, (n,)
        At least 2 and at most n - 1 different ones.
    metric : {"euclidean", "manhattan", "precomputed"}

    Notes
    -----
    Samples travel around the ranks, and sums of distances by cluster are all that is kept: memory
    of O(n k / ranks).
    """
    if metric not in ("euclidean", "manhattan", "precomputed"):
        raise ValueError(f"metric is euclidean, manhattan or precomputed, not {metric!r}")
    samples = Samples.of(X)
    if metric == "precomputed" and samples.n != samples.d:
        raise ValueError(f"distances are a square table, not {X.shape}")
    classes, codes = class_codes(samples, labels)
    k = len(classes)
    if not 2 <= k < samples.n:
        raise ValueError(f"{k} clusters of {samples.n} samples: there are 2 to {samples.n - 1}")
    everywhere = replicated(samples.array(codes))
    sizes = torch.bincount(everywhere, minlength=k).double()
    member = torch.nn.functional.one_hot(everywhere, k)
    if metric == "precomputed":
        sums = samples.local.double() @ member.double()
    else:
        sums = _sums(samples, member, 2.0 if metric == "euclidean" else 1.0)
    own = sums.gather(1, codes.unsqueeze(1))[:, 0]
    alone = sizes[codes] <= 1
    inside = own / (sizes[codes] - 1).clamp_min(1)
    means = sums / sizes
    means.scatter_(1, codes.unsqueeze(1), torch.inf)
    outside = means.amin(1)
    result = (outside - inside) / torch.maximum(inside, outside).clamp_min(1e-300)
    return samples.array(torch.where(alone, 0.0, result).to(samples.local.dtype))


def _sums(samples: Samples, member: torch.Tensor, p: float) -> torch.Tensor:
    """Sums of the distances of each row of this rank to the samples of each cluster, (rows, k)."""
    local = samples.local
    sums = local.new_zeros(len(local), member.shape[1], dtype=torch.float64)
    distances = euclidean if p == 2.0 else partial(torch.cdist, p=p)
    for start, slab in travelling(samples):
        # Products with few columns are fastest if these are contiguous.
        columns = member[start : start + len(slab)].to(local.dtype).T.contiguous().T
        rows = max(1, _BLOCK_ELEMENTS // max(1, len(slab)))
        for top in range(0, len(local), rows):
            part = slice(top, top + rows)
            sums[part] += distances(local[part], slab) @ columns
    return sums


def silhouette_score(
    X: DNDarray,
    labels: DNDarray,
    *,
    metric: str = "euclidean",
    sample_size: int | None = None,
    random_state: int | Generator | None = None,
    **kwargs: Any,
) -> float:
    """The mean of ``silhouette_samples``, from -1 to 1. Collective.

    Parameters
    ----------
    X, labels, metric
        As of ``silhouette_samples``.
    sample_size : int, optional
        Of so many samples only, drawn with ``random_state``.
    random_state : int, Generator or None
    """
    if kwargs:
        raise TypeError(f"there are no further arguments of metrics: {', '.join(kwargs)}")
    if sample_size is not None:
        picked = default_rng(random_state).choice(
            X.shape[0], sample_size, replace=False, comm=X.comm
        )
        where = wrap(picked.larray, replicated_layout((sample_size,)), X.comm)
        X, labels = X[where], labels[where]
        if metric == "precomputed":
            X = X[:, where]
        X = to_layout(X, X.layout.canonical())
    return float(mean(silhouette_samples(X, labels, metric=metric)).item())
