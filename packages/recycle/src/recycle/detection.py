"""Which cycle a series has, from its autocorrelation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recycle.windows import Array

__all__ = ["CycleInfo", "detect_cycle"]

#: How alike the mean cycles of blocks must be. Of 100 random walks none has more than 0.21 at one
#: given period; among all periods some have more.
LIKENESS, LIKENESS_OF_HINTS = 0.5, 0.3


@dataclass(frozen=True)
class CycleInfo:
    """A cycle.

    Attributes
    ----------
    primary : int or None
        Steps of the shortest dominant cycle; None if there is none.
    super : int
        Primary cycles after which their pattern repeats; 1 for none.
    strength : float
        Share of the variance that a periodic mean explains.
    """

    primary: int | None
    super: int
    strength: float


def detect_cycle(
    y: Array, *, hints: Sequence[int] = (), max_period: int | None = None
) -> CycleInfo:
    """Find the primary cycle and the super-cycle.

    Peaks of the autocorrelation count if parts of the series, each for itself, show the same mean
    cycle; trends and random walks have slow peaks, but no shape that is repeated.

    Parameters
    ----------
    y : (T,)
        NaN where missing.
    hints : sequence of int
        Likely periods, such as the steps of a day and of a week; preferred within 2 %.
    max_period : int, optional
        Default: a sixth of the length.
    """
    y = np.asarray(y, dtype=np.float64)
    known = np.isfinite(y)
    limit = min(len(y) // 6, max_period or len(y))
    if known.sum() < 16 or limit < 3 or np.ptp(y[known]) == 0:
        return CycleInfo(None, 1, 0.0)
    x = np.interp(np.arange(len(y)), np.flatnonzero(known), y[known])
    threshold = max(0.15, 4 / np.sqrt(len(y)))
    for width in (2 * limit + 1, limit // 2, limit // 4):  # the slower is taken off, the more
        rest = x - _moving_mean(x, width)
        spread = np.median(np.abs(rest)) * 1.4826 or rest.std()
        r = _autocorrelation(np.clip(rest, -5 * spread, 5 * spread), limit + 1)
        comb = _with_multiples(r)
        peaks = [
            lag
            for lag in range(2, min(limit, width // 2))
            if comb[lag] >= max(threshold, comb[lag - 1], comb[lag + 1])
            and _likeness(x, lag) > (LIKENESS_OF_HINTS if lag in hints else LIKENESS)
        ]
        if peaks:
            break
    else:
        return CycleInfo(None, 1, 0.0)
    best = max(r[lag] for lag in peaks)
    primary = next(lag for lag in peaks if r[lag] >= 0.7 * best)
    for hint in sorted(hint for hint in hints if hint < len(r)):
        if hint % primary == 0 and r[hint] >= max(1.5 * r[primary], threshold):
            primary = hint  # what repeats twice a day may do so only as part of the day
            break
    for hint in sorted((hint for hint in hints if hint < len(r)), reverse=True):
        near = [lag for lag in peaks if abs(lag - hint) <= max(1, 0.02 * hint)]
        if near and r[hint] >= 0.35 * best:
            primary = hint
    return CycleInfo(primary, _super_cycle(r, primary), _strength(y, primary))


def _autocorrelation(x: Array, lags: int) -> Array:
    n = len(x)
    x = x - x.mean()
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(x, size)) ** 2
    r = np.fft.irfft(spectrum, size)[:lags] / np.arange(n, n - lags, -1)
    return np.asarray(r / r[0] if r[0] > 0 else r)


def _with_multiples(r: Array) -> Array:
    """Mean autocorrelation at a lag, its double and its triple, which noise moves less."""
    lag = np.arange(len(r))
    multiples = np.stack([lag, 2 * lag, 3 * lag])
    inside = multiples < len(r)
    return np.asarray(
        np.where(inside, r[np.where(inside, multiples, 0)], 0.0).sum(0) / inside.sum(0)
    )


def _moving_mean(x: Array, width: int) -> Array:
    """Centred means of `width` values, fewer at the ends."""
    half = min(width, len(x)) // 2
    sums = np.concatenate([[0.0], np.cumsum(x)])
    low = np.maximum(np.arange(len(x)) - half, 0)
    high = np.minimum(np.arange(len(x)) + half + 1, len(x))
    return np.asarray((sums[high] - sums[low]) / (high - low))


def _likeness(x: Array, period: int) -> float:
    """Mean correlation of the mean cycles of blocks of the series; about 0 in wandering series."""
    rest = x - _moving_mean(x, period)
    blocks = min(8, len(x) // (2 * period))
    if blocks < 3:
        return 0.0
    cycles = rest[: len(x) // period * period].reshape(-1, period)
    shapes = np.stack([part.mean(axis=0) for part in np.array_split(cycles, blocks)])
    shapes -= shapes.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(shapes, axis=1, keepdims=True)
    if not norms.all():
        return 0.0
    alike = (shapes / norms) @ (shapes / norms).T
    return float((alike.sum() - blocks) / (blocks * (blocks - 1)))


def _super_cycle(r: Array, primary: int) -> int:
    """The smallest multiple whose autocorrelation stands out among its neighbours."""
    for multiple in range(2, 15):
        if (multiple + 1) * primary >= len(r):
            break
        around = max(r[(multiple - 1) * primary] if multiple > 2 else r[primary],
                     r[(multiple + 1) * primary])  # fmt: skip
        if r[multiple * primary] > around + 0.02:
            return multiple
    return 1


def _strength(y: Array, period: int) -> float:
    whole = y[: len(y) // period * period].reshape(-1, period)
    whole = whole[np.isfinite(whole).any(axis=1)]
    whole = whole - np.nanmean(whole, axis=1, keepdims=True) if len(whole) > 1 else whole
    variance = np.nanvar(whole)
    left = np.nanvar(whole - np.nanmean(whole, axis=0))
    return float(max(0.0, 1 - left / variance)) if variance > 0 else 0.0
