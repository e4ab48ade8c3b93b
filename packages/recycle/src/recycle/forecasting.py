"""Forecasts of a fitted forecaster, series by series."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from recycle.covariates import future_covariates, joined_covariates
from recycle.cyclic import Windows
from recycle.durations import to_steps
from recycle.errors import NotEnoughDataError
from recycle.model import CyclicModel
from recycle.panels import Panel, read_panel
from recycle.preparation import cyclic_data
from recycle.scaling import fit_scaler
from recycle.views import View
from recycle.windows import Array

if TYPE_CHECKING:
    from recycle.forecaster import ReCycleForecaster

logger = logging.getLogger(__name__)

__all__ = ["forecast", "future_frame", "read", "sample_paths", "start", "views"]


def read(forecaster: ReCycleForecaster, y: Any) -> Panel:
    """Series, as the parameters say."""
    return read_panel(
        y,
        freq=forecaster.freq,
        tz=forecaster.tz,
        duplicates=forecaster.duplicates,
        trim_leading=forecaster.trim_leading,
    )


def start(
    forecaster: ReCycleForecaster,
    history: Any,
    horizon: int | str | None,
    recursive: bool = False,
) -> tuple[Panel, int]:
    """What a forecast continues, and its length in steps."""
    if history is None and not hasattr(forecaster, "panel_"):
        raise ValueError("A model from a file has no data: give history")
    panel = forecaster.panel_ if history is None else read(forecaster, history)
    if horizon is None:
        return panel, forecaster.horizon_
    steps = to_steps(horizon, forecaster.cycle_ or 1, panel.step, "horizon")
    if steps > forecaster.horizon_ and not recursive:
        raise ValueError(
            f"The model forecasts {forecaster.horizon_} steps, not {steps}: fit with a longer "
            "horizon, or say recursive=True to go on from the forecast itself"
        )
    return panel, steps


def forecast(
    forecaster: ReCycleForecaster,
    history: Any,
    x: Any,
    horizon: int | str | None,
    *,
    head: str | None,
    levels: Sequence[float],
    components: bool,
    recursive: bool = False,
) -> Any:
    """Forecast what follows the history, in its shape, with the columns of `predict`."""
    panel, steps = start(forecaster, history, horizon, recursive)
    goes_on = history is None
    if steps > forecaster.horizon_:
        if levels:
            raise ValueError("Beyond the model's horizon there are no quantiles; fit a longer one")
        if forecaster.effect_ is not None and goes_on:
            x, goes_on = _all_covariates(forecaster.X_, x), False
        logger.warning("Steps after the %dth rest on forecasts themselves", forecaster.horizon_)
    stamps, parts, done = [], [], 0
    while done < steps:
        now = min(steps - done, forecaster.horizon_)
        index, places = panel.future(now)
        found = [
            _columns(forecaster.model_, view, head, levels, components)
            for view in views(forecaster, panel, x, goes_on, places)
        ]
        tables = {key: np.stack([rows[key] for rows, _ in found], axis=1) for key in found[0][0]}
        if components:
            source = np.array([source for _, source in found], dtype=object)
            tables["_source"] = np.tile(source, (len(tables[""]), 1))
        stamps.append(index)
        parts.append({key: table[places - 1] for key, table in tables.items()})
        panel = panel.extended(tables[""][: places[-1]], now)
        done += now
    joined = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    return panel.shaped(stamps[0].append(stamps[1:]), joined)


def _all_covariates(before: Any, x: Any) -> Any:
    """Covariates of past and future in one table."""
    if x is None or isinstance(x, str):
        raise ValueError("Beyond the model's horizon X must hold the covariates of all steps")
    return joined_covariates(before, x)


def sample_paths(
    forecaster: ReCycleForecaster, n: int, history: Any, x: Any, horizon: int | str | None
) -> Array:
    """Futures that might come: the forecast plus whole errors of past forecasts.

    Errors of one origin stay together, so that sums over the horizon spread as they should, and
    are scaled by the recent errors of the profile (a block bootstrap of residuals).

    Returns
    -------
    (S, n, steps)
    """
    panel, steps = start(forecaster, history, horizon)
    _, places = panel.future(steps)
    random = np.random.default_rng(forecaster.seed)
    model = forecaster.model_
    paths = []
    for view in views(forecaster, panel, x, history is None, places):
        origin = np.array([view.windows.data.n_steps])
        point = model.predict(view.windows, view.series, origin)
        scores = view.past_scores(model, int(origin[0]))
        if len(scores) == 0:
            raise NotEnoughDataError(
                "Samples need a history that is longer than lookback and horizon together: "
                f"{model.lookback + 2 * model.settings.horizon} steps"
            )
        drawn = scores[random.integers(len(scores), size=n)]
        scaled = point.point + drawn * point.scale[0]
        paths.append(view.own_units(scaled, np.repeat(origin, n))[:, places - 1])
    return np.stack(paths)


def future_frame(
    forecaster: ReCycleForecaster, history: Any, horizon: int | str | None
) -> pd.DataFrame:
    """Stamps of the horizon, in the shape of the history, with an empty column a covariate."""
    panel, steps = start(forecaster, history, horizon)
    stamps, _ = panel.future(steps)
    columns = list(forecaster.covariates_)
    if panel.kind not in {"long", "multi"}:
        return pd.DataFrame(np.nan, index=stamps, columns=columns)
    series, index = np.repeat(np.array(panel.names, dtype=object), steps), stamps
    for _ in panel.names[1:]:
        index = index.append(stamps)
    keys = pd.MultiIndex.from_arrays([series, index], names=panel.index_names[:2])
    frame = pd.DataFrame(np.nan, index=keys, columns=columns)
    return frame.reset_index() if panel.kind == "long" else frame


def _columns(
    model: CyclicModel, view: View, head: str | None, levels: Sequence[float], components: bool
) -> tuple[dict[str, Array], str]:
    """Columns of one series, in its own units, and the source of the forecast."""
    origin = np.array([view.windows.data.n_steps])
    forecast = model.predict(view.windows, view.series, origin, head)
    rows = {"": view.own_units(forecast.point, origin)[0]}
    if levels:
        bands = view.quantiles(model, origin, forecast, levels)
        whole = view.own_units(bands, origin)[:, 0]
        rows |= {f"_q{level:g}": band for level, band in zip(levels, whole, strict=True)}
    if components:
        whole = view.own_units(forecast.candidates, origin)[:, 0]
        rows |= {f"_{name}": row for name, row in zip(model.names, whole, strict=True)}
        if view.effect.any():
            base = view.scaler.inverse(forecast.point, np.array([view.series]))[0]
            rows["_covariates"] = rows[""] - base
    return rows, str(forecast.source[0])


def views(
    forecaster: ReCycleForecaster, panel: Panel, x: Any, goes_on: bool, needed: Array
) -> list[View]:
    """Each series of a panel; those that were trained on keep their place.

    Parameters
    ----------
    forecaster : ReCycleForecaster
        Fitted.
    panel : Panel
        What lies before the forecasts.
    x : like `X` of `fit`, or "profile", or None
    goes_on : bool
        Whether the panel is the one of the fit, whose covariates are then known.
    needed : (m,) int
        Steps after the panel where covariates must be known.
    """
    unseen = [name for name in panel.names if name not in forecaster.names_]
    names = (*forecaster.names_, *unseen)
    values = np.full((len(panel.times), len(names)), np.nan)
    for column, name in enumerate(panel.names):
        values[:, names.index(name)] = panel.values[:, column]
    scaler = forecaster.scaler_
    if unseen:
        new = fit_scaler(values[:, len(forecaster.names_) :], forecaster.scaler)
        scaler = replace(
            scaler,
            centre=np.concatenate([scaler.centre, new.centre]),
            scale=np.concatenate([scaler.scale, new.scale]),
        )
    whole = replace(panel, values=values, names=names)
    settings = forecaster.model_.settings
    pad = max(0, forecaster.model_.lookback - len(panel.times))
    options = (whole, forecaster.grid_, scaler, forecaster.k, settings.horizon, pad)
    data = cyclic_data(*options, days=forecaster.days_)
    if forecaster.effect_ is not None:
        effects = np.zeros((len(names), pad + len(panel.times) + settings.horizon))
        table = future_covariates(
            x, forecaster.X_ if goes_on else None, panel, forecaster.covariates_, data, needed
        )
        places = [names.index(name) for name in panel.names]
        slots = (np.arange(effects.shape[1]) + data.calendar.phase)[pad:] % settings.period
        for place, one in zip(places, table, strict=True):
            effects[place, pad:] = forecaster.effect_.of(one, slots, place)
        data = cyclic_data(*options, effects, forecaster.days_)
    assert data.added is not None
    windows, added = Windows(data, settings.profile), data.added
    unseen_from = pad + int((forecaster.end_ - panel.times[0]) // panel.step) + 1
    return [
        View(windows, place, scaler, added[place], max(unseen_from, 0))
        for place in map(names.index, panel.names)
    ]
