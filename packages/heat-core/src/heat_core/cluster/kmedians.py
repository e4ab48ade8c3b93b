"""k-medians and k-medoids: clusters by sums of absolute differences."""

from __future__ import annotations

from abc import abstractmethod
from itertools import count
from typing import TypeVar

import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import replicated
from heat_core.cluster.centres import CentreClusterer, farthest
from heat_core.cluster.medians import assign_by_sums
from heat_core.layout import Layout
from heat_core.ops.moments import var
from heat_core.ops.quantile import median
from heat_core.parameters import real, rules, whole
from heat_core.random import Generator, default_rng
from heat_core.samples import Samples, check_numbers

__all__ = ["KMedians", "KMedoids"]

C = TypeVar("C", bound="_MedianClusterer")


class _MedianClusterer(CentreClusterer):
    """The iterations of both kinds."""

    _assign = staticmethod(assign_by_sums)
    _norm = 1.0
    _rules = rules(n_clusters=whole(1), max_iter=whole(1), n_init=whole(1))
    tol: float
    random_state: int | Generator | None

    def fit(
        self: C,
        X: DNDarray,
        y: DNDarray | None = None,
        *,
        oversampling: float = 2,
        iter_multiplier: float = 1,
    ) -> C:
        """Find the centres of samples. Collective.

        Parameters
        ----------
        X : DNDarray, (n, d)
            Real; any split.
        y : ignored
        oversampling, iter_multiplier : float
            Of ``"k-means||"``; see ``KMeans.fit``.
        """
        del y
        samples = Samples.of(X)
        self._check(samples)
        finite = bool(samples.local.isfinite().all())
        check_numbers(samples, finite, "there are NaN or infinite numbers among the samples")
        rng = default_rng(self.random_state)
        spread = float(var(samples.array(samples.local), axis=0).larray.double().mean())
        self.inertia_ = float("inf")
        for _ in range(1 if isinstance(self.init, DNDarray) else self.n_init):
            start = self._start(samples, rng, None, oversampling, iter_multiplier)
            self._keep_better(samples, None, *self._iterate(samples, start, self.tol * spread))
        self.functional_value_ = self.inertia_
        return self

    def _iterate(
        self, samples: Samples, centres: torch.Tensor, tolerance: float
    ) -> tuple[torch.Tensor, int]:
        for iteration in count(1):
            labels, distances = self._assign(samples.local, centres)
            moved = self._moved(samples, labels, distances, centres)
            shift = float((moved.double() - centres.double()).square().sum())
            centres = moved
            if shift <= tolerance or iteration == self.max_iter:
                return centres, iteration
        raise AssertionError("unreachable")

    @abstractmethod
    def _moved(
        self,
        samples: Samples,
        labels: torch.Tensor,
        distances: torch.Tensor,
        centres: torch.Tensor,
    ) -> torch.Tensor:
        """The next centres. Collective."""


def cluster_medians(
    samples: Samples, labels: torch.Tensor, distances: torch.Tensor, centres: torch.Tensor
) -> torch.Tensor:
    """The medians of the clusters, coordinate by coordinate, (k, d). Collective.

    An empty cluster moves to the sample that is farthest from its centre, a further one to the
    next.
    """
    k, comm = len(centres), samples.comm
    sizes = torch.bincount(labels, minlength=k)
    table = comm.allgather(sizes) if samples.is_distributed else sizes.unsqueeze(0)
    totals = table.sum(0)
    result = centres.clone()
    far = farthest(samples, distances, int((totals == 0).sum()))
    for number in range(k):
        if totals[number] == 0:
            result[number], far = far[0], far[1:]
            continue
        rows = samples.local[labels == number]
        if samples.is_distributed:
            layout = Layout((int(totals[number]), samples.d), 0, tuple(table[:, number].tolist()))
            members = wrap(rows, layout, comm)
        else:
            members = samples.shared(rows)
        result[number] = replicated(median(members, axis=0))
    return result


class KMedians(_MedianClusterer):
    """Groups samples around centres so that the sums of absolute differences are least.

    The centre of a cluster is the median of its samples, coordinate by coordinate, found by
    selection without sorting. Outliers move it less than a mean.

    Parameters
    ----------
    n_clusters : int
    init : {"k-means++", "k-means||", "random"} or DNDarray, (k, d)
        First centres; ``"k-medians++"`` is the first of these.
    max_iter : int
    tol : float
        Stop when the squared moves of the centres add up to less than this part of the mean
        variance of the features.
    random_state : int, Generator or None
    n_init : int
        Fits from so many starts, of which the best is kept; of those whose costs differ by less
        than a millionth, which rounding may change, the first one.

    Attributes
    ----------
    cluster_centers_ : DNDarray, (k, d)
        Replicated.
    labels_ : DNDarray, (n,)
        Split like the samples.
    inertia_, functional_value_ : float
        Sum of the distances to the nearest centre in the 1-norm.
    n_iter_ : int
    """

    _rules = rules(**_MedianClusterer._rules, tol=real(0))

    def __init__(
        self,
        n_clusters: int = 8,
        init: str | DNDarray = "k-means++",
        max_iter: int = 300,
        tol: float = 1e-4,
        random_state: int | Generator | None = None,
        *,
        n_init: int = 1,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.n_init = n_init

    def _moved(
        self,
        samples: Samples,
        labels: torch.Tensor,
        distances: torch.Tensor,
        centres: torch.Tensor,
    ) -> torch.Tensor:
        return cluster_medians(samples, labels, distances, centres)


class KMedoids(_MedianClusterer):
    """Groups samples around samples: the one closest to the median stands for its cluster.

    Parameters
    ----------
    n_clusters : int
    init : {"k-means++", "k-means||", "random"} or DNDarray, (k, d)
    max_iter : int
        It stops before when no medoid changes.
    random_state : int, Generator or None
    n_init : int

    Attributes
    ----------
    cluster_centers_, labels_, inertia_, functional_value_, n_iter_
        As of ``KMedians``.
    """

    tol = 0.0

    def __init__(
        self,
        n_clusters: int = 8,
        init: str | DNDarray = "k-means++",
        max_iter: int = 300,
        random_state: int | Generator | None = None,
        *,
        n_init: int = 1,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.max_iter = max_iter
        self.random_state = random_state
        self.n_init = n_init

    def _moved(
        self,
        samples: Samples,
        labels: torch.Tensor,
        distances: torch.Tensor,
        centres: torch.Tensor,
    ) -> torch.Tensor:
        medians = cluster_medians(samples, labels, distances, centres)
        return _closest(samples, labels, medians)


def _closest(samples: Samples, labels: torch.Tensor, medians: torch.Tensor) -> torch.Tensor:
    """The sample of each cluster that is closest to its median, of equal ones the first."""
    k, comm = len(medians), samples.comm
    far = (samples.local - medians[labels]).abs().double().sum(1)
    rows = medians.double()
    best = rows.new_full((k, 1), torch.inf)
    for number in range(k):
        mine = (labels == number).nonzero()[:, 0]
        if len(mine):
            place = mine[far[mine].argmin()]
            best[number], rows[number] = far[place], samples.local[place].double()
    if not samples.is_distributed:
        return rows.to(medians.dtype)
    offers = comm.allgather(torch.cat((best, rows), 1))  # (ranks, k, 1 + d)
    winners = offers[:, :, 0].argmin(0)
    closest: torch.Tensor = offers[winners, torch.arange(k, device=winners.device), 1:].to(
        medians.dtype
    )
    return closest
