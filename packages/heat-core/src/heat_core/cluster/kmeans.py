"""k-means: Lloyd's iterations on samples that lie on the ranks."""

from __future__ import annotations

from itertools import count

import torch

from heat_core.array.dndarray import DNDarray
from heat_core.cluster.centres import CentreClusterer, farthest
from heat_core.cluster.lloyd import accumulate, assign
from heat_core.ops.moments import var
from heat_core.parameters import one_of, real, rules, whole
from heat_core.random import Generator, default_rng
from heat_core.samples import Samples

__all__ = ["KMeans"]


class KMeans(CentreClusterer):
    """Groups samples around centres so that their squared distances are least.

    An iteration sends one message: the allreduce of k (d + 1) numbers.

    Parameters
    ----------
    n_clusters : int
    init : {"k-means++", "k-means||", "random"} or DNDarray, (k, d)
        First centres. ``"kmeans++"`` and ``"probability_based"`` are names of the original for
        ``"k-means++"``. ``"k-means||"`` needs fewer passes over the samples for many clusters.
    max_iter : int
    tol : float
        Stop when the squared moves of the centres add up to less than this part of the mean
        variance of the features; ``tol_mode="absolute"``: to less than this number.
    random_state : int, Generator or None
    n_init : int
        Fits from so many starts, of which the best is kept; of those whose costs differ by less
        than a millionth, which rounding may change, the first one.
    tol_mode : {"relative", "absolute"}

    Attributes
    ----------
    cluster_centers_ : DNDarray, (k, d)
        Replicated.
    labels_ : DNDarray, (n,)
        The cluster of each sample, split like the samples.
    inertia_, functional_value_ : float
        Sum of the squared distances to the nearest centre, weighted.
    n_iter_ : int

    Examples
    --------
    >>> import heat_core as ht
    >>> X = ht.array([[0.0], [1.0], [9.0], [10.0]], split=0)
    >>> sorted(ht.cluster.KMeans(2, random_state=0).fit(X).cluster_centers_.numpy().ravel())
    [0.5, 9.5]
    """

    _rules = rules(
        n_clusters=whole(1),
        max_iter=whole(1),
        tol=real(0),
        n_init=whole(1),
        tol_mode=one_of("relative", "absolute"),
    )

    def __init__(
        self,
        n_clusters: int = 8,
        init: str | DNDarray = "k-means++",
        max_iter: int = 300,
        tol: float = 1e-4,
        random_state: int | Generator | None = None,
        *,
        n_init: int = 1,
        tol_mode: str = "relative",
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.n_init = n_init
        self.tol_mode = tol_mode

    def fit(
        self,
        X: DNDarray,
        y: DNDarray | None = None,
        *,
        sample_weight: DNDarray | None = None,
        oversampling: float = 2,
        iter_multiplier: float = 1,
    ) -> KMeans:
        """Find the centres of samples. Collective.

        Parameters
        ----------
        X : DNDarray, (n, d)
            Real; any split.
        y : ignored
        sample_weight : DNDarray, (n,), optional
        oversampling, iter_multiplier : float
            Of ``"k-means||"``: candidates a round in units of k, and the number of rounds in units
            of the logarithm of the first cost.

        Raises
        ------
        ValueError
            For parameters without meaning, and for fewer samples than clusters.
        """
        del y
        samples = Samples.of(X)
        self._check(samples)
        weights = samples.weights(sample_weight)
        rng = default_rng(self.random_state)
        tolerance = self.tol
        if self.tol_mode == "relative" and self.tol:
            spread = var(samples.array(samples.local), axis=0).larray.double()
            tolerance *= float(spread.mean())
        self.inertia_ = float("inf")
        for _ in range(1 if isinstance(self.init, DNDarray) else self.n_init):
            start = self._start(samples, rng, weights, oversampling, iter_multiplier)
            self._keep_better(samples, weights, *self._iterate(samples, start, weights, tolerance))
        self.functional_value_ = self.inertia_
        return self

    def _iterate(
        self,
        samples: Samples,
        centres: torch.Tensor,
        weights: torch.Tensor | None,
        tolerance: float,
    ) -> tuple[torch.Tensor, int]:
        """Lloyd's iterations: the centres, and how many there were."""
        for iteration in count(1):
            found = accumulate(samples.local, centres, weights)
            sums, sizes = samples.sum(found.sums, found.weights)
            if not sums.isfinite().all():
                raise ValueError("there are NaN or infinite numbers among the samples")
            moved = (sums / sizes.unsqueeze(1)).to(centres.dtype)
            empty = sizes == 0
            if empty.any():
                _, distances = assign(samples.local, centres)
                moved[empty] = farthest(samples, distances, int(empty.sum()))
            shift = float((moved - centres).double().square().sum())
            centres = moved
            if shift <= tolerance or iteration == self.max_iter:
                return centres, iteration
        raise AssertionError("unreachable")
