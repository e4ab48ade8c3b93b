"""Least squares with a mixture of both penalties."""

from __future__ import annotations

import torch

from heat_core.array.dndarray import DNDarray
from heat_core.parameters import real, rules, whole
from heat_core.regression.gram import check_one_target, gram_of
from heat_core.regression.lasso import coordinate_descent
from heat_core.regression.linear import LinearModel

__all__ = ["ElasticNet"]


class ElasticNet(LinearModel):
    """Minimises ``|y - X w - b|^2 / (2 n) + alpha (r |w|_1 + (1 - r) / 2 |w|^2)``, r = l1_ratio.

    One pass over the samples, and two messages: a sample, and the allreduce of
    1 + (d + 1)**2 numbers; coordinate descent on the d x d products.

    Parameters
    ----------
    alpha : float
        Not negative.
    l1_ratio : float
        0 to 1: how much of the penalty is that of the lasso.
    fit_intercept : bool
        The intercept b is not penalised.
    max_iter : int
        Sweeps over the coefficients.
    tol : float
        Stop when the root mean square of the changes in a sweep is less.

    Attributes
    ----------
    coef_ : DNDarray, (d,)
        Replicated.
    intercept_ : float
    n_iter_ : int
    """

    n_iter_: int
    _rules = rules(alpha=real(0), l1_ratio=real(0, 1), max_iter=whole(1), tol=real(0))

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        l1_ratio: float = 0.5,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float = 1e-7,
    ) -> None:
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol

    def fit(self, X: DNDarray, y: DNDarray, sample_weight: DNDarray | None = None) -> ElasticNet:
        """Find the coefficients of samples, (n, d), and targets, (n,). Collective."""
        self._check_parameters()
        check_one_target(y)
        gram, samples = gram_of(X, y, sample_weight, centred=self.fit_intercept)
        penalties = [self.alpha * self.l1_ratio] * samples.d
        identity = torch.eye(samples.d, dtype=torch.float64, device=gram.xx.device)
        ridge = self.alpha * (1 - self.l1_ratio) * identity
        theta, self.n_iter_ = coordinate_descent(
            gram.xx / gram.weight + ridge,
            gram.xy[:, 0] / gram.weight,
            penalties,
            self.max_iter,
            self.tol,
        )
        self._keep(gram, samples, theta.unsqueeze(1), 1)
        return self
