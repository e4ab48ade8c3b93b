"""Classes and numbers of samples by those of their nearest neighbours."""

from __future__ import annotations

import torch

from heat_core.array.dndarray import DNDarray
from heat_core.array.relayout import replicated
from heat_core.dtypes import isdtype
from heat_core.estimators import (
    BaseEstimator,
    ClassificationMixin,
    RegressionMixin,
    check_fitted,
)
from heat_core.parameters import rules, whole
from heat_core.samples import Samples, check_features, check_numbers, class_codes
from heat_core.spatial.nearest import cdist_topk

__all__ = ["KNeighborsClassifier", "KNeighborsRegressor"]


class _Neighbors(BaseEstimator):
    """Keeps the samples where they lie; their labels are on all ranks.

    A prediction sends what ``spatial.cdist_topk`` sends.
    """

    n_neighbors: int
    _rules = rules(n_neighbors=whole(1))

    def _keep(self, X: DNDarray) -> Samples:
        samples = Samples.of(X)
        self._check_parameters()
        if self.n_neighbors > samples.n:
            raise ValueError(f"n_neighbors={self.n_neighbors} of {samples.n} samples")
        finite = bool(samples.local.isfinite().all())
        check_numbers(samples, finite, "there are NaN or infinite numbers among the samples")
        self.n_features_in_ = samples.d
        self.n_samples_fit_ = samples.n
        self._samples = samples.array(samples.local)
        return samples

    def kneighbors(self, X: DNDarray, n_neighbors: int | None = None) -> tuple[DNDarray, DNDarray]:
        """Distances and indices of the nearest samples of ``fit``, (n, k). Collective."""
        check_fitted(self)
        queries = Samples.of(X, least=0)
        check_features(queries, self.n_features_in_)
        k = self.n_neighbors if n_neighbors is None else n_neighbors
        return cdist_topk(queries.array(queries.local), self._samples, k)

    def _answered(self, X: DNDarray, values: torch.Tensor) -> tuple[DNDarray, torch.Tensor]:
        """The indices of the neighbours, and their values, (rows of this rank, k)."""
        _, indices = self.kneighbors(X)
        if X.split is None and indices.split is not None:
            indices = indices.resplit(None)
        return indices, values[indices.larray]


class KNeighborsClassifier(ClassificationMixin, _Neighbors):
    """The class that most of the nearest samples have; of equally frequent ones the smallest.

    Distances come in blocks, and the samples travel around the ranks: there is never a table of
    all pairs.

    Parameters
    ----------
    n_neighbors : int
    effective_metric_ : optional
        Known from the original; only the Euclidean distance, None, is there.

    Attributes
    ----------
    classes_ : DNDarray, (c,)
        Replicated.
    """

    classes_: DNDarray

    def __init__(self, n_neighbors: int = 5, effective_metric_: object = None) -> None:
        self.n_neighbors = n_neighbors
        self.effective_metric_ = effective_metric_

    def fit(self, X: DNDarray, y: DNDarray) -> KNeighborsClassifier:
        """Keep samples (n, d) and their classes (n,). Collective."""
        if self.effective_metric_ is not None:
            raise ValueError("effective_metric_ is None: the Euclidean distance")
        samples = self._keep(X)
        classes, codes = class_codes(samples, y)
        self.classes_ = samples.shared(classes)
        self._codes = replicated(samples.array(codes))
        return self

    def predict(self, X: DNDarray) -> DNDarray:
        """The class of each sample, (n,). Collective."""
        indices, votes = self._votes(X)
        labels = self.classes_.larray[votes.argmax(1)]
        return _beside(indices, labels)

    def predict_proba(self, X: DNDarray) -> DNDarray:
        """The shares of the classes among the neighbours, (n, c). Collective."""
        indices, votes = self._votes(X)
        return _beside(indices, (votes / self.n_neighbors).to(_float_of(X)))

    @staticmethod
    def one_hot_encoding(x: DNDarray) -> DNDarray:
        """A column for each number up to the largest, 1 where a row has it, else 0.

        Collective if distributed: one allreduce of two numbers.

        Parameters
        ----------
        x : DNDarray of integers, (n,) or (n, 1)
            Not negative.

        Returns
        -------
        DNDarray of float32, (n, max(x) + 1)
            Split like the rows of ``x``.
        """
        if x.ndim not in (1, 2) or (x.ndim == 2 and x.shape[1] != 1):
            raise ValueError(f"numbers of shape (n,) or (n, 1) are encoded, not {x.shape}")
        if not isdtype(x.dtype, "integral"):
            raise TypeError(f"integers are encoded, not {x.dtype.name}")
        samples = Samples.of(x.reshape(-1, 1) if x.ndim == 1 else x)
        codes = samples.beside(x.reshape(-1), "numbers").long()
        ends = codes.new_tensor([-1, 0])
        if len(codes):
            ends = torch.stack((codes.amax(), -codes.amin()))
        if samples.is_distributed:
            samples.comm.allreduce(ends, "max", out=ends)
        if ends[1] > 0:
            raise ValueError("there are negative numbers: give them codes from 0 on")
        encoded = torch.zeros(len(codes), int(ends[0]) + 1, device=codes.device)
        return samples.array(encoded.scatter_(1, codes.unsqueeze(1), 1.0))

    def _votes(self, X: DNDarray) -> tuple[DNDarray, torch.Tensor]:
        check_fitted(self)
        indices, codes = self._answered(X, self._codes)
        votes = codes.new_zeros(len(codes), self.classes_.size, dtype=torch.int64)
        return indices, votes.scatter_add_(1, codes, torch.ones_like(codes))


class KNeighborsRegressor(RegressionMixin, _Neighbors):
    """The mean of the numbers that the nearest samples have.

    Parameters
    ----------
    n_neighbors : int
    """

    def __init__(self, n_neighbors: int = 5) -> None:
        self.n_neighbors = n_neighbors

    def fit(self, X: DNDarray, y: DNDarray) -> KNeighborsRegressor:
        """Keep samples (n, d) and their numbers (n,). Collective."""
        samples = self._keep(X)
        targets = samples.beside(y, "targets")
        finite = bool(targets.isfinite().all())
        check_numbers(samples, finite, "there are NaN or infinite numbers among the targets")
        self._targets = replicated(samples.array(targets))
        return self

    def predict(self, X: DNDarray) -> DNDarray:
        """The number of each sample, (n,). Collective."""
        check_fitted(self)
        indices, numbers = self._answered(X, self._targets)
        return _beside(indices, numbers.double().mean(1).to(_float_of(X)))


def _beside(indices: DNDarray, local: torch.Tensor) -> DNDarray:
    """An array with a row for each row of ``indices``."""
    rows = Samples(indices.larray, indices.layout, indices.comm)
    return rows.array(local)


def _float_of(X: DNDarray) -> torch.dtype:
    return Samples.of(X, least=0).local.dtype
