"""Clusterings of the ranks' own samples, merged: few messages however many iterations.

Each rank clusters its rows alone. The centres, weighted by the sizes of their clusters, are then
clustered in groups of ranks, and so on, until there is one set.
"""

from __future__ import annotations

from abc import abstractmethod
from itertools import count
from typing import TypeVar

import numpy as np
import torch

from heat_core.array.dndarray import DNDarray
from heat_core.cluster.centres import CentreClusterer
from heat_core.cluster.lloyd import accumulate
from heat_core.cluster.medians import assign_by_sums, weighted_medians
from heat_core.cluster.seeding import greedy_plus_plus
from heat_core.layout import replicated_layout
from heat_core.parameters import one_of, real, rules, whole
from heat_core.random import Generator, default_rng
from heat_core.samples import Samples, check_numbers

__all__ = ["BatchParallelKMeans", "BatchParallelKMedians"]

B = TypeVar("B", bound="_BatchParallel")


class _BatchParallel(CentreClusterer):
    """Local clusterings and their merge."""

    n_init = 1
    _rules = rules(
        n_clusters=whole(1),
        init=one_of("k-means++", "kmeans++", "k-medians++", "random"),
        max_iter=whole(1),
        tol=real(0),
        n_procs_to_merge=one_of(None) | whole(2),
    )

    def __init__(
        self,
        n_clusters: int = 8,
        init: str = "k-means++",
        max_iter: int = 300,
        tol: float = 1e-4,
        random_state: int | Generator | None = None,
        n_procs_to_merge: int | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.n_procs_to_merge = n_procs_to_merge

    def fit(self: B, X: DNDarray, y: DNDarray | None = None) -> B:
        """Find the centres of samples, (n, d). Collective: six small messages."""
        del y
        samples = Samples.of(X)
        self._check(samples)
        merge = samples.comm.size if self.n_procs_to_merge is None else self.n_procs_to_merge
        finite = bool(samples.local.isfinite().all())
        check_numbers(samples, finite, "there are NaN or infinite numbers among the samples")
        rng = default_rng(self.random_state).bits()
        seeds = rng.integers(0, 1 << 62, samples.comm.size)
        own = np.random.default_rng(seeds[samples.comm.rank if samples.is_distributed else 0])
        ones = samples.local.new_ones(len(samples.local))
        centres, sizes, n_iter = self._clustered(samples.local, ones, samples, own)
        if samples.is_distributed:
            centres, sizes, n_iter = self._merged(samples, centres, sizes, n_iter, merge, rng)
        self.inertia_ = float("inf")
        self._keep_better(samples, None, centres, n_iter)
        self.functional_value_ = self.inertia_
        return self

    def _merged(
        self,
        samples: Samples,
        centres: torch.Tensor,
        sizes: torch.Tensor,
        n_iter: int,
        merge: int,
        rng: np.random.Generator,
    ) -> tuple[torch.Tensor, torch.Tensor, int]:
        """The centres of all ranks, merged by every rank in the same way."""
        comm = samples.comm
        mine = torch.tensor([len(centres), n_iter])
        numbers = comm.allgather(mine)
        counts = tuple(numbers[:, 0].tolist())
        weighted = torch.cat((centres.double(), sizes.double().unsqueeze(1)), 1)
        table = comm.allgatherv(weighted, counts)
        groups = [part for part in table.split(list(counts)) if len(part)]
        while len(groups) > 1:
            joined = [torch.cat(groups[i : i + merge]) for i in range(0, len(groups), merge)]
            groups = []
            for part in joined:
                rows, weights = part[:, :-1].to(centres.dtype), part[:, -1].to(centres.dtype)
                found, masses, _ = self._clustered(rows, weights, samples, rng)
                groups.append(torch.cat((found.double(), masses.double().unsqueeze(1)), 1))
        return groups[0][:, :-1].to(centres.dtype), groups[0][:, -1], int(numbers[:, 1].max())

    def _clustered(
        self, rows: torch.Tensor, weights: torch.Tensor, samples: Samples, rng: np.random.Generator
    ) -> tuple[torch.Tensor, torch.Tensor, int]:
        """Centres of weighted rows, their weights, and the number of iterations. Local."""
        k = self.n_clusters
        if len(rows) <= k:
            return rows, weights, 0
        table = Samples(rows, replicated_layout(tuple(rows.shape)), samples.comm)
        if self.init == "random":
            picked = rng.choice(len(rows), k, replace=False)
            centres = rows[torch.from_numpy(picked).to(rows.device)].clone()
        else:
            centres = greedy_plus_plus(table, k, rng, weights)
        tolerance = self.tol * float(rows.double().var(0, correction=0).mean())
        for iteration in count(1):
            moved = self._centres_of(rows, weights, centres)
            shift = float((moved.double() - centres.double()).square().sum())
            centres = moved
            if shift <= tolerance or iteration == self.max_iter:
                break
        labels, _ = self._assign(rows, centres)
        masses = weights.new_zeros(k, dtype=torch.float64).index_add_(0, labels, weights.double())
        return centres, masses, iteration

    @abstractmethod
    def _centres_of(
        self, rows: torch.Tensor, weights: torch.Tensor, centres: torch.Tensor
    ) -> torch.Tensor:
        """The centres of the rows that are nearest to each of these. Local."""


class BatchParallelKMeans(_BatchParallel):
    """k-means of the ranks' own samples, merged once.

    Parameters
    ----------
    n_clusters : int
    init : {"k-means++", "random"}
        ``"k-medians++"`` is the first of these.
    max_iter : int
        Of each local clustering.
    tol : float
        A local clustering stops when the squared moves of the centres add up to less than this part
        of the mean variance of the features.
    random_state : int, Generator or None
    n_procs_to_merge : int, optional
        Ranks whose centres are merged at a time; default: all.

    Attributes
    ----------
    cluster_centers_ : DNDarray, (k, d)
        Replicated.
    labels_ : DNDarray, (n,)
    inertia_, functional_value_ : float
        As of ``KMeans`` and ``KMedians``.
    n_iter_ : int
        Most iterations of a rank.

    Notes
    -----
    The centres depend on how the samples are distributed.
    """

    def _centres_of(
        self, rows: torch.Tensor, weights: torch.Tensor, centres: torch.Tensor
    ) -> torch.Tensor:
        found = accumulate(rows, centres, weights)
        mass = found.weights.unsqueeze(1)
        return torch.where(mass > 0, found.sums / mass, centres.double()).to(centres.dtype)


class BatchParallelKMedians(_BatchParallel):
    """k-medians of the ranks' own samples, merged once.

    Parameters
    ----------
    n_clusters : int
    init : {"k-means++", "random"}
        ``"k-medians++"`` is the first of these.
    max_iter : int
        Of each local clustering.
    tol : float
        A local clustering stops when the squared moves of the centres add up to less than this part
        of the mean variance of the features.
    random_state : int, Generator or None
    n_procs_to_merge : int, optional
        Ranks whose centres are merged at a time; default: all.

    Attributes
    ----------
    cluster_centers_ : DNDarray, (k, d)
        Replicated.
    labels_ : DNDarray, (n,)
    inertia_, functional_value_ : float
        As of ``KMeans`` and ``KMedians``.
    n_iter_ : int
        Most iterations of a rank.

    Notes
    -----
    The centres depend on how the samples are distributed.
    """

    _assign = staticmethod(assign_by_sums)
    _norm = 1.0

    def _centres_of(
        self, rows: torch.Tensor, weights: torch.Tensor, centres: torch.Tensor
    ) -> torch.Tensor:
        labels, _ = self._assign(rows, centres)
        return weighted_medians(rows, labels, weights, centres)
