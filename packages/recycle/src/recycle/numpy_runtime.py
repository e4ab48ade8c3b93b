"""Runs what `ReCycleForecaster.export` wrote to an ``.npz`` file; needs NumPy and nothing else.

This file imports nothing of the package: copy it to the device, beside the ``.npz``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["NumpyForecaster"]

Floats = NDArray[Any]
CANDIDATES = ("last", "naive", "seasonal", "profile", "ridge")


class NumpyForecaster:
    """Profile, ridge, weights and fallbacks of one series.

    Parameters
    ----------
    path : path

    Attributes
    ----------
    about : dict
        Horizon, window and everything that inputs are made from.
    """

    def __init__(self, path: Any) -> None:
        with np.load(path, allow_pickle=False) as stored:
            if "about" not in stored:
                raise ValueError(f"{path} was not exported by recycle")
            self.about: dict[str, Any] = json.loads(str(stored["about"]))
            self.arrays = {name: stored[name] for name in stored.files if name != "about"}
        self.compact: dict[str, Any] = self.about["compact"]

    def forecast(
        self,
        history: Floats,
        kind: NDArray[Any],
        *,
        days: NDArray[Any] | None = None,
        slot: int = 0,
    ) -> tuple[Floats, Floats]:
        """Forecast what follows a history.

        Parameters
        ----------
        history : (window,)
            In the series' own units, NaN where missing.
        kind : (window + steps,) int
            The kind of each step's day, from the window's first step to the forecast's last: 0
            working day, 1 Saturday, 2 Sunday or holiday, unless the model has another scheme.
        days : (window + steps, kinds), optional
            Which special days each step belongs to, if the model knows of any.
        slot : int
            Place of the first step in its cycle, for special days.

        Returns
        -------
        (horizon,), and (n_levels, horizon): forecast and quantiles
        """
        about, compact = self.about, self.compact
        window, horizon, period = about["window"], compact["horizon"], compact["period"]
        x = np.asarray(history, dtype=np.float64)
        missing = np.isnan(x)
        if compact["logarithm"]:
            x = np.log1p(np.maximum(x, 0.0))
        x = (x - compact["centre"]) / compact["spread"]
        added = np.zeros(horizon)
        if "days" in self.arrays and days is not None:
            slots = (slot + np.arange(len(days))) % period
            effect = (np.asarray(days) * self.arrays["days"][:, slots].T).sum(axis=1)
            x, added = x - effect[:window], effect[window : window + horizon]
        kind = np.asarray(kind)
        table = self._table(x, missing, kind[:window])
        h = table[kind[:window], np.arange(window) % period]
        f = table[kind[window : window + horizon], np.arange(horizon) % period]
        x = np.where(missing, h, x)
        point = self._blend(x, h, f)
        if self._strange(x, missing, point):
            point = f
        length = min(7 * period, max(compact["lookback"], 1))
        scale = max(float(np.abs(x[-length:] - h[-length:]).mean()), 1e-6)
        offsets = self.arrays.get("offsets", np.zeros((0, horizon)))
        return self._own_units(point + added), self._own_units(point + offsets * scale + added)

    def run(self, _: None, inputs: Mapping[str, NDArray[Any]]) -> list[Floats]:
        """Forecasts of a batch, and their quantiles, by the inputs of `recycle.edge`."""
        found = []
        for row in range(len(inputs["history"])):
            one = {name: array[row] for name, array in inputs.items()}
            days = None
            if "days_history" in one:
                days = np.concatenate([one["days_history"], one["days_future"]])
            kind = np.concatenate([one["kind_history"], one["kind_future"]])
            slot = int(one.get("slot", 0))
            found.append(self.forecast(one["history"], kind, days=days, slot=slot))
        return [np.stack([pair[part] for pair in found]) for part in (0, 1)]

    def _table(self, x: Floats, missing: NDArray[Any], kind: NDArray[Any]) -> Floats:
        """The mean of the last members of each kind and slot: ``(rows, period)``."""
        compact = self.compact
        rows, period, memory = compact["rows"], compact["period"], compact["memory"]
        table = np.zeros((rows, period))
        if memory == 0 or missing.all():
            return table
        seen = np.zeros((rows, period), dtype=bool)
        place = kind * period + np.arange(len(x)) % period
        for cell in range(rows * period):
            members = x[(place == cell) & ~missing][::-1][:memory]
            if len(members):
                weight = 0.5 ** (np.arange(len(members)) / compact["half_life"])
                table.flat[cell] = (members * weight).sum() / weight.sum()
                seen.flat[cell] = True
        filled = np.where(seen, table, x[~missing].mean())
        for row, slot in np.argwhere(~seen):  # the kind before in the list, and so on around
            others = [(row - step) % rows for step in range(1, rows)]
            filled[row, slot] = next(
                (table[other, slot] for other in others if seen[other, slot]), filled[row, slot]
            )
        return filled

    def _blend(self, x: Floats, h: Floats, f: Floats) -> Floats:
        arrays, compact = self.arrays, self.compact
        ahead, found = np.arange(len(f)), {"last": np.full(len(f), x[-1]), "profile": f}
        for name, length in (("naive", compact["period"]), ("seasonal", compact["super_period"])):
            found[name] = x[ahead % length - length]
        if "level" in arrays or "ridge" in arrays:
            lookback, beta = compact["ridge_lookback"], compact["beta"]
            rest = x[-lookback:] - beta * h[-lookback:]
            if "level" in arrays:
                out = rest @ arrays["level"] + (rest @ arrays["left"]) @ arrays["right"]
            else:
                out = rest @ arrays["ridge"]
            found["ridge"] = out + beta * f
        rows = zip(CANDIDATES, arrays["weights"], strict=True)
        parts = [weight * found[name] for name, weight in rows if name in found]
        return np.asarray(np.sum(parts, axis=0))

    def _strange(self, x: Floats, missing: NDArray[Any], point: Floats) -> bool:
        """Whether the history is unlike all of training, so that the profile is taken."""
        compact, last = self.compact, slice(-self.compact["lookback"], None)
        if not np.isfinite(point).all():
            return True
        size = np.log(x[last].std() + 1e-6)
        limit = compact["largest"]
        return limit is not None and (
            bool(size > limit) or bool(missing[last].mean() > compact["max_missing"])
        )

    def _own_units(self, scaled: Floats) -> Floats:
        values = scaled * self.compact["spread"] + self.compact["centre"]
        return np.asarray(np.expm1(values) if self.compact["logarithm"] else values)
