"""k-means on small random parts of the samples."""

from __future__ import annotations

import math
from typing import Any

import torch

from heat_core.array.dndarray import DNDarray
from heat_core.cluster.centres import CentreClusterer
from heat_core.cluster.lloyd import assign
from heat_core.parameters import rules, whole
from heat_core.random import Generator, default_rng
from heat_core.samples import Samples, check_features

__all__ = ["MiniBatchKMeans"]


class MiniBatchKMeans(CentreClusterer):
    """k-means that moves the centres after every small batch of samples.

    Sculley, "Web-scale k-means clustering" (2010): a centre is the mean of all samples that were
    ever assigned to it. The batches are the same on any number of ranks; each step sends one
    message of k (d + 1) + 1 numbers.

    Parameters
    ----------
    n_clusters : int
    init : {"k-means++", "k-means||", "random"} or DNDarray, (k, d)
        As of ``KMeans``.
    max_iter : int
        Passes over the samples, at most.
    batch_size : int
        Samples of all ranks in a step.
    max_no_improvement : int
        Stop after so many steps in which the smoothed cost of a batch has not become less.
    random_state : int, Generator or None
    n_init : int
        Starts, of which the best is kept.

    Attributes
    ----------
    cluster_centers_ : DNDarray, (k, d)
        Replicated.
    labels_ : DNDarray, (n,)
        The cluster of each sample, split like the samples.
    inertia_, functional_value_ : float
        Sum of the squared distances to the nearest centre.
    n_steps_, n_iter_ : int
        Batches, and passes that they make up.
    """

    n_steps_: int
    _rules = rules(
        n_clusters=whole(1),
        max_iter=whole(1),
        batch_size=whole(1),
        max_no_improvement=whole(1),
        n_init=whole(1),
    )

    def __init__(
        self,
        n_clusters: int = 8,
        init: str | DNDarray = "k-means++",
        max_iter: int = 100,
        batch_size: int = 1024,
        max_no_improvement: int = 10,
        random_state: int | Generator | None = None,
        *,
        n_init: int = 1,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.max_no_improvement = max_no_improvement
        self.random_state = random_state
        self.n_init = n_init

    def fit(self, X: DNDarray, y: DNDarray | None = None) -> MiniBatchKMeans:
        """Find the centres of samples, (n, d). Collective."""
        del y
        samples = Samples.of(X)
        self._check(samples)
        rng = default_rng(self.random_state)
        self.inertia_ = math.inf
        for _ in range(1 if isinstance(self.init, DNDarray) else self.n_init):
            start = self._start(samples, rng, None)
            centres, steps = self._walk(samples, start, rng)
            passes = math.ceil(steps * self.batch_size / samples.n)
            if self._keep_better(samples, None, centres, passes):
                self.n_steps_ = steps
        self.functional_value_ = self.inertia_
        return self

    def partial_fit(self, X: DNDarray, y: DNDarray | None = None) -> MiniBatchKMeans:
        """Move the centres by one batch, all of ``X``; the first one also starts. Collective."""
        del y
        samples = Samples.of(X)
        if not hasattr(self, "cluster_centers_"):
            self._check(samples)
            centres = self._start(samples, default_rng(self.random_state), None)
            self._seen = samples.local.new_zeros(self.n_clusters, dtype=torch.float64)
            self.n_steps_, self.n_features_in_ = 0, samples.d
        else:
            check_features(samples, self.cluster_centers_.shape[1])
            centres = self.cluster_centers_.larray.to(samples.local.dtype)
        centres, _ = _step(samples, samples.local, centres, self._seen)
        self.cluster_centers_ = samples.replicated(centres)
        self.n_steps_ += 1
        return self

    def _walk(
        self, samples: Samples, centres: torch.Tensor, rng: Generator
    ) -> tuple[torch.Tensor, int]:
        """Steps until the cost does not become less: the centres, and how many there were."""
        size = min(self.batch_size, samples.n)
        draws: Any = rng.bits()
        self._seen = samples.local.new_zeros(self.n_clusters, dtype=torch.float64)
        # The weight of a batch in the smoothed cost, as scikit-learn has it.
        share = min(1.0, 2.0 * size / (samples.n + 1))
        smoothed, least, idle = math.nan, math.inf, 0
        n_steps = max(1, self.max_iter * samples.n // size)
        for step in range(n_steps):
            rows = torch.from_numpy(draws.integers(0, samples.n, size)) - samples.offset
            own = rows[(rows >= 0) & (rows < len(samples.local))]
            centres, cost = _step(
                samples, samples.local[own.to(samples.local.device)], centres, self._seen
            )
            cost /= size
            smoothed = cost if step == 0 else smoothed + share * (cost - smoothed)
            least, idle = (smoothed, 0) if smoothed < least else (least, idle + 1)
            if idle >= self.max_no_improvement:
                return centres, step + 1
        return centres, n_steps


def _step(
    samples: Samples, batch: torch.Tensor, centres: torch.Tensor, seen: torch.Tensor
) -> tuple[torch.Tensor, float]:
    """The centres moved by this rank's part of a batch, and the cost; adds to ``seen``, (k,)."""
    labels, distances = assign(batch, centres)
    sums = torch.zeros_like(centres, dtype=torch.float64).index_add_(0, labels, batch.double())
    numbers = torch.bincount(labels, minlength=len(centres))
    sums, numbers, cost = samples.sum(sums, numbers, distances.double().sum())
    if not sums.isfinite().all():
        raise ValueError("there are NaN or infinite numbers among the samples")
    seen += numbers
    rate = (1 / seen.clamp(min=1)).unsqueeze(1)
    moved = centres.double() + (sums - numbers.unsqueeze(1) * centres.double()) * rate
    return moved.to(centres.dtype), float(cost)
