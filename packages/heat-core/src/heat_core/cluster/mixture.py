"""Mixtures of normal distributions, by expectation maximisation.

C. M. Bishop: Pattern Recognition and Machine Learning (2006), section 9.2.
"""

from __future__ import annotations

import math
from itertools import count

import torch

from heat_core.array.dndarray import DNDarray
from heat_core.cluster.centres import TIE
from heat_core.cluster.kmeans import KMeans
from heat_core.estimators import BaseEstimator, ClusteringMixin, check_fitted
from heat_core.parameters import one_of, real, rules, whole
from heat_core.random import Generator, default_rng
from heat_core.samples import Samples, check_features

__all__ = ["GaussianMixture"]

_BLOCK_ROWS = 1 << 13

_Sums = list[
    torch.Tensor
]  # weights (k,), sums (k, d), products (k, d, d) or (k, d), log-likelihood


class GaussianMixture(ClusteringMixin, BaseEstimator):
    """Clusters as normal distributions, to which samples belong with a probability.

    An iteration reads the samples once, and sends one message of k (1 + d + d d) + 1 numbers.

    Parameters
    ----------
    n_components : int
    covariance_type : {"full", "diag"}
    tol : float
        Stop when the mean log-likelihood of a sample grows by less.
    reg_covar : float
        Added to the variances.
    max_iter : int
    n_init : int
        Fits from so many starts by k-means, of which the best is kept.
    random_state : int, Generator or None

    Attributes
    ----------
    weights_, means_ : DNDarray, (k,) and (k, d)
        Replicated.
    covariances_ : DNDarray, (k, d, d), or (k, d)
    labels_ : DNDarray, (n,)
        The most probable component of each sample.
    converged_ : bool
    n_iter_ : int
    lower_bound_ : float
        Mean log-likelihood of a sample.
    """

    weights_: DNDarray
    means_: DNDarray
    covariances_: DNDarray
    labels_: DNDarray
    converged_: bool
    n_iter_: int
    lower_bound_: float
    n_features_in_: int
    _rules = rules(
        n_components=whole(1),
        covariance_type=one_of("full", "diag"),
        tol=real(0),
        reg_covar=real(0),
        max_iter=whole(1),
        n_init=whole(1),
    )

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: str = "full",
        tol: float = 1e-3,
        reg_covar: float = 1e-6,
        max_iter: int = 100,
        n_init: int = 1,
        random_state: int | Generator | None = None,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.random_state = random_state

    def fit(self, X: DNDarray, y: DNDarray | None = None) -> GaussianMixture:
        """Find the components of samples, (n, d). Collective."""
        del y
        samples = Samples.of(X)
        self._check_parameters()
        if self.n_components > samples.n:
            raise ValueError(f"n_components={self.n_components} for {samples.n} samples")
        rng = default_rng(self.random_state)
        self.lower_bound_ = -math.inf
        for _ in range(self.n_init):
            self._climb(samples, rng)
        self.labels_, self.n_features_in_ = self.predict(X), samples.d
        return self

    def _climb(self, samples: Samples, rng: Generator) -> None:
        """One start, kept if it is the best."""
        start = KMeans(self.n_components, random_state=rng).fit(samples.array(samples.local))
        codes = start.labels_.larray
        shift = samples.rows([0])[0].double()
        state = self._maximised(self._sums(samples, None, codes, shift), shift)
        bound = -math.inf
        for n_iter in count(1):
            sums = self._sums(samples, state, None, shift)
            previous, bound = bound, float(sums[-1]) / samples.n
            state = self._maximised(sums, shift)
            converged = abs(bound - previous) < self.tol
            if converged or n_iter == self.max_iter:
                break
        if bound - self.lower_bound_ > TIE * abs(bound):  # else the first of equals
            weights, means, covariances = state
            self.weights_, self.means_ = samples.shared(weights), samples.shared(means)
            self.covariances_ = samples.shared(covariances)
            self.lower_bound_, self.converged_, self.n_iter_ = bound, converged, n_iter

    def _sums(
        self,
        samples: Samples,
        state: tuple[torch.Tensor, ...] | None,
        codes: torch.Tensor | None,
        shift: torch.Tensor,
    ) -> _Sums:
        """Weighted sums over all samples. One allreduce."""
        k, d = self.n_components, samples.d
        full = self.covariance_type == "full"
        weight = shift.new_zeros(k, dtype=torch.float64)
        first = weight.new_zeros(k, d)
        second = weight.new_zeros((k, d, d) if full else (k, d))
        likelihood = weight.new_zeros(())
        factors = None if state is None else _factors(*state)
        for start in range(0, len(samples.local), _BLOCK_ROWS):
            part = slice(start, start + _BLOCK_ROWS)
            rows = samples.local[part].double()
            if factors is None:
                assert codes is not None
                share = torch.nn.functional.one_hot(codes[part], k).double()
            else:
                logarithms = _log_densities(rows, *factors)
                total = logarithms.logsumexp(1, keepdim=True)
                likelihood += total.sum()
                share = (logarithms - total).exp_()
            moved = rows - shift
            weight += share.sum(0)
            first += share.T @ moved
            if full:
                for number in range(k):
                    second[number].addmm_((moved * share[:, number, None]).T, moved)
            else:
                second += share.T @ moved.square()
        sums = samples.sum(weight, first, second, likelihood)
        if not bool(sums[2].isfinite().all()):
            raise ValueError("there are NaN or infinite numbers among the samples")
        return sums

    def _maximised(self, sums: _Sums, shift: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Weights, means and covariances from the sums of shares."""
        weight, first, second, _ = sums
        mass = weight + 10 * torch.finfo(torch.float64).eps
        means = first / mass.unsqueeze(1)
        if self.covariance_type == "full":
            outer = means.unsqueeze(2) * means.unsqueeze(1)
            covariances = second / mass.reshape(-1, 1, 1) - outer
            covariances.diagonal(dim1=1, dim2=2).add_(self.reg_covar)
        else:
            covariances = second / mass.unsqueeze(1) - means.square() + self.reg_covar
        return mass / mass.sum(), means + shift, covariances

    def _logarithms(self, X: DNDarray) -> tuple[Samples, torch.Tensor]:
        check_fitted(self)
        samples = Samples.of(X, least=0)
        check_features(samples, self.means_.shape[1])
        state = (self.weights_.larray, self.means_.larray, self.covariances_.larray)
        return samples, _log_densities(samples.local.double(), *_factors(*state))

    def predict(self, X: DNDarray) -> DNDarray:
        """The most probable component of each sample, (n,). Local unless split along axis 1."""
        samples, logarithms = self._logarithms(X)
        return samples.array(logarithms.argmax(1))

    def predict_proba(self, X: DNDarray) -> DNDarray:
        """The probabilities of the components of each sample, (n, k). Local as ``predict``."""
        samples, logarithms = self._logarithms(X)
        return samples.array(logarithms.softmax(1).to(samples.local.dtype))

    def score_samples(self, X: DNDarray) -> DNDarray:
        """The logarithm of the density at each sample, (n,). Local as ``predict``."""
        samples, logarithms = self._logarithms(X)
        return samples.array(logarithms.logsumexp(1).to(samples.local.dtype))

    def score(self, X: DNDarray, y: DNDarray | None = None) -> float:
        """The mean of ``score_samples``. Collective."""
        del y
        samples, logarithms = self._logarithms(X)
        (total,) = samples.sum(logarithms.logsumexp(1).sum())
        return float(total) / samples.n


def _factors(
    weights: torch.Tensor, means: torch.Tensor, covariances: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    """Means, whitening matrices or factors, and the logarithms of weights and volumes."""
    d = means.shape[1]
    constant = weights.log() - 0.5 * d * math.log(2 * math.pi)
    if covariances.ndim == 2:
        return means, covariances.rsqrt(), constant - 0.5 * covariances.log().sum(1)
    lower, failed = torch.linalg.cholesky_ex(covariances)
    if bool((failed > 0).any()):
        raise ValueError("a covariance is not positive: use fewer components or more reg_covar")
    identity = torch.eye(d, dtype=torch.float64, device=lower.device).expand_as(lower)
    inverse = torch.linalg.solve_triangular(lower, identity, upper=False)
    volumes = lower.diagonal(dim1=1, dim2=2).log().sum(1)
    return means, inverse, constant - volumes


def _log_densities(
    rows: torch.Tensor, means: torch.Tensor, inverse: torch.Tensor, constant: torch.Tensor
) -> torch.Tensor:
    """Logarithms of weight times density, (n, k)."""
    result = rows.new_empty(len(rows), len(means))
    for number, (mean, white) in enumerate(zip(means, inverse, strict=True)):
        moved = rows - mean
        scaled = moved @ white.T if white.ndim == 2 else moved * white
        torch.sum(scaled.square_(), 1, out=result[:, number])
    return result.mul_(-0.5).add_(constant)
