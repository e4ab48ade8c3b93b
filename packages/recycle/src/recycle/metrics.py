"""Errors of forecasts; missing truths are left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from recycle.windows import Array

__all__ = ["METRICS", "coverage", "mae", "mape", "mase", "mse", "pinball", "rmse", "smape", "wape"]


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


def pinball(truth: Array, quantile: Array, level: float) -> float:
    """Mean pinball loss of a quantile."""
    difference = -_difference(truth, quantile)
    return float(np.maximum(level * difference, (level - 1) * difference).mean())


def coverage(truth: Array, lower: Array, upper: Array) -> float:
    """Share of truths within an interval."""
    truth = np.asarray(truth, dtype=float)
    inside = (truth >= lower) & (truth <= upper)
    return float(inside[np.isfinite(truth)].mean())


#: Metrics of a truth and a forecast, by name.
METRICS: Mapping[str, Callable[[Array, Array], float]] = MappingProxyType(
    {"mae": mae, "mse": mse, "rmse": rmse, "mape": mape, "smape": smape, "wape": wape}
)
