"""Classes by the normal distributions of their features."""

from __future__ import annotations

import math
from typing import Any

import torch

from heat_core.array.dndarray import DNDarray
from heat_core.array.relayout import replicated
from heat_core.estimators import BaseEstimator, ClassificationMixin, check_fitted
from heat_core.indexing.functions import where
from heat_core.ops.arithmetic import abs as abs_
from heat_core.ops.arithmetic import sign
from heat_core.ops.exponential import exp, log
from heat_core.ops.logical import isfinite
from heat_core.ops.reductions import max as max_
from heat_core.ops.reductions import sum as sum_
from heat_core.parameters import real, rules
from heat_core.samples import Samples, check_features, class_codes

__all__ = ["GaussianNB", "class_sums"]

_BLOCK_ROWS = 1 << 13


class GaussianNB(ClassificationMixin, BaseEstimator):
    """Gaussian naive Bayes: in each class, features are independent and normally distributed.

    ``fit`` reads the samples once. It sends the classes of each rank, a sample, and in one
    allreduce the sums of each class, (k + 1)(2 d + 1) numbers.

    Parameters
    ----------
    priors : DNDarray or sequence of float, (k,), optional
        Probabilities of the classes. Default: their shares of the samples.
    var_smoothing : float
        This part of the largest variance of all features is added to all variances.

    Attributes
    ----------
    classes_ : DNDarray, (k,)
    class_count_, class_prior_ : DNDarray, (k,)
    theta_, var_ : DNDarray, (k, d)
        Means and variances; replicated, float64.
    epsilon_ : float
        What is added to variances.
    """

    classes_: DNDarray
    class_count_: DNDarray
    class_prior_: DNDarray
    theta_: DNDarray
    var_: DNDarray
    epsilon_: float
    n_features_in_: int
    _rules = rules(var_smoothing=real(0))

    def __init__(self, priors: object = None, var_smoothing: float = 1e-9) -> None:
        self.priors = priors
        self.var_smoothing = var_smoothing

    def fit(self, X: DNDarray, y: DNDarray, sample_weight: DNDarray | None = None) -> GaussianNB:
        """Find the distributions. Collective.

        Parameters
        ----------
        X : DNDarray, (n, d)
        y : DNDarray, (n,)
            Classes, any numbers.
        sample_weight : DNDarray, (n,), optional
        """
        samples = Samples.of(X)
        classes, codes = class_codes(samples, y)
        self._update(samples, classes, codes, sample_weight, first=True)
        return self

    def partial_fit(
        self,
        X: DNDarray,
        y: DNDarray,
        classes: DNDarray | None = None,
        sample_weight: DNDarray | None = None,
    ) -> GaussianNB:
        """Learn from more samples. Collective.

        Parameters
        ----------
        X, y, sample_weight
            As for ``fit``.
        classes : DNDarray, (k,)
            All classes that will ever come; needed in the first call.
        """
        samples = Samples.of(X)
        first = not hasattr(self, "classes_")
        if first and classes is None:
            raise ValueError("the first call of partial_fit needs all classes")
        known = replicated(classes).unique() if classes is not None else self.classes_.larray
        if not first and not torch.equal(known, self.classes_.larray):
            raise ValueError("these are not the classes of the first call of partial_fit")
        present, codes = class_codes(samples, y)
        places = torch.searchsorted(known, present).clamp(max=len(known) - 1)
        if not torch.equal(known[places], present):
            raise ValueError(f"classes {present.tolist()} are not all among {known.tolist()}")
        self._update(samples, known, places[codes], sample_weight, first=first)
        return self

    def _update(
        self,
        samples: Samples,
        classes: torch.Tensor,
        codes: torch.Tensor,
        sample_weight: DNDarray | None,
        *,
        first: bool,
    ) -> None:
        """Add the moments of samples to those that there are (Chan, Golub, LeVeque 1979)."""
        self._check_parameters()
        priors = self._checked_priors(len(classes), samples.local.device)
        weights = samples.weights(sample_weight)
        shift = samples.rows([0])[0].double()
        sums = class_sums(samples.local, codes, len(classes), weights, shift)
        # The variance that smooths is that of all samples, whatever their class and weight.
        plain = sums if weights is None else class_sums(samples.local, codes * 0, 1, None, shift)
        count, one, two, *plain = samples.sum(*sums, *(part.sum(0) for part in plain))
        if not two.isfinite().all():
            raise ValueError("there are NaN or infinite numbers among the samples")
        seen = count.clamp(min=torch.finfo(torch.float64).tiny).unsqueeze(1)
        spread = (two - one * one / seen).clamp(min=0)
        means = one / seen + shift
        variance = plain[2] / samples.n - (plain[1] / samples.n) ** 2
        if first:
            self.epsilon_ = self.var_smoothing * float(variance.max())
        else:
            check_features(samples, self.theta_.shape[1])
            old = self.class_count_.larray
            old_spread = (self.var_.larray - self.epsilon_) * old.unsqueeze(1)
            both = (old + count).clamp(min=torch.finfo(torch.float64).tiny).unsqueeze(1)
            difference = means - self.theta_.larray
            share = count.unsqueeze(1) / both
            spread = old_spread + spread + difference**2 * old.unsqueeze(1) * share
            means = self.theta_.larray + difference * share
            count = old + count
            seen = both
        self.classes_, self.n_features_in_ = samples.shared(classes), samples.d
        self.class_count_ = samples.shared(count)
        self.class_prior_ = samples.shared(count / count.sum() if priors is None else priors)
        self.theta_ = samples.shared(means)
        self.var_ = samples.shared(spread / seen + self.epsilon_)

    def _checked_priors(self, n_classes: int, device: torch.device) -> torch.Tensor | None:
        if self.priors is None:
            return None
        given = replicated(self.priors) if isinstance(self.priors, DNDarray) else self.priors
        priors = torch.as_tensor(given, dtype=torch.float64, device=device)
        if priors.shape != (n_classes,):
            raise ValueError(f"there is one prior for each of {n_classes} classes")
        if bool((priors < 0).any()) or abs(float(priors.sum()) - 1) > 1e-8:
            raise ValueError("priors are not negative and add up to 1")
        return priors

    def predict(self, X: DNDarray) -> DNDarray:
        """The most probable class of each sample, (n,). Local unless ``X`` is split at 1."""
        samples, joint = self._joint(X)
        return samples.array(self.classes_.larray[joint.argmax(1)])

    def predict_log_proba(self, X: DNDarray) -> DNDarray:
        """Logarithms of the probabilities of the classes, (n, k). Local as ``predict``."""
        samples, joint = self._joint(X)
        return samples.array(joint.log_softmax(1).to(samples.local.dtype))

    def predict_proba(self, X: DNDarray) -> DNDarray:
        """Probabilities of the classes, (n, k). Local as ``predict``."""
        samples, joint = self._joint(X)
        return samples.array(joint.softmax(1).to(samples.local.dtype))

    @staticmethod
    def logsumexp(
        a: DNDarray,
        axis: int | tuple[int, ...] | None = None,
        b: DNDarray | None = None,
        keepdims: bool = False,
        return_sign: bool = False,
    ) -> Any:
        """The logarithm of sums of exponentials, without overflow. Collective as ``sum``.

        Parameters
        ----------
        a : DNDarray
            Real.
        axis : int or tuple of int, optional
            Default: all.
        b : DNDarray, optional
            Factors of the exponentials, broadcast with ``a``.
        keepdims : bool
        return_sign : bool
            Return the logarithm of the magnitude, and the sign; otherwise the logarithm of a
            negative sum is NaN.
        """
        # About the largest one, of which the exponential is 1; infinities stay what they are.
        top = max_(a, axis=axis, keepdims=True)
        top = where(isfinite(top), top, 0.0)
        terms = exp(a - top) if b is None else exp(a - top) * b
        total = sum_(terms, axis=axis, keepdims=keepdims)
        if not keepdims:
            top = top.reshape(total.shape)
        if return_sign:
            return log(abs_(total)) + top, sign(total)
        return log(total) + top

    def _joint(self, X: DNDarray) -> tuple[Samples, torch.Tensor]:
        """Logarithms of the joint densities of samples and classes, (rows, k)."""
        check_fitted(self)
        samples = Samples.of(X, least=0)
        check_features(samples, self.theta_.shape[1])
        theta, var = self.theta_.larray, self.var_.larray
        constant = self.class_prior_.larray.log() - 0.5 * (2 * math.pi * var).log().sum(1)
        # The square of the deviation, as products of matrices; about the mean of the classes.
        centre = theta.mean(0)
        moved = theta - centre
        constant = constant - 0.5 * (moved * moved / var).sum(1)
        result = torch.empty(
            len(samples.local), len(theta), dtype=torch.float64, device=samples.local.device
        )
        for start in range(0, len(result), _BLOCK_ROWS):
            part = slice(start, start + _BLOCK_ROWS)
            rows = samples.local[part].double() - centre
            linear = torch.addmm(constant, rows, (moved / var).T)
            result[part] = torch.addmm(linear, rows.square_(), (1 / var).T, alpha=-0.5)
        return samples, result


