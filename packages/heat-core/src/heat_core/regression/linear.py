"""Linear models with a solution in closed form."""

from __future__ import annotations

from typing import TypeVar

import torch

from heat_core.array.dndarray import DNDarray
from heat_core.estimators import BaseEstimator, RegressionMixin, check_fitted
from heat_core.parameters import real, rules
from heat_core.regression.gram import Gram, gram_of
from heat_core.samples import Samples, check_features

__all__ = ["LinearModel", "LinearRegression", "Ridge"]

M = TypeVar("M", bound="LinearModel")


class LinearModel(RegressionMixin, BaseEstimator):
    """Predicts ``X @ coef_ + intercept_``.

    Attributes
    ----------
    coef_ : DNDarray, (d,), or (m, d) for m targets
        Replicated.
    intercept_ : float, or DNDarray, (m,)
    """

    coef_: DNDarray
    intercept_: float | DNDarray
    n_features_in_: int

    def predict(self, X: DNDarray) -> DNDarray:
        """The numbers of samples, (n,) or (n, m). Local unless ``X`` is split along axis 1."""
        check_fitted(self)
        samples = Samples.of(X, least=0)
        check_features(samples, self.coef_.shape[-1])
        coefficients = self.coef_.larray.to(samples.local.dtype)
        constant = self.intercept_
        if isinstance(constant, DNDarray):
            return samples.array(samples.local @ coefficients.T + constant.larray)
        return samples.array(samples.local @ coefficients + constant)

    def _keep(self, gram: Gram, samples: Samples, coefficients: torch.Tensor, ndim: int) -> None:
        """Set the attributes from (d, m) coefficients."""
        self.n_features_in_ = samples.d
        constant = gram.y_mean - gram.x_mean @ coefficients
        if ndim == 1:
            self.coef_ = samples.replicated(coefficients[:, 0].contiguous())
            self.intercept_ = float(constant[0])
        else:
            self.coef_ = samples.replicated(coefficients.T.contiguous())
            self.intercept_ = samples.replicated(constant)


class LinearRegression(LinearModel):
    """Ordinary least squares, by the normal equations of centred samples in double precision.

    One pass over the samples, and two messages: a sample, and the allreduce of
    1 + (d + 1)(d + m) numbers for m targets. Features that depend on each other get the solution
    of least norm. Directions whose singular value is less than about 1e-7 of the largest one count
    as dependent.

    Parameters
    ----------
    fit_intercept : bool

    Examples
    --------
    >>> import heat_core as ht
    >>> X, y = ht.array([[0.0], [1.0], [2.0]], split=0), ht.array([1.0, 3.0, 5.0], split=0)
    >>> round(ht.regression.LinearRegression().fit(X, y).intercept_, 6)
    1.0
    """

    def __init__(self, fit_intercept: bool = True) -> None:
        self.fit_intercept = fit_intercept

    def fit(
        self, X: DNDarray, y: DNDarray, sample_weight: DNDarray | None = None
    ) -> LinearRegression:
        """Find the coefficients. Collective.

        Parameters
        ----------
        X : DNDarray, (n, d)
        y : DNDarray, (n,) or (n, m)
        sample_weight : DNDarray, (n,), optional
        """
        gram, samples = gram_of(X, y, sample_weight, centred=self.fit_intercept)
        # Features of very different scales would look dependent.
        scale = gram.xx.diagonal().sqrt()
        scale[scale == 0] = 1
        values, vectors = torch.linalg.eigh(gram.xx / torch.outer(scale, scale))
        kept = values > samples.d * torch.finfo(torch.float64).eps * values[-1]
        if bool(kept.all()):
            right = gram.xy / scale.unsqueeze(1)
            inverse = (vectors / values) @ (vectors.T @ right)
            coefficients = inverse / scale.unsqueeze(1)
        else:
            coefficients = torch.linalg.pinv(gram.xx, hermitian=True) @ gram.xy
        self._keep(gram, samples, coefficients, y.ndim)
        return self


class Ridge(LinearModel):
    """Least squares with a penalty: minimises ``|y - X w - b|**2 + alpha |w|**2``.

    One pass over the samples, and two messages: a sample, and the allreduce of
    1 + (d + 1)(d + m) numbers for m targets.

    Parameters
    ----------
    alpha : float
        Not negative.
    fit_intercept : bool
        The intercept b is not penalised.
    """

    _rules = rules(alpha=real(0))

    def __init__(self, alpha: float = 1.0, *, fit_intercept: bool = True) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept

    def fit(self, X: DNDarray, y: DNDarray, sample_weight: DNDarray | None = None) -> Ridge:
        """Find the coefficients. Collective; parameters as of ``LinearRegression.fit``."""
        self._check_parameters()
        gram, samples = gram_of(X, y, sample_weight, centred=self.fit_intercept)
        penalised = gram.xx + self.alpha * torch.eye(
            samples.d, dtype=torch.float64, device=gram.xx.device
        )
        if self.alpha:
            coefficients = torch.linalg.solve(penalised, gram.xy)
        else:
            coefficients = torch.linalg.pinv(penalised, hermitian=True) @ gram.xy
        self._keep(gram, samples, coefficients, y.ndim)
        return self
