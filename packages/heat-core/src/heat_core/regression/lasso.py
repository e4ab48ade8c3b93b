"""Least squares with few coefficients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import count

import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.dtypes import float_type
from heat_core.estimators import BaseEstimator, RegressionMixin, check_fitted
from heat_core.ops.moments import mean
from heat_core.parameters import real, rules, whole
from heat_core.regression.gram import check_one_target, gram_of
from heat_core.samples import Samples, check_features

__all__ = ["Lasso", "coordinate_descent"]


class Lasso(RegressionMixin, BaseEstimator):
    """Minimises ``|y - X theta|**2 / (2 n) + lam |theta[1:]|_1`` by coordinate descent.

    The samples are read once, to form the d x d products, with one message, the allreduce of
    1 + (d + 1)**2 numbers; the descent itself needs neither samples nor messages (Friedman,
    Hastie, Tibshirani 2010, "covariance updates").

    Parameters
    ----------
    lam : float
        Penalty of all coefficients but the first. Column 0 of X stands for the intercept: it is
        usually all ones.
    max_iter : int
        Sweeps over the coefficients.
    tol : float
        Stop when the root mean square of the changes in a sweep is less.

    Attributes
    ----------
    theta : DNDarray, (d, 1)
        All coefficients; replicated.
    coef_ : DNDarray, (d - 1, 1)
        Those of the columns from 1 on.
    intercept_ : DNDarray, (1, 1)
        That of column 0.
    n_iter : int
        Number of sweeps.

    Examples
    --------
    >>> import heat_core as ht
    >>> X = ht.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]], split=0)
    >>> fitted = ht.regression.Lasso(lam=0.0).fit(X, ht.array([1.0, 3.0, 5.0], split=0))
    >>> fitted.coef_.round(3).tolist()
    [[2.0]]
    """

    n_features_in_: int
    _rules = rules(lam=real(0), max_iter=whole(1), tol=real(0))

    def __init__(self, lam: float = 0.1, max_iter: int = 100, tol: float = 1e-6) -> None:
        self.lam = lam
        self.max_iter = max_iter
        self.tol = tol

    def fit(self, x: DNDarray, y: DNDarray) -> Lasso:
        """Find the coefficients. Collective.

        Parameters
        ----------
        x : DNDarray, (n, d)
            Column 0 stands for the intercept.
        y : DNDarray, (n,) or (n, 1)
        """
        self._check_parameters()
        check_one_target(y)
        gram, samples = gram_of(x, y, centred=False)
        penalties = [0.0, *(self.lam,) * (samples.d - 1)]
        theta, self.n_iter = coordinate_descent(
            gram.xx / samples.n, gram.xy[:, 0] / samples.n, penalties, self.max_iter, self.tol
        )
        self.n_features_in_ = samples.d
        self._theta_ = samples.replicated(theta.unsqueeze(1))
        self.coef_ = samples.replicated(theta[1:].unsqueeze(1))
        self.intercept_ = samples.replicated(theta[:1].unsqueeze(1))
        return self

    @property
    def theta(self) -> DNDarray:
        """All coefficients, (d, 1)."""
        check_fitted(self)
        return self._theta_

    def soft_threshold(self, rho: DNDarray) -> DNDarray:
        """``rho`` moved by ``lam`` towards 0, element by element. Local."""
        local = torch.nn.functional.softshrink(rho.larray.to(float_type(rho.dtype).torch), self.lam)
        return wrap(local, rho.layout, rho.comm)

    @staticmethod
    def rmse(gt: DNDarray, yest: DNDarray) -> float:
        """The root of the mean squared difference of two arrays. Collective if distributed."""
        return math.sqrt(mean((gt - yest) ** 2).item())

    def predict(self, x: DNDarray) -> DNDarray:
        """The numbers of samples, (n,). Local unless ``x`` is split along axis 1."""
        check_fitted(self)
        samples = Samples.of(x, least=0)
        check_features(samples, self._theta_.shape[0])
        return samples.array(samples.local @ self._theta_.larray[:, 0].to(samples.local.dtype))


def coordinate_descent(
    xx: torch.Tensor, xy: torch.Tensor, penalties: Sequence[float], max_iter: int, tol: float
) -> tuple[torch.Tensor, int]:
    """The minimum of ``theta' xx theta / 2 - theta' xy + penalties' |theta|``; pure.

    Parameters
    ----------
    xx : torch.Tensor, (d, d)
        Symmetric, positive semidefinite; float64.
    xy : torch.Tensor, (d,)
    penalties : sequence of float, (d,)
    max_iter : int
    tol : float

    Returns
    -------
    (theta, sweeps)
    """
    products, d = xx.cpu().numpy(), len(xy)
    residual = xy.cpu().numpy().copy()  # xy - xx theta
    theta = [0.0] * d
    for sweep in count(1):
        moved = 0.0
        for j in range(d):
            scale = products[j, j]
            if scale == 0:
                continue
            rho = residual[j] + scale * theta[j]
            new = float(max(abs(rho) - penalties[j], 0.0) / scale * (1 if rho > 0 else -1))
            change = new - theta[j]
            if change:
                residual -= change * products[j]
                theta[j] = new
                moved += change * change
        if (moved / d) ** 0.5 < tol or sweep == max_iter:
            return torch.tensor(theta, dtype=torch.float64, device=xx.device), sweep
    raise AssertionError("unreachable")
