"""Looking inside a fitted forecaster: weights, profiles, and where a forecast comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from recycle.forecasting import start, views
from recycle.panels import Panel
from recycle.profiles import RecentHistoricProfile
from recycle.views import View
from recycle.windows import Array

if TYPE_CHECKING:
    from recycle.forecaster import ReCycleForecaster

__all__ = ["explain", "gate_report", "profile_table", "summary"]


def gate_report(forecaster: ReCycleForecaster) -> pd.DataFrame:
    """Weight and held-out loss of each candidate, for each block of the horizon."""
    gate = forecaster.model_.gate
    if gate is None:
        return pd.DataFrame({"candidate": ["profile"], "weight": [1.0]})
    blocks = len(gate.blocks)
    return pd.DataFrame(
        {
            "until_step": np.repeat(gate.blocks, len(gate.names)),
            "candidate": list(gate.names) * blocks,
            "weight": gate.weights.mean(axis=0).ravel(),
            "mse": gate.losses.ravel(),
        }
    )


def profile_table(
    forecaster: ReCycleForecaster, history: Any = None, x: Any = None
) -> pd.DataFrame:
    """The profile at the end of a history, without what covariates add.

    Parameters
    ----------
    forecaster : ReCycleForecaster
    history, x : as in `predict`; of the covariates only the past is looked at

    Returns
    -------
    DataFrame
        A row for each slot of the cycle, a column for each series and kind of day.
    """
    panel, _ = start(forecaster, history, None)
    profile = forecaster.model_.settings.profile
    columns = {}
    for name, view in zip(panel.names, _past(forecaster, history, x), strict=True):
        origin = view.windows.data.n_steps
        (table,) = view.windows.profile.table(
            view.windows.data.values[view.series],
            view.windows.cells[view.series],
            np.array([origin]),
        )
        own = view.scaler.inverse(table[None], np.array([view.series]))[0]
        for kind, row in enumerate(own.reshape(profile.rows, profile.period)):
            columns["y" if name is None else name, kind] = row
    frame = pd.DataFrame(columns)
    frame.columns.names, frame.index.name = ["series", "kind of day"], "slot"
    return frame


def explain(forecaster: ReCycleForecaster, when: Any, history: Any, x: Any) -> pd.DataFrame:
    """Where the forecast of a time comes from.

    Parameters
    ----------
    forecaster : ReCycleForecaster
    when : Timestamp or str
        Within the horizon, in local time.
    history, x : as in `predict`

    Returns
    -------
    DataFrame
        For each series a row for each candidate with its value, its weight in the forecast, and
        for the profile the days it is the mean of; then what covariates add, and the sum.
    """
    panel, steps = start(forecaster, history, None)
    stamp = pd.Timestamp(when)
    if stamp.tzinfo is not None:
        stamp = panel.wall(pd.DatetimeIndex([stamp]))[0]
    step = round((stamp - panel.times[-1]) / panel.step)
    if not 1 <= step <= steps:
        raise ValueError(f"{when} is not among the {steps} steps after {panel.times[-1]}")
    needed = np.arange(1, steps + 1) if x is not None and not isinstance(x, str) else np.arange(0)
    x = "profile" if x is None and forecaster.effect_ is not None else x
    rows: list[tuple[Any, ...]] = []
    model = forecaster.model_
    for name, view in zip(
        panel.names, views(forecaster, panel, x, history is None, needed), strict=True
    ):
        origin = np.array([view.windows.data.n_steps])
        found = model.predict(view.windows, view.series, origin)
        same = np.full(len(model.names), view.series)
        values = view.scaler.inverse(found.candidates[:, 0, step - 1], same)
        weights = found.weights[:, step - 1]
        if found.source[0] != "model":
            weights = (np.array(model.names) == found.source[0]).astype(float)
        total = float(view.own_units(found.point, origin)[0, step - 1])
        base = float(view.scaler.inverse(found.point, np.array([view.series]))[0, step - 1])
        label = "y" if name is None else name
        for part, value, weight in zip(model.names, values, weights, strict=True):
            note = _days(view, panel, step) if part == "profile" else ""
            rows.append((label, part, float(value), float(weight), note))
        if view.effect.any():
            parts = {"covariates": forecaster.effect_, "special days": forecaster.days_}
            used = " and ".join(part for part, found in parts.items() if found is not None)
            rows.append((label, used, total - base, 1.0, ""))
        rows.append((label, "forecast", total, 1.0, f"source: {found.source[0]}"))
    return pd.DataFrame(rows, columns=["series", "part", "value", "weight", "note"])


def summary(forecaster: ReCycleForecaster) -> dict[str, Any]:
    """What a fitted forecaster is, by plain numbers and words."""
    model = forecaster.model_
    names = [str(name) for name in forecaster.names_]
    gate = gate_report(forecaster)
    weights = gate.groupby("candidate", sort=False)["weight"].mean()
    return {
        "series": len(names),
        "names": ", ".join(names[:10]) + (", ..." if len(names) > 10 else ""),
        "step": str(forecaster.step_),
        "cycle": forecaster.cycle_,
        "horizon": forecaster.horizon_,
        "lookback": model.lookback,
        "candidates": ", ".join(model.names),
        "weights": ", ".join(f"{name} {weight:.2f}" for name, weight in weights.items() if weight),
        "parameters": {
            "ridge": 0 if model.pooled is None else int(model.pooled.weights.size),
            "network": 0 if model.network is None else model.network.n_parameters,
        },
        "covariates": ", ".join(map(str, forecaster.covariates_)),
        "country": forecaster.country,
        "time zone": forecaster.tz_,
        "trained to": str(forecaster.end_),
    }


def _past(forecaster: ReCycleForecaster, history: Any, x: Any) -> list[View]:
    panel, _ = start(forecaster, history, None)
    if forecaster.effect_ is not None and history is None and x is None:
        x = "profile"
    return views(forecaster, panel, x, history is None, np.zeros(0, dtype=np.int64))


def _days(view: View, panel: Panel, step: int) -> str:
    """The times whose mean the profile of a step is."""
    data, cells = view.windows.data, view.windows.cells[view.series]
    place = data.n_steps + step - 1
    members = _members(data.values[view.series], cells, place, view.windows.profile)
    kind = int(data.calendar.categories(view.series)[place])
    pad = data.n_steps - len(panel.times)
    stamps = [f"{panel.times[int(member) - pad]:%Y-%m-%d %H:%M}" for member in members]
    return f"day of kind {kind}, like {', '.join(stamps)}"


def _members(values: Array, cells: Array, place: int, profile: RecentHistoricProfile) -> Array:
    same = np.flatnonzero((cells[: len(values)] == cells[place]) & np.isfinite(values))
    return same[-{"tenday": 10, "persistence": 1}.get(profile.kind, profile.k) :]
