"""Scale each feature: what is learnt is a shift and a factor, applied in one pass."""

from __future__ import annotations

from abc import abstractmethod
from typing import TypeVar

import torch

from heat_core.array.dndarray import DNDarray
from heat_core.estimators import BaseEstimator, TransformMixin, check_fitted
from heat_core.ops.moments import moments
from heat_core.ops.quantile import percentile
from heat_core.parameters import ascending, rules
from heat_core.samples import Samples, check_features

__all__ = ["MaxAbsScaler", "MinMaxScaler", "RobustScaler", "StandardScaler"]

S = TypeVar("S", bound="RunningScaler")

_BLOCK_ROWS = 1 << 13


class Scaler(TransformMixin, BaseEstimator):
    """Maps x to ``(x - shift) * factor + offset``, feature by feature."""

    copy: bool
    n_features_in_: int

    @abstractmethod
    def _affine(self) -> tuple[torch.Tensor, torch.Tensor, float]:
        """Shift and factor, (d,), and the offset; float64."""

    def transform(self, X: DNDarray) -> DNDarray:
        """The samples scaled, (n, d). Local unless ``X`` is split along axis 1."""
        shift, factor, offset = self._known()
        return self._mapped(X, shift, factor, offset)

    def inverse_transform(self, X: DNDarray) -> DNDarray:
        """The samples of which these are the scaled ones, (n, d). Local as ``transform``."""
        shift, factor, offset = self._known()
        # (y - offset) / factor + shift, written as the map itself.
        return self._mapped(X, offset - shift * factor, 1 / factor, 0.0)

    def _known(self) -> tuple[torch.Tensor, torch.Tensor, float]:
        check_fitted(self)
        return self._affine()

    def _mapped(
        self, X: DNDarray, shift: torch.Tensor, factor: torch.Tensor, offset: float
    ) -> DNDarray:
        samples = Samples.of(X, least=0)
        check_features(samples, self.n_features_in_)
        local = samples.local
        result = torch.empty_like(local) if self.copy else local
        # Integers have been converted by now, and need no second copy.
        shift, factor = shift.to(local.dtype), factor.to(local.dtype)
        for start in range(0, len(local), _BLOCK_ROWS):
            part = slice(start, start + _BLOCK_ROWS)
            block = torch.sub(local[part], shift, out=result[part]).mul_(factor)
            if offset:
                block.add_(offset)
        return samples.array(result)

    def _seen(self, X: DNDarray) -> Samples:
        """The samples to learn from; ValueError if the features are not those of before."""
        samples = Samples.of(X)
        if hasattr(self, "n_features_in_"):
            check_features(samples, self.n_features_in_)
        self.n_features_in_ = samples.d
        return samples


def _check_learnt(*learnt: torch.Tensor) -> None:
    """ValueError if statistics, which all ranks have, are not finite."""
    if not all(bool(part.isfinite().all()) for part in learnt):
        raise ValueError(
            "there are NaN or infinite numbers among the samples: leave them out or replace them"
        )


class RunningScaler(Scaler):
    """A scaler that can learn from one part of the samples after the other."""

    @abstractmethod
    def partial_fit(self: S, X: DNDarray, y: DNDarray | None = None) -> S:
        """Learn from more samples."""

    def fit(self: S, X: DNDarray, y: DNDarray | None = None) -> S:
        """Learn from samples, (n, d), and forget earlier ones. Collective."""
        for name in [name for name in vars(self) if name.endswith("_")]:
            delattr(self, name)
        return self.partial_fit(X, y)


