"""Principal component analysis."""

from __future__ import annotations

import math
from typing import Any

import torch

from heat_core.array.dndarray import DNDarray
from heat_core.array.relayout import replicated
from heat_core.decomposition.projection import Projection
from heat_core.decomposition.scatter import mean_and_energy, scatter_of
from heat_core.linalg.hierarchical import hsvd
from heat_core.linalg.qr import qr
from heat_core.linalg.randomized import rsvd
from heat_core.linalg.svd import SVDResult, svd
from heat_core.parameters import one_of, real, rules, whole
from heat_core.random import Generator
from heat_core.samples import Samples

__all__ = ["PCA"]

_SOLVERS = ("auto", "covariance_eigh", "full", "hierarchical", "randomized")
_AUTO_FEATURES = 2048  # up to here, a d x d matrix is less work than anything else

_Found = tuple[torch.Tensor, torch.Tensor]  # components, (k, d), and squared singular values, (k,)


class PCA(Projection):
    """Principal components: the orthogonal directions in which samples vary most.

    Parameters
    ----------
    n_components : int, float or None
        How many; of (0, 1): as many as explain this share of the variance; None: min(n, d).
    copy : bool
        Has no effect: samples are never overwritten.
    whiten : bool
        Whether ``transform`` scales the coordinates to variance 1.
    svd_solver : {"auto", "covariance_eigh", "full", "hierarchical", "randomized"}
        ``"covariance_eigh"``: one pass over the samples, two messages of d and d (d + 1) numbers.
        ``"full"``: by QR of the samples, exact also for variances below 1e-16 of the largest.
        ``"hierarchical"``: ``linalg.hsvd``. ``"randomized"``: ``linalg.rsvd``, for few components
        of many features. ``"auto"``: the first one up to 2048 features, beyond the last one for
        an int of components and ``"full"`` otherwise.
    tol : float, optional
        Of ``"hierarchical"``: the relative error, instead of a number of components.
    iterated_power : int or "auto"
        Of ``"randomized"``, as ``power_iter`` of ``rsvd``; ``"auto"`` is 4.
    n_oversamples : int
        Of ``"randomized"``.
    power_iteration_normalizer : {"qr"}
    random_state : int, Generator or None
        Of ``"randomized"``.

    Examples
    --------
    >>> import heat_core as ht
    >>> X = ht.array([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]], split=0)
    >>> ht.decomposition.PCA(1).fit(X).components_.round(3).tolist()
    [[0.6, 0.8]]
    """

    n_samples_: int
    _rules = rules(
        n_components=one_of(None) | real(),
        svd_solver=one_of(*_SOLVERS),
        tol=one_of(None) | real(0),
        iterated_power=one_of("auto") | whole(0),
        n_oversamples=whole(0),
        power_iteration_normalizer=one_of("qr"),
    )

    def __init__(
        self,
        n_components: int | float | None = None,
        copy: bool = True,
        whiten: bool = False,
        svd_solver: str = "auto",
        tol: float | None = None,
        iterated_power: int | str = "auto",
        n_oversamples: int = 10,
        power_iteration_normalizer: str = "qr",
        random_state: int | Generator | None = None,
    ) -> None:
        self.n_components = n_components
        self.copy = copy
        self.whiten = whiten
        self.svd_solver = svd_solver
        self.tol = tol
        self.iterated_power = iterated_power
        self.n_oversamples = n_oversamples
        self.power_iteration_normalizer = power_iteration_normalizer
        self.random_state = random_state

    def fit(self, X: DNDarray, y: DNDarray | None = None) -> PCA:
        """Find the components of samples, (n, d). Collective."""
        del y
        samples = Samples.of(X)
        self._check(samples)
        solver = self._chosen(samples)
        if solver == "covariance_eigh":
            mean, scatter = scatter_of(samples)
            total = float(scatter.trace())
            components, squares = _of_scatter(scatter)
        else:
            mean, total = mean_and_energy(samples)
            centred = samples.array(samples.local - mean.to(samples.local.dtype))
            components, squares = getattr(self, f"_{solver}")(centred)
        k = self._wanted(samples, squares, total)
        self.n_samples_ = samples.n
        self._keep(samples, mean, components[:k], squares[:k], total, samples.n)
        return self

    def _check(self, samples: Samples) -> None:
        self._check_parameters()
        wanted, most = self.n_components, min(samples.n, samples.d)
        if wanted is None:
            return
        if not isinstance(wanted, float):
            if not 1 <= wanted <= most:
                sizes = f"{samples.n} samples, {samples.d} features"
                raise ValueError(f"n_components={wanted} of {sizes}")
        elif not 0 < wanted < 1:
            raise ValueError(f"n_components as a share of the variance is in (0, 1), not {wanted}")
        elif self.svd_solver == "randomized":
            raise ValueError("a share of the variance needs another svd_solver than 'randomized'")

    def _chosen(self, samples: Samples) -> str:
        if self.svd_solver != "auto":
            return self.svd_solver
        if samples.d <= _AUTO_FEATURES:
            return "covariance_eigh"
        counted = self.n_components is not None and not isinstance(self.n_components, float)
        return "randomized" if counted else "full"

    def _wanted(self, samples: Samples, squares: torch.Tensor, total: float) -> int:
        most = min(samples.n, samples.d, len(squares))
        if self.n_components is None:
            return most
        if not isinstance(self.n_components, float):
            return min(int(self.n_components), most)
        # As scikit-learn: the first number whose share exceeds the wanted one.
        shares = squares.cumsum(0) / total if total > 0 else torch.ones_like(squares)
        return min(int((shares <= self.n_components).sum()) + 1, most)

    def _full(self, centred: DNDarray) -> _Found:
        triangle = qr(centred, mode="r").R if centred.shape[0] >= centred.shape[1] else centred
        found = svd(triangle, full_matrices=False)
        assert isinstance(found, SVDResult)
        return _whole(found.Vh, found.S)

    def _randomized(self, centred: DNDarray) -> _Found:
        k = int(self.n_components or min(centred.shape))
        powers = 4 if isinstance(self.iterated_power, str) else self.iterated_power
        found = rsvd(centred, k, self.n_oversamples, powers, random_state=self.random_state)
        return _whole(found.Vh, found.S)

    def _hierarchical(self, centred: DNDarray) -> _Found:
        rank, rtol = None, self.tol
        if isinstance(self.n_components, float):
            # Half of the error for what the levels lose; the share itself is cut to measure.
            rtol = math.sqrt(1 - self.n_components) / 2
        elif self.n_components is not None or rtol is None:
            rank = int(self.n_components or min(centred.shape))
        found: Any = hsvd(centred, rank, rtol=rtol, safetyshift=5, compute_sv=True)
        return _whole(found.V.T, found.S)


def _whole(components: DNDarray, values: DNDarray) -> _Found:
    return replicated(components), replicated(values).double().square()


def _of_scatter(scatter: torch.Tensor) -> _Found:
    values, vectors = torch.linalg.eigh(scatter)
    return vectors.flip(1).T, values.flip(0).clamp_min(0)
