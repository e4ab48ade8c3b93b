"""What principal components are used for: projections of samples, and back."""

from __future__ import annotations

import torch

from heat_core.array.dndarray import DNDarray
from heat_core.estimators import BaseEstimator, TransformMixin, check_fitted
from heat_core.samples import Samples, check_features, product_into

__all__ = ["Projection", "largest_loading_positive"]

_BLOCK_ROWS = 1 << 12
_TINY = 1e-30


def largest_loading_positive(components: torch.Tensor) -> torch.Tensor:
    """Rows, (k, d), with signs that do not depend on how they were computed."""
    largest = components.gather(1, components.abs().argmax(1, keepdim=True))
    return components * torch.where(largest < 0, -1, 1).to(components.dtype)


class Projection(TransformMixin, BaseEstimator):
    """Coordinates along ``components_`` of the distances to ``mean_``.

    Attributes
    ----------
    components_ : DNDarray, (k, d)
        Orthonormal rows, by falling variance; the entry of largest magnitude is positive.
        Replicated, as all of these.
    explained_variance_, explained_variance_ratio_, singular_values_ : DNDarray, (k,)
        Variances of the coordinates with ``n - 1`` in the denominator; their shares of the total;
        norms of the coordinates.
    total_explained_variance_ratio_ : float
    mean_ : DNDarray, (d,)
    n_components_, n_samples_, n_features_in_ : int
    noise_variance_ : float
        Mean variance of the directions that are left out.
    """

    whiten: bool
    components_: DNDarray
    explained_variance_: DNDarray
    explained_variance_ratio_: DNDarray
    singular_values_: DNDarray
    total_explained_variance_ratio_: float
    mean_: DNDarray
    n_components_: int
    n_features_in_: int
    noise_variance_: float

    def transform(self, X: DNDarray) -> DNDarray:
        """The coordinates of samples, (n, k). Local unless ``X`` is split along axis 1."""
        check_fitted(self)
        samples = Samples.of(X, least=0)
        check_features(samples, self.n_features_in_)
        local, kind = samples.local, samples.local.dtype
        mean, directions = self.mean_.larray.to(kind), self._scaled(kind, 1).T
        result = local.new_empty(len(local), directions.shape[1])
        centred = local.new_empty(min(len(local), _BLOCK_ROWS), samples.d)
        for rows, into in zip(local.split(_BLOCK_ROWS), result.split(_BLOCK_ROWS), strict=True):
            product_into(torch.sub(rows, mean, out=centred[: len(rows)]), directions, into)
        return samples.array(result)

    def inverse_transform(self, X: DNDarray) -> DNDarray:
        """The samples that have these coordinates, (n, d). Local as ``transform``."""
        check_fitted(self)
        samples = Samples.of(X, least=0)
        check_features(samples, self.n_components_)
        kind = samples.local.dtype
        back = torch.addmm(self.mean_.larray.to(kind), samples.local, self._scaled(kind, -1))
        return samples.array(back)

    def _scaled(self, kind: torch.dtype, sign: int) -> torch.Tensor:
        """The components; of whitened coordinates divided or multiplied by the deviations."""
        components = self.components_.larray.double()
        if self.whiten:
            deviations = self.explained_variance_.larray.double().sqrt().clamp_min(_TINY)
            components = components * deviations.unsqueeze(1) ** -sign
        return components.to(kind)

    def _keep(
        self,
        samples: Samples,
        mean: torch.Tensor,
        components: torch.Tensor,
        squares: torch.Tensor,
        total: float,
        n_seen: int,
    ) -> None:
        """Set the attributes from k components and squared singular values.

        ``total`` is the sum of all squared deviations.
        """
        k, freedom = len(squares), max(n_seen - 1, 1)
        left = min(n_seen, len(mean)) - k
        self.mean_ = samples.replicated(mean)
        self.components_ = samples.replicated(largest_loading_positive(components))
        self.explained_variance_ = samples.replicated(squares / freedom)
        ratios = squares / total if total > 0 else squares
        self.explained_variance_ratio_ = samples.replicated(ratios)
        self.total_explained_variance_ratio_ = float(ratios.sum())
        self.singular_values_ = samples.replicated(squares.sqrt())
        self.noise_variance_ = 0.0
        if left > 0:
            self.noise_variance_ = max(total - float(squares.sum()), 0.0) / freedom / left
        self.n_components_, self.n_features_in_ = k, samples.d