class StandardScaler(RunningScaler):
    """To mean 0 and variance 1. Constant features are shifted only.

    Parameters
    ----------
    copy : bool
        False: ``transform`` writes to the samples themselves if they are floating-point numbers.
    with_mean, with_std : bool
        Whether to shift, and whether to scale.

    Attributes
    ----------
    mean_, var_, scale_ : DNDarray, (d,)
        Replicated; ``scale_`` is the standard deviation, or 1.
    n_samples_seen_ : int
    """

    mean_: DNDarray
    var_: DNDarray
    scale_: DNDarray
    n_samples_seen_: int

    def __init__(self, copy: bool = True, with_mean: bool = True, with_std: bool = True) -> None:
        self.copy = copy
        self.with_mean = with_mean
        self.with_std = with_std

    def partial_fit(self, X: DNDarray, y: DNDarray | None = None) -> StandardScaler:
        """Learn from more samples. Collective."""
        del y
        known = hasattr(self, "mean_")
        samples = self._seen(X)
        found = moments(samples.array(samples.local), axis=0, order=2)
        assert found.m2 is not None
        n, mean, m2 = samples.n, found.mean.larray.double(), found.m2.larray.double()
        _check_learnt(m2)
        if known:
            old, old_mean = self.n_samples_seen_, self.mean_.larray
            # Chan, Golub, LeVeque (1979), eq. 2.1
            difference = mean - old_mean
            m2 = m2 + self.var_.larray * old + difference**2 * (old * n / (old + n))
            mean = old_mean + difference * (n / (old + n))
            n += old
        self.n_samples_seen_ = n
        self.mean_, self.var_ = samples.shared(mean), samples.shared(m2 / n)
        deviation = (m2 / n).sqrt()
        # Of a constant feature, rounding is all that is left.
        rounding = 4 * torch.finfo(samples.local.dtype).eps * mean.abs()
        self.scale_ = samples.shared(torch.where(deviation > rounding, deviation, 1.0))
        return self

    def _affine(self) -> tuple[torch.Tensor, torch.Tensor, float]:
        mean, scale = self.mean_.larray, self.scale_.larray
        return (
            mean if self.with_mean else torch.zeros_like(mean),
            1 / scale if self.with_std else torch.ones_like(scale),
            0.0,
        )


def _extremes(samples: Samples) -> tuple[torch.Tensor, torch.Tensor]:
    """Smallest and largest number of each feature, (d,). One allreduce."""
    if len(samples.local):
        low, high = samples.local.aminmax(dim=0)
        packed = torch.cat((-low, high)).double()
    else:
        packed = torch.full(
            (2 * samples.d,), -torch.inf, dtype=torch.float64, device=samples.local.device
        )
    if samples.is_distributed:
        samples.comm.allreduce(packed, "max", out=packed)
    _check_learnt(packed)
    return -packed[: samples.d], packed[samples.d :]


class MinMaxScaler(RunningScaler):
    """To a range. Constant features go to its lower end.

    Parameters
    ----------
    feature_range : (float, float)
    copy : bool
        As of ``StandardScaler``.
    clip : bool
        Whether ``transform`` clips what lies outside the range that was learnt.

    Attributes
    ----------
    data_min_, data_max_, data_range_, scale_, min_ : DNDarray, (d,)
        Replicated; ``transform`` is ``X * scale_ + min_``.
    """

    _rules = rules(feature_range=ascending())
    data_min_: DNDarray
    data_max_: DNDarray
    data_range_: DNDarray
    scale_: DNDarray
    min_: DNDarray

    def __init__(
        self,
        feature_range: tuple[float, float] = (0.0, 1.0),
        *,
        copy: bool = True,
        clip: bool = False,
    ) -> None:
        self.feature_range = feature_range
        self.copy = copy
        self.clip = clip

    def partial_fit(self, X: DNDarray, y: DNDarray | None = None) -> MinMaxScaler:
        """Learn from more samples. Collective."""
        del y
        self._check_parameters()
        start, stop = self.feature_range
        known = hasattr(self, "data_min_")
        samples = self._seen(X)
        low, high = _extremes(samples)
        if known:
            low = torch.minimum(low, self.data_min_.larray)
            high = torch.maximum(high, self.data_max_.larray)
        width = high - low
        scale = (stop - start) / torch.where(width > 0, width, 1.0)
        self.data_min_, self.data_max_ = samples.shared(low), samples.shared(high)
        self.data_range_, self.scale_ = samples.shared(width), samples.shared(scale)
        self.min_ = samples.shared(start - low * scale)
        return self

    def transform(self, X: DNDarray) -> DNDarray:
        """The samples scaled, (n, d). Local unless ``X`` is split along axis 1."""
        result = super().transform(X)
        if self.clip:
            result.larray.clamp_(*self.feature_range)
        return result

    def _affine(self) -> tuple[torch.Tensor, torch.Tensor, float]:
        return self.data_min_.larray, self.scale_.larray, self.feature_range[0]


