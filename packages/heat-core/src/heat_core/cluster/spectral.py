"""Spectral clustering: k-means in the eigenvectors of a graph of samples.

A. Ng, M. Jordan, Y. Weiss: On spectral clustering, NIPS 14 (2001).
"""

from __future__ import annotations

import torch

from heat_core.array.dndarray import DNDarray
from heat_core.array.relayout import replicated, to_layout
from heat_core.cluster.affinity import Affinity
from heat_core.cluster.kmeans import KMeans
from heat_core.estimators import BaseEstimator, ClusteringMixin, check_fitted
from heat_core.linalg.lanczos import lanczos
from heat_core.linalg.matmul import matmul
from heat_core.linalg.randomized import dominant_eigenpairs
from heat_core.parameters import one_of, real, rules, whole
from heat_core.random import Generator, default_rng
from heat_core.samples import Samples, check_features, check_numbers

__all__ = ["Spectral"]


class Spectral(ClusteringMixin, BaseEstimator):
    """Groups samples that are connected by many near neighbours, of any shape.

    The similarities of all pairs are computed block by block whenever they are multiplied: memory
    of O(n (d + reigh_rank) / ranks), never n x n.

    Parameters
    ----------
    n_clusters : int or None
        None: where the gap between two eigenvalues is largest.
    gamma : float
        Of the similarity ``exp(-gamma |x - y|**2)``.
    metric : {"rbf", "euclidean"}
        ``"euclidean"``: the distance itself is the weight of an edge, as in the original.
    laplacian : {"fully_connected", "eNeighbour"}
        All edges, or those beyond a threshold.
    threshold : float
    boundary : {"upper", "lower"}
        Of ``"eNeighbour"``: edges have weights below, or above the threshold.
    eigen_solver : {"randomized", "lanczos"}
    reigh_rank : int
        Random vectors of ``"randomized"``.
    reigh_power_iter : int
        Additional products of it.
    lanczos_n_iter : int
        Steps of ``"lanczos"``.
    normalize : bool
        Whether k-means sees the rows of the eigenvectors with norm 1.
    assign_labels : {"kmeans"}
    random_state : int, Generator or None

    Attributes
    ----------
    labels_ : DNDarray, (n,)
        Split like the samples.
    eigenvalues_ : DNDarray, (m,)
        The smallest ones of the normalised Laplacian, rising; replicated.
    n_clusters_ : int
    """

    labels_: DNDarray
    eigenvalues_: DNDarray
    n_clusters_: int
    _rules = rules(
        n_clusters=one_of(None) | whole(1),
        gamma=real(0),
        metric=one_of("rbf", "euclidean"),
        laplacian=one_of("fully_connected", "eNeighbour"),
        threshold=real(),
        boundary=one_of("upper", "lower"),
        eigen_solver=one_of("randomized", "lanczos"),
        reigh_rank=whole(1),
        reigh_power_iter=whole(0),
        lanczos_n_iter=whole(1),
        assign_labels=one_of("kmeans"),
    )

    def __init__(
        self,
        n_clusters: int | None = None,
        gamma: float = 1.0,
        metric: str = "rbf",
        laplacian: str = "fully_connected",
        threshold: float = 1.0,
        boundary: str = "upper",
        eigen_solver: str = "randomized",
        reigh_rank: int = 100,
        reigh_power_iter: int = 3,
        lanczos_n_iter: int = 300,
        normalize: bool = True,
        assign_labels: str = "kmeans",
        random_state: int | Generator | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.gamma = gamma
        self.metric = metric
        self.laplacian = laplacian
        self.threshold = threshold
        self.boundary = boundary
        self.eigen_solver = eigen_solver
        self.reigh_rank = reigh_rank
        self.reigh_power_iter = reigh_power_iter
        self.lanczos_n_iter = lanczos_n_iter
        self.normalize = normalize
        self.assign_labels = assign_labels
        self.random_state = random_state

    def fit(self, X: DNDarray, y: DNDarray | None = None) -> Spectral:
        """Find the groups of samples, (n, d). Collective."""
        del y
        samples = Samples.of(X)
        self._check_parameters()
        if self.n_clusters is not None and self.n_clusters > samples.n:
            raise ValueError(f"n_clusters={self.n_clusters} for {samples.n} samples")
        finite = bool(samples.local.isfinite().all())
        check_numbers(samples, finite, "there are NaN or infinite numbers among the samples")
        threshold = self.threshold if self.laplacian == "eNeighbour" else None
        self._affinity = Affinity(self.gamma, self.metric, threshold, self.boundary == "upper")
        ones = samples.local.new_ones(len(samples.local), 1)
        degrees = self._affinity.times(samples.local, samples, ones, samples.offset)[:, 0]
        scale = torch.where(degrees > 0, degrees, 1.0).rsqrt().unsqueeze(1)
        values, vectors = self._largest(samples, scale)
        # The smallest eigenvalues of I - M are the largest of M.
        order = values.argsort(descending=True)
        values = 1 - values[order]
        self.eigenvalues_ = samples.replicated(values)
        k = self.n_clusters
        if k is None:
            gaps = values.diff()[: max(1, len(values) // 2)]
            k = int(gaps.argmax()) + 1 if len(gaps) else 1
        self.n_clusters_, self.n_features_in_ = k, samples.d
        self._kept_ = samples.array(samples.local)
        self._eigenvectors_ = vectors[:, order[:k]]
        self._scale_ = scale
        self._means = KMeans(k, random_state=self.random_state, n_init=4)
        self._means.fit(samples.array(self._normalised(self._eigenvectors_)))
        self.labels_ = self._means.labels_
        return self

    def predict(self, X: DNDarray) -> DNDarray:
        """The groups of samples, by Nyström's extension of the eigenvectors, (n,). Collective."""
        check_fitted(self)
        queries = Samples.of(X, least=0)
        check_features(queries, self.n_features_in_)
        known = Samples.of(self._kept_)
        if queries.layout.split is None and known.is_distributed:
            whole = queries.array(queries.local)
            queries = Samples.of(to_layout(whole, whole.layout.with_split(0, X.comm.size)), least=0)
        rows = queries.local.to(known.local.dtype)
        columns = torch.cat((self._scale_ * self._eigenvectors_, torch.ones_like(self._scale_)), 1)
        found = self._affinity.times(rows, known, columns, None)
        degrees = torch.where(found[:, -1:] > 0, found[:, -1:], 1.0)
        values = (1 - self.eigenvalues_.larray[: self.n_clusters_].double()).clamp_min(1e-12)
        extended = found[:, :-1] * degrees.rsqrt() / values
        labels = self._means.predict(queries.array(self._normalised(extended)))
        return labels.resplit(None) if X.split is None else labels

    def _normalised(self, rows: torch.Tensor) -> torch.Tensor:
        if not self.normalize:
            return rows
        norms = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
        unit: torch.Tensor = rows / norms.clamp_min(1e-12)
        return unit

    def _largest(self, samples: Samples, scale: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Some of the largest eigenvalues of D^-1/2 A D^-1/2, and this rank's rows of vectors."""

        def apply(columns: DNDarray) -> DNDarray:
            wanted = samples.layout.with_split(samples.layout.split, samples.comm.size)
            beside = samples.array(scale).layout
            own = to_layout(columns, type(beside)(columns.shape, wanted.split, beside.counts))
            product = self._affinity.times(
                samples.local, samples, own.larray * scale, samples.offset
            )
            return samples.array(product * scale)

        rng = default_rng(self.random_state)
        if self.eigen_solver == "lanczos":
            start = rng.standard_normal((samples.n,), dtype="float64", comm=samples.comm)
            steps = min(self.lanczos_n_iter, samples.n)
            basis, tridiagonal = lanczos(apply, steps, start)
            values, turn = torch.linalg.eigh(replicated(tridiagonal))
            vectors = matmul(basis, samples.shared(turn))
        else:
            count = min(max(self.reigh_rank, (self.n_clusters or 0) + 5), samples.n)
            columns = rng.standard_normal((samples.n, count), dtype="float64", comm=samples.comm)
            pairs = dominant_eigenpairs(apply, columns, self.reigh_power_iter)
            values, vectors = replicated(pairs.eigenvalues), pairs.eigenvectors
        layout = samples.array(samples.local.new_empty(len(samples.local), vectors.shape[1])).layout
        return values.double(), to_layout(vectors, layout).larray
