"""What the members of the k-means family have in common: centres, and the nearest of them."""

from __future__ import annotations

from collections.abc import Callable

import torch

from heat_core.array.dndarray import DNDarray
from heat_core.array.relayout import replicated
from heat_core.cluster.lloyd import assign
from heat_core.cluster.seeding import greedy_plus_plus, random_rows, scalable_plus_plus
from heat_core.estimators import BaseEstimator, ClusteringMixin, check_fitted
from heat_core.random import Generator
from heat_core.samples import Samples, check_features

Assign = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]

__all__ = ["TIE", "CentreClusterer", "farthest"]

_PLUS_PLUS = ("k-means++", "kmeans++", "k-medians++", "k-medoids++", "probability_based")
_INITS = (*_PLUS_PLUS, "k-means||", "random")


#: relative difference below which two starts are equally good
TIE = 1e-6


class CentreClusterer(ClusteringMixin, BaseEstimator):
    """Clusters around centres, which every rank has.

    A subclass may measure distances in another way than by squares.
    """

    _assign: Assign = staticmethod(assign)
    _norm = 2.0

    n_clusters: int
    init: str | DNDarray
    max_iter: int
    n_init: int
    cluster_centers_: DNDarray
    labels_: DNDarray
    inertia_: float
    functional_value_: float
    n_iter_: int
    n_features_in_: int

    def predict(self, X: DNDarray) -> DNDarray:
        """The nearest centre of each sample, (n,). Local unless ``X`` is split along axis 1."""
        check_fitted(self)
        samples = Samples.of(X, least=0)
        check_features(samples, self.cluster_centers_.shape[1])
        labels, _ = self._assign(
            samples.local, self.cluster_centers_.larray.to(samples.local.dtype)
        )
        return samples.array(labels)

    def transform(self, X: DNDarray) -> DNDarray:
        """The distance of each sample to each centre, (n, k). Local as ``predict``."""
        check_fitted(self)
        samples = Samples.of(X, least=0)
        check_features(samples, self.cluster_centers_.shape[1])
        centres = self.cluster_centers_.larray.to(samples.local.dtype)
        exact = "donot_use_mm_for_euclid_dist"
        return samples.array(torch.cdist(samples.local, centres, self._norm, exact))

    def score(self, X: DNDarray, y: DNDarray | None = None) -> float:
        """Less the sum of what the nearest centres cost, as ``inertia_``. Collective."""
        del y
        check_fitted(self)
        samples = Samples.of(X)
        check_features(samples, self.cluster_centers_.shape[1])
        _, distances = self._assign(
            samples.local, self.cluster_centers_.larray.to(samples.local.dtype)
        )
        (cost,) = samples.sum(distances.double().sum())
        return -float(cost)

    def _check(self, samples: Samples) -> None:
        self._check_parameters()
        if self.n_clusters > samples.n:
            raise ValueError(f"n_clusters={self.n_clusters} for {samples.n} samples")
        if isinstance(self.init, DNDarray):
            if self.init.shape != (self.n_clusters, samples.d):
                raise ValueError(
                    f"init of shape {self.init.shape}, but there are {self.n_clusters} clusters "
                    f"of {samples.d} features"
                )
        elif str(self.init) not in _INITS:
            raise ValueError(f"init is one of {', '.join(_INITS)} or a DNDarray")

    def _start(
        self,
        samples: Samples,
        rng: Generator,
        weights: torch.Tensor | None,
        oversampling: float = 2,
        iter_multiplier: float = 1,
    ) -> torch.Tensor:
        if isinstance(self.init, DNDarray):
            return replicated(self.init).to(samples.local.dtype).clone()
        if self.init == "random":
            return random_rows(samples, self.n_clusters, rng)
        if self.init == "k-means||":
            return scalable_plus_plus(
                samples,
                self.n_clusters,
                rng,
                weights,
                oversampling=oversampling,
                iter_multiplier=iter_multiplier,
            )
        return greedy_plus_plus(samples, self.n_clusters, rng.bits(), weights)

    def _keep_better(
        self,
        samples: Samples,
        weights: torch.Tensor | None,
        centres: torch.Tensor,
        iterations: int,
    ) -> bool:
        """Set the attributes if these centres are better than those of before.

        Starts that end at the same optimum differ by rounding, which depends on the ranks: the
        first of them is kept.
        """
        labels, distances = self._assign(samples.local, centres)
        costs = distances.double() if weights is None else distances.double() * weights
        (total,) = samples.sum(costs.sum())
        if float(total) >= self.inertia_ * (1 - TIE):
            return False
        self.cluster_centers_ = samples.replicated(centres)
        self.labels_ = samples.array(labels)
        self.n_features_in_ = samples.d
        self.inertia_ = float(total)
        self.n_iter_ = iterations
        return True


def farthest(samples: Samples, distances: torch.Tensor, number: int) -> torch.Tensor:
    """The samples that are farthest from their centres, (number, d), on every rank. Collective.

    ``distances`` are those of the rows of this rank.
    """
    best = distances.topk(min(number, len(distances)))
    rows, values = samples.local[best.indices], best.values
    if samples.is_distributed:
        values, rows = samples.comm.allgatherv(values), samples.comm.allgatherv(rows)
    return rows[values.argsort(descending=True, stable=True)[:number]]
