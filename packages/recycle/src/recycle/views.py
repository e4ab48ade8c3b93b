"""One series of a panel, as the model forecasts it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recycle.cyclic import Windows
from recycle.intervals import Conformal, tracked_offsets
from recycle.model import CyclicModel, Forecast
from recycle.scaling import Scaler
from recycle.windows import Array, futures

__all__ = ["View"]

#: Cycles of forecasts that intervals learn from.
TRACKED_CYCLES = 90


@dataclass(frozen=True)
class View:
    """A series with its scale, and with what its covariates add.

    Attributes
    ----------
    windows : Windows
    series : int
    scaler : Scaler
    effect : (T + horizon,)
        Of covariates and special days, scaled; zeros without.
    unseen : int
        The first step that the model was not trained on.
    """

    windows: Windows
    series: int
    scaler: Scaler
    effect: Array
    unseen: int

    def own_units(self, scaled: Array, origins: Array) -> Array:
        """Forecasts as the series has them: ``(..., n, H) -> (..., n, H)``."""
        steps = np.asarray(origins)[:, None] + np.arange(scaled.shape[-1])
        flat = (scaled + self.effect[steps]).astype(float).reshape(-1, scaled.shape[-1])
        whole = self.scaler.inverse(flat, np.full(len(flat), self.series))
        return np.asarray(whole.reshape(scaled.shape))

    def truth(self, origins: Array, horizon: int) -> Array:
        """What came, scaled, NaN where unknown: ``(n, horizon)``."""
        values = self.windows.data.values[self.series]
        return futures(np.concatenate([values, np.full(horizon, np.nan)]), origins, horizon)

    def past_scores(self, model: CyclicModel, origin: int, most: int = 200) -> Array:
        """Relative errors of whole past forecasts, one a cycle: ``(m, H)``, m up to `most`.

        Forecasts of data that the model was trained on are taken only where there are no others.
        """
        period, horizon = model.settings.period, model.settings.horizon
        for first in (max(model.lookback, self.unseen), model.lookback):
            count = min((origin - horizon - first) // period + 1, most)
            if count < 1:
                continue
            origins = origin - horizon - period * np.arange(count)
            past = model.predict(self.windows, self.series, origins)
            scores = (self.truth(origins, horizon) - past.point) / past.scale[:, None]
            whole = scores[np.isfinite(scores).all(axis=1)]
            if len(whole) >= min(20, most):
                return np.asarray(whole)
        return np.zeros((0, horizon))

    def quantiles(
        self, model: CyclicModel, origins: Array, forecast: Forecast, levels: Sequence[float]
    ) -> Array:
        """Scaled quantiles around forecasts: ``(n_levels, n, H)``, ascending.

        Widths come from held-out errors of the fit, or from the network where it has quantiles of
        these levels, and follow the errors of forecasts that were due since, in steps of one cycle
        (Angelopoulos, Candès and Tibshirani: conformal PID control, 2023: quantile tracking).
        """
        if model.conformal is None:
            raise ValueError("Quantiles need more data: no window was left to learn them from")
        found = self._bands(model, origins, forecast, levels, model.conformal)
        own = model.own_quantiles
        shared = [] if own is None else [level for level in levels if level in own.levels]
        if own is not None and shared:
            rows = [levels.index(level) for level in shared]
            bands = self._bands(model, origins, forecast, shared, own)
            trusted = (forecast.source == "model")[:, None] & np.isfinite(bands)
            found[rows] = np.where(trusted, bands, found[rows])
        return np.asarray(np.sort(found, axis=0))

    def _bands(
        self,
        model: CyclicModel,
        origins: Array,
        forecast: Forecast,
        levels: Sequence[float],
        conformal: Conformal,
    ) -> Array:
        start = conformal.offsets(levels)
        offsets = np.repeat(start[:, None], len(origins), axis=1)
        period = model.settings.period
        first = max(model.lookback, self.unseen)
        for phase in np.unique(origins % period).tolist():
            rows = np.flatnonzero(origins % period == phase)
            last = int(origins[rows].max())
            count = min((last - first) // period, (last - int(origins[rows].min())) // period + 90)
            if count < 1:
                continue
            chain = last - period * np.arange(count, 0, -1)
            past = model.predict(self.windows, self.series, chain)
            errors = self.truth(chain, past.point.shape[1]) - past.point
            errors = (errors - _spread(past, conformal, levels)) / past.scale[:, None]
            after = (origins[rows] - chain[0]) // period  # windows of the chain before each origin
            offsets[:, rows] = tracked_offsets(
                errors.reshape(len(errors), count, -1, period),
                conformal,
                levels,
                np.maximum(after, 0),
                TRACKED_CYCLES,
            )
        steps = np.repeat(offsets, period, axis=2)[:, :, : forecast.point.shape[1]]
        centre = forecast.point + _spread(forecast, conformal, levels)
        return np.asarray(centre + steps * forecast.scale[:, None])


def _spread(forecast: Forecast, conformal: Conformal, levels: Sequence[float]) -> Array:
    """What the network adds for each level: ``(n_levels, n, H)``, or ``(1, n, H)`` of zeros."""
    if not conformal.levels:
        return np.zeros((1, *forecast.point.shape))
    return np.asarray(forecast.spread[[conformal.levels.index(level) for level in levels]])
