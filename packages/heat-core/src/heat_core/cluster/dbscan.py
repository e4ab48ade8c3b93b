"""Clusters of any shape and number: regions where samples lie dense.

M. Ester, H.-P. Kriegel, J. Sander, X. Xu: A density-based algorithm for discovering clusters in
large spatial databases with noise, KDD 1996.
"""

from __future__ import annotations

import torch

from heat_core.array.dndarray import DNDarray
from heat_core.array.relayout import replicated
from heat_core.estimators import BaseEstimator, ClusteringMixin
from heat_core.parameters import real, rules, whole
from heat_core.samples import Samples, check_numbers
from heat_core.spatial.distances import euclidean
from heat_core.spatial.ring import travelling

__all__ = ["DBSCAN"]

_BLOCK_ELEMENTS = 1 << 18
_BLOCK_ROWS = 64


class DBSCAN(ClusteringMixin, BaseEstimator):
    """Joins samples that have many neighbours, and what is near them; the rest is noise.

    Parameters
    ----------
    eps : float
        Samples up to this distance are neighbours.
    min_samples : int
        A sample with so many neighbours, itself included, is a core sample.

    Attributes
    ----------
    labels_ : DNDarray of int64, (n,)
        Clusters are numbered by their first core sample; -1 for noise. Split like the samples.
    core_sample_indices_ : DNDarray, (c,)
        Rising; replicated.

    Notes
    -----
    The pairs of neighbours are found once, while the samples travel around the ranks, and are all
    that is kept, beside one number for each sample on each rank. Clusters grow by their least
    number, and halve the ways that are left each time: a few allreduces of n numbers.
    """

    labels_: DNDarray
    core_sample_indices_: DNDarray
    n_features_in_: int
    _rules = rules(eps=real(positive=True), min_samples=whole(1))

    def __init__(self, eps: float = 0.5, min_samples: int = 5) -> None:
        self.eps = eps
        self.min_samples = min_samples

    def fit(self, X: DNDarray, y: DNDarray | None = None) -> DBSCAN:
        """Find the clusters of samples, (n, d). Collective."""
        del y
        samples = Samples.of(X)
        self._check_parameters()
        finite = bool(samples.local.isfinite().all())
        check_numbers(samples, finite, "there are NaN or infinite numbers among the samples")
        rows, columns = self._neighbours(samples)
        numbers = torch.bincount(rows, minlength=len(samples.local))
        own_core = numbers >= self.min_samples
        core = replicated(samples.array(own_core))
        between = own_core[rows] & core[columns]
        heads = _components(samples, core, rows[between] + samples.offset, columns[between])
        self.core_sample_indices_ = samples.shared(core.nonzero()[:, 0])
        # By the number of the first core sample of each cluster.
        firsts = torch.unique(heads[core])
        labels = torch.searchsorted(firsts, heads[samples.offset :][: len(samples.local)])
        labels[~own_core] = self._border(
            ~own_core, rows, core[columns], torch.searchsorted(firsts, heads)[columns], len(firsts)
        )
        self.labels_ = samples.array(labels)
        self.n_features_in_ = samples.d
        return self

    def _neighbours(self, samples: Samples) -> tuple[torch.Tensor, torch.Tensor]:
        """Local number of the one, and global number of the other of all pairs. Collective."""
        local, found = samples.local, []
        if not len(local):
            for _ in travelling(samples):
                pass
            return (local.new_zeros(0, dtype=torch.int64),) * 2
        # Along one coordinate neighbours are no farther than eps, but for rounding: in the order
        # of the one that spreads most, a block of rows has its neighbours within a range.
        axis = int((local.amax(0) - local.amin(0)).argmax())
        own = local[:, axis].argsort()
        rows, reach = local[own], self.eps * (1 + 1e-5)
        for start, slab in travelling(samples):
            there = slab[:, axis].argsort()
            columns = slab[there]
            keys = columns[:, axis].double().contiguous()
            height = max(1, min(_BLOCK_ROWS, _BLOCK_ELEMENTS // max(1, len(slab))))
            for top in range(0, len(rows), height):
                block = rows[top : top + height]
                ends = block[[0, -1], axis].double()
                ends += ends.new_tensor([-reach, reach])
                first, last = torch.searchsorted(keys, ends).tolist()
                near = euclidean(block, columns[first:last]) <= self.eps
                one, other = near.nonzero(as_tuple=True)
                found.append(torch.stack((own[one + top], there[other + first] + start)))
        pairs = torch.cat(found, 1)
        return pairs[0], pairs[1]

    @staticmethod
    def _border(
        border: torch.Tensor,
        rows: torch.Tensor,
        is_core: torch.Tensor,
        clusters: torch.Tensor,
        n_clusters: int,
    ) -> torch.Tensor:
        """The least cluster among the core neighbours of samples that are none, -1 without one."""
        least = clusters.new_full((len(border),), n_clusters)
        least.scatter_reduce_(0, rows[is_core], clusters[is_core], "amin")
        least[least == n_clusters] = -1
        return least[border]


def _components(
    samples: Samples, core: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor
) -> torch.Tensor:
    """The least number of a core sample that can be reached from each one, (n,). Collective."""
    heads = torch.arange(len(core), device=core.device)
    while True:
        previous = heads
        # A head takes the least head that a neighbour of its cluster has, then ways are halved.
        offered = heads.clone().scatter_reduce_(0, heads[rows], heads[columns], "amin")
        offered = offered.scatter_reduce(0, rows, heads[columns], "amin")
        if samples.is_distributed:
            offered = samples.comm.allreduce(offered, "min")
        heads = offered[offered]
        heads = heads[heads]
        if torch.equal(heads, previous):
            return heads
