"""Errors of forecasts; missing truths are left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from recycle.windows import Array

__all__ = [
    "METRICS",
    "bias",
    "coverage",
    "crps",
    "mae",
    "mape",
    "mase",
    "mse",
    "peak_error",
    "pinball",
    "rmse",
    "rmsse",
    "skill",
    "smape",
    "wape",
    "width",
    "winkler",
]


def _difference(truth: Array, forecast: Array) -> Array:
    difference = np.asarray(forecast, dtype=float) - np.asarray(truth, dtype=float)
    known: Array = difference[np.isfinite(np.asarray(truth, dtype=float))]
    return known


def mae(truth: Array, forecast: Array) -> float:
    """Mean absolute error."""
    return float(np.abs(_difference(truth, forecast)).mean())


def mse(truth: Array, forecast: Array) -> float:
    """Mean squared error."""
    return float((_difference(truth, forecast) ** 2).mean())


def rmse(truth: Array, forecast: Array) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt(mse(truth, forecast)))


def bias(truth: Array, forecast: Array) -> float:
    """Mean of forecast minus truth."""
    return float(_difference(truth, forecast).mean())


def peak_error(truth: Array, forecast: Array) -> float:
    """Mean absolute difference of the largest values of truth and forecast, along the last axis."""
    truth = np.asarray(truth, dtype=float)
    complete = np.isfinite(truth).all(axis=-1)
    highest = np.asarray(forecast, dtype=float).max(axis=-1) - truth.max(axis=-1)
    return float(np.abs(highest[complete]).mean()) if complete.any() else float("nan")


def skill(truth: Array, forecast: Array, reference: Array) -> float:
    """Share of a reference's mean absolute error that the forecast avoids: 1 is perfect."""
    return 1 - mae(truth, forecast) / mae(truth, reference)


def wape(truth: Array, forecast: Array) -> float:
    """Sum of absolute errors over the sum of absolute values."""
    total = float(np.nansum(np.abs(np.asarray(truth, dtype=float))))
    return float(np.abs(_difference(truth, forecast)).sum() / total) if total else float("nan")


def mape(truth: Array, forecast: Array, smallest: float = 1e-8) -> float:
    """Mean error relative to the truth, in percent; truths below `smallest` are skipped."""
    truth = np.asarray(truth, dtype=float)
    used = np.where(np.abs(truth) >= smallest, truth, np.nan)
    return float(100 * np.nanmean(np.abs((np.asarray(forecast, dtype=float) - used) / used)))


def smape(truth: Array, forecast: Array) -> float:
    """Symmetric relative error, in percent, between 0 and 200."""
    truth, forecast = np.asarray(truth, dtype=float), np.asarray(forecast, dtype=float)
    size = np.abs(truth) + np.abs(forecast)
    ratio = np.divide(2 * np.abs(forecast - truth), size, out=np.zeros_like(size), where=size > 0)
    return float(100 * ratio[np.isfinite(truth)].mean())


def mase(truth: Array, forecast: Array, training: Array, season: int) -> float:
    """Mean absolute error over that of the seasonal naive forecast in training.

    Parameters
    ----------
    truth, forecast : arrays of one shape
    training : (T,)
    season : int
        Steps.
    """
    training = np.asarray(training, dtype=float)
    naive = float(np.nanmean(np.abs(training[season:] - training[:-season])))
    return mae(truth, forecast) / naive if naive else float("nan")


def rmsse(truth: Array, forecast: Array, training: Array, season: int) -> float:
    """As `mase`, of squared errors, and the root of it."""
    training = np.asarray(training, dtype=float)
    naive = float(np.nanmean((training[season:] - training[:-season]) ** 2))
    return float(np.sqrt(mse(truth, forecast) / naive)) if naive else float("nan")


def pinball(truth: Array, quantile: Array, level: float) -> float:
    """Mean pinball loss of a quantile."""
    difference = -_difference(truth, quantile)
    return float(np.maximum(level * difference, (level - 1) * difference).mean())


def coverage(truth: Array, lower: Array, upper: Array) -> float:
    """Share of truths within an interval."""
    truth = np.asarray(truth, dtype=float)
    inside = (truth >= lower) & (truth <= upper)
    return float(inside[np.isfinite(truth)].mean())


def crps(truth: Array, quantiles: Array, levels: Sequence[float]) -> float:
    """Continuous ranked probability score, as twice the mean pinball loss over levels.

    Parameters
    ----------
    truth : (...)
    quantiles : (n_levels, ...)
    levels : sequence of float
        Evenly spaced, such as 0.01 to 0.99.
    """
    losses = [pinball(truth, q, level) for q, level in zip(quantiles, levels, strict=True)]
    return 2 * float(np.mean(losses))


def width(truth: Array, lower: Array, upper: Array) -> float:
    """Mean width of intervals where the truth is known."""
    wide = np.asarray(upper, dtype=float) - np.asarray(lower, dtype=float)
    return float(wide[np.isfinite(np.asarray(truth, dtype=float))].mean())


def winkler(truth: Array, lower: Array, upper: Array, level: float) -> float:
    """Mean width, and for each truth outside 2 / (1 - level) times its distance (Winkler, 1972)."""
    below = np.maximum(_difference(truth, lower), 0).mean()
    above = np.maximum(-_difference(truth, upper), 0).mean()
    return width(truth, lower, upper) + float(2 / (1 - level) * (below + above))


#: Metrics of a truth and a forecast, by name.
METRICS: Mapping[str, Callable[[Array, Array], float]] = MappingProxyType(
    {
        "mae": mae,
        "mse": mse,
        "rmse": rmse,
        "mape": mape,
        "smape": smape,
        "wape": wape,
        "bias": bias,
        "peak": peak_error,
    }
)