class MaxAbsScaler(RunningScaler):
    """To [-1, 1], by the largest magnitude of each feature; zeros stay.

    Parameters
    ----------
    copy : bool
        As of ``StandardScaler``.

    Attributes
    ----------
    max_abs_, scale_ : DNDarray, (d,)
        Replicated; ``scale_`` is 1 where all samples are zero.
    """

    max_abs_: DNDarray
    scale_: DNDarray

    def __init__(self, *, copy: bool = True) -> None:
        self.copy = copy

    def partial_fit(self, X: DNDarray, y: DNDarray | None = None) -> MaxAbsScaler:
        """Learn from more samples. Collective."""
        del y
        known = hasattr(self, "max_abs_")
        samples = self._seen(X)
        low, high = _extremes(samples)
        largest = torch.maximum(low.abs(), high.abs())
        if known:
            largest = torch.maximum(largest, self.max_abs_.larray)
        self.max_abs_ = samples.shared(largest)
        self.scale_ = samples.shared(torch.where(largest > 0, largest, 1.0))
        return self

    def _affine(self) -> tuple[torch.Tensor, torch.Tensor, float]:
        scale = self.scale_.larray
        return torch.zeros_like(scale), 1 / scale, 0.0


class RobustScaler(Scaler):
    """By median and range between two quantiles, which a few wild samples do not move.

    Parameters
    ----------
    with_centering, with_scaling : bool
        Whether to shift, and whether to scale.
    quantile_range : (float, float)
        In percent.
    copy : bool
        As of ``StandardScaler``.
    unit_variance : bool
        Scale so that a normally distributed feature gets variance 1.

    Attributes
    ----------
    center_, scale_ : DNDarray, (d,)
        Replicated.
    """

    _rules = rules(quantile_range=ascending(0, 100))
    center_: DNDarray
    scale_: DNDarray

    def __init__(
        self,
        *,
        with_centering: bool = True,
        with_scaling: bool = True,
        quantile_range: tuple[float, float] = (25.0, 75.0),
        copy: bool = True,
        unit_variance: bool = False,
    ) -> None:
        self.with_centering = with_centering
        self.with_scaling = with_scaling
        self.quantile_range = quantile_range
        self.copy = copy
        self.unit_variance = unit_variance

    def fit(self, X: DNDarray, y: DNDarray | None = None) -> RobustScaler:
        """Learn from samples, (n, d). Collective."""
        del y
        self._check_parameters()
        lower, upper = self.quantile_range
        self.__dict__.pop("n_features_in_", None)
        samples = self._seen(X)
        found = percentile(samples.array(samples.local), [lower, 50.0, upper], axis=0)
        low, middle, high = found.resplit(None).larray.double()
        _check_learnt(low, middle, high)
        width = high - low
        width = torch.where(width > 0, width, 1.0)
        if self.unit_variance:
            ends = torch.special.ndtri(torch.tensor([lower, upper], dtype=torch.float64) / 100)
            width = width / float(ends[1] - ends[0])
        self.center_, self.scale_ = samples.shared(middle), samples.shared(width)
        return self

    def _affine(self) -> tuple[torch.Tensor, torch.Tensor, float]:
        center, scale = self.center_.larray, self.scale_.larray
        return (
            center if self.with_centering else torch.zeros_like(center),
            1 / scale if self.with_scaling else torch.ones_like(scale),
            0.0,
        )
