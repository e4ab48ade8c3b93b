"""Logistic regression: classes by linear functions of features."""

from __future__ import annotations

import logging

import torch

from heat_core.array.dndarray import DNDarray
from heat_core.estimators import BaseEstimator, ClassificationMixin, check_fitted
from heat_core.ops.moments import moments
from heat_core.parameters import real, rules, whole
from heat_core.samples import Samples, check_features, check_numbers, class_codes

__all__ = ["LogisticRegression"]

logger = logging.getLogger(__name__)

_BLOCK_ROWS = 1 << 13


class LogisticRegression(ClassificationMixin, BaseEstimator):
    """Minimises ``C * (sum of logistic losses) + |w|^2 / 2`` by the method L-BFGS.

    Of more than two classes the multinomial loss. Each evaluation reads the samples once, and sends
    one message of k (d + 1) + 1 numbers; the method itself needs none.

    Parameters
    ----------
    C : float
        Positive; small values penalise more. ``inf``: no penalty.
    fit_intercept : bool
        The intercept is not penalised.
    max_iter : int
    tol : float
        Stop when no component of the gradient of the mean loss is larger.

    Attributes
    ----------
    classes_ : DNDarray, (k,)
        Replicated, as the others.
    coef_ : DNDarray, (k, d), or (1, d) for two classes
    intercept_ : DNDarray, (k,) or (1,)
    n_iter_ : int
    """

    classes_: DNDarray
    coef_: DNDarray
    intercept_: DNDarray
    n_iter_: int
    n_features_in_: int
    _rules = rules(C=real(positive=True), max_iter=whole(1), tol=real(0))

    def __init__(
        self,
        C: float = 1.0,
        *,
        fit_intercept: bool = True,
        max_iter: int = 500,
        tol: float = 1e-8,
    ) -> None:
        self.C = C
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol

    def fit(
        self, X: DNDarray, y: DNDarray, sample_weight: DNDarray | None = None
    ) -> LogisticRegression:
        """Find the coefficients. Collective.

        Parameters
        ----------
        X : DNDarray, (n, d)
        y : DNDarray, (n,)
            Classes, at least two different ones.
        sample_weight : DNDarray, (n,), optional
        """
        self._check_parameters()
        samples = Samples.of(X)
        finite = bool(samples.local.isfinite().all())
        check_numbers(samples, finite, "there are NaN or infinite numbers among the samples")
        classes, codes = class_codes(samples, y)
        if len(classes) < 2:
            raise ValueError("there is one class only")
        weights = samples.weights(sample_weight)
        self.classes_, self.n_features_in_ = samples.shared(classes), samples.d
        found, self.n_iter_ = self._minimum(samples, codes, weights, len(classes))
        if self.n_iter_ == self.max_iter:
            logger.warning("LogisticRegression used all of max_iter=%d iterations", self.max_iter)
        self.coef_ = samples.replicated(found[:, :-1].contiguous())
        self.intercept_ = samples.replicated(found[:, -1].contiguous())
        return self

    def _minimum(
        self, samples: Samples, codes: torch.Tensor, weights: torch.Tensor | None, k: int
    ) -> tuple[torch.Tensor, int]:
        """Coefficients and intercepts, (k or 1, d + 1), and the number of iterations."""
        rows = 1 if k == 2 else k
        mass = samples.local.new_ones(len(codes)) if weights is None else weights
        (total,) = samples.sum(mass.double().sum())
        # Coefficients in units of the curvature, and centred features, make the method quick.
        found = moments(samples.array(samples.local), axis=0, order=2)
        assert found.m2 is not None
        ridge = 1 / (self.C * float(total))
        scale = (found.m2.larray.double() / samples.n / 4 + ridge).sqrt()
        scale = torch.where(scale > 0, scale, 1.0)
        mean = found.mean.larray.double() if self.fit_intercept else torch.zeros_like(scale)
        penalty = ridge / scale**2
        theta = mean.new_zeros(rows, samples.d + 1).requires_grad_()

        def unscaled() -> torch.Tensor:
            slopes = theta.detach()[:, :-1] / scale
            return torch.cat((slopes, theta.detach()[:, -1:] - (slopes @ mean)[:, None]), 1)

        method = torch.optim.LBFGS(
            [theta],
            max_iter=self.max_iter,
            max_eval=10 * self.max_iter,
            tolerance_grad=self.tol,
            tolerance_change=1e-14,
            history_size=10,
            line_search_fn="strong_wolfe",
        )

        def evaluated() -> torch.Tensor:
            loss, gradient = samples.sum(*_loss(samples.local, codes, mass, unscaled()))
            slopes, constants = gradient[:, :-1], gradient[:, -1:]
            inside = (slopes - constants * mean) / scale / float(total)
            inside += penalty * theta.detach()[:, :-1]
            theta.grad = torch.cat((inside, constants / float(total)), 1)
            if not self.fit_intercept:
                theta.grad[:, -1] = 0
            return loss / float(total) + 0.5 * (penalty * theta.detach()[:, :-1] ** 2).sum()

        method.step(evaluated)
        n_iter = int(method.state[theta].get("n_iter", 0))
        return unscaled(), n_iter

    def decision_function(self, X: DNDarray) -> DNDarray:
        """The linear functions of samples, (n,) for two classes, else (n, k). Local as predict."""
        check_fitted(self)
        samples = Samples.of(X, least=0)
        check_features(samples, self.coef_.shape[1])
        kind = samples.local.dtype
        scores = samples.local @ self.coef_.larray.to(kind).T + self.intercept_.larray.to(kind)
        return samples.array(scores[:, 0] if scores.shape[1] == 1 else scores)

    def predict_proba(self, X: DNDarray) -> DNDarray:
        """The probabilities of the classes, (n, k). Local as ``predict``."""
        scores = self.decision_function(X)
        local = scores.larray
        if local.ndim == 1:
            positive = local.sigmoid()
            local = torch.stack((1 - positive, positive), 1)
        else:
            local = local.softmax(1)
        return Samples(local, scores.layout, scores.comm).array(local)

    def predict(self, X: DNDarray) -> DNDarray:
        """The class of each sample, (n,). Local unless ``X`` is split along axis 1."""
        scores = self.decision_function(X)
        local = scores.larray
        codes = (local > 0).long() if local.ndim == 1 else local.argmax(1)
        return Samples(local, scores.layout, scores.comm).array(self.classes_.larray[codes])