def class_sums(
    rows: torch.Tensor,
    codes: torch.Tensor,
    n_classes: int,
    weights: torch.Tensor | None,
    shift: torch.Tensor,
) -> list[torch.Tensor]:
    """Weight, and sums of the deviations from ``shift`` and of their squares, by class; pure.

    Parameters
    ----------
    rows : torch.Tensor, (n, d)
    codes : torch.Tensor, (n,)
        Numbers of the classes.
    n_classes : int
    weights : torch.Tensor, (n,), or None
    shift : torch.Tensor, (d,)

    Returns
    -------
    [(k,), (k, d), (k, d)]
        In double precision.
    """
    d = rows.shape[1]
    count = torch.zeros(n_classes, dtype=torch.float64, device=rows.device)
    one, two = (
        torch.zeros(n_classes, d, dtype=torch.float64, device=rows.device) for _ in range(2)
    )
    numbers = torch.arange(n_classes, device=rows.device).unsqueeze(1)
    for start in range(0, len(rows), _BLOCK_ROWS):
        part = slice(start, start + _BLOCK_ROWS)
        member = (codes[part] == numbers).double()
        if weights is not None:
            member *= weights[part]
        deviation = rows[part].double() - shift
        count += member.sum(1)
        one += member @ deviation
        two += member @ deviation.square_()
    return [count, one, two]
