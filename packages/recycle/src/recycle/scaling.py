"""Scales of series, fitted on training data alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recycle.windows import Array

__all__ = ["SCALERS", "Scaler", "fit_scaler"]

SCALERS = ("standard", "robust", "minmax", "maxabs", "log1p+standard", "none")


@dataclass(frozen=True)
class Scaler:
    """y -> (y - centre) / scale, each series by its own numbers.

    Attributes
    ----------
    centre, scale : (S,)
    logarithm : bool
        Whether log(1 + y) is scaled instead of y.
    """

    centre: Array
    scale: Array
    logarithm: bool = False

    def transform(self, values: Array) -> Array:
        """Scale: ``(..., S) -> (..., S)``."""
        if self.logarithm:
            values = np.log1p(np.maximum(values, 0.0))
        return np.asarray((values - self.centre) / self.scale)

    def inverse(self, scaled: Array, series: Array | None = None) -> Array:
        """Undo `transform`.

        Parameters
        ----------
        scaled : (..., S), or (n, ...) with `series`
        series : (n,) int, optional
            The series of each row.
        """
        if series is None:
            values = scaled * self.scale + self.centre
        else:
            shape = (-1,) + (1,) * (scaled.ndim - 1)
            values = scaled * self.scale[series].reshape(shape)
            values = values + self.centre[series].reshape(shape)
        return np.asarray(np.expm1(values) if self.logarithm else values)


def fit_scaler(values: Array, kind: str = "standard") -> Scaler:
    """Fit on training rows. Series that are constant or missing get the scale 1.

    Parameters
    ----------
    values : (T, S)
        With NaN where missing.
    kind : str
        One of `SCALERS`; "log1p+standard" is for series without negative values.
    """
    if kind not in SCALERS:
        raise ValueError(f"scaler must be one of {SCALERS}, not {kind!r}")
    logarithm = kind.startswith("log1p")
    if logarithm:
        if np.nanmin(values, initial=0.0) < 0:
            raise ValueError("The scaler log1p+standard is for series without negative values")
        values = np.log1p(values)
    numbers = [_numbers(column[np.isfinite(column)], kind) for column in values.T]
    centre, scale = np.array(numbers).reshape(-1, 2).T
    tiny = 1e-12 * np.maximum(1.0, np.abs(centre))
    return Scaler(centre, np.where(scale > tiny, scale, 1.0), logarithm)


def _numbers(known: Array, kind: str) -> tuple[float, float]:
    if kind == "none" or len(known) == 0:
        return 0.0, 1.0
    if kind == "robust":
        low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
        return float(middle), float(high - low)
    if kind == "minmax":
        return float(known.min()), float(np.ptp(known))
    if kind == "maxabs":
        return 0.0, float(np.abs(known).max())
    return float(known.mean()), float(known.std())