def _loss(
    rows: torch.Tensor, codes: torch.Tensor, mass: torch.Tensor, theta: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The weighted losses of a rank's rows, and their gradient, (k or 1, d + 1)."""
    loss = theta.new_zeros(())
    gradient = torch.zeros_like(theta)
    coefficients, constants = theta[:, :-1], theta[:, -1]
    for start in range(0, len(rows), _BLOCK_ROWS):
        part = slice(start, start + _BLOCK_ROWS)
        # In double precision: the line search would stall in the noise of single precision.
        block, own, weight = rows[part].double(), codes[part], mass[part].double()
        # A row for each class: along the few classes torch is slow.
        scores = torch.addmm(constants.unsqueeze(1), coefficients, block.T)
        if len(theta) == 1:
            scores = scores[0]
            losses = torch.nn.functional.softplus(torch.where(own > 0, -scores, scores))
            slope = ((scores.sigmoid() - own) * weight).unsqueeze(0)
        else:
            right = own.unsqueeze(0)
            top = scores.amax(0)
            losses = top - scores.gather(0, right)[0]
            slope = scores.sub_(top).exp_()
            total = slope.sum(0)
            losses += total.log()
            slope /= total
            slope.scatter_add_(0, right, slope.new_full(right.shape, -1.0))
            slope *= weight
        loss += (losses * weight).sum()
        gradient[:, :-1] += slope @ block
        gradient[:, -1] += slope.sum(1)
    return loss, gradient
