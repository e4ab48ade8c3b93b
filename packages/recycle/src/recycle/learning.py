"""From a table to a fitted forecaster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from recycle.choices import check_words, choose_settings
from recycle.covariates import align_covariates, covariate_names
from recycle.cyclic import CyclicData, Windows
from recycle.durations import to_steps
from recycle.effects import Effect, fit_effect
from recycle.errors import DataError
from recycle.fitting import fit_model
from recycle.forecasting import read
from recycle.model import Settings
from recycle.panels import Panel
from recycle.preparation import choose_cycle, choose_grid, cyclic_data
from recycle.profiles import RecentHistoricProfile
from recycle.scaling import fit_scaler
from recycle.specialdays import SpecialDays, fit_special_days
from recycle.teams import ALONE, Team
from recycle.windows import Array

if TYPE_CHECKING:
    from recycle.forecaster import ReCycleForecaster

__all__ = ["fit", "plan"]


def plan(forecaster: ReCycleForecaster, panel: Panel) -> tuple[Settings, int]:
    """What a fit on a panel would learn, and the first step of validation (0 without).

    Sets `cycle_`, `horizon_`, `names_`, `grid_`, `step_` and `tz_` of the forecaster.
    """
    check_words(forecaster)
    forecaster.cycle_, super_cycle = choose_cycle(panel, forecaster.cycle)
    period = forecaster.cycle_ or 1
    steps = to_steps(forecaster.horizon, period, panel.step, "horizon")
    slack = -(-pd.Timedelta(hours=1) // panel.step) if panel.tz is not None else 0
    whole = -(-(steps + slack) // period) * period
    forecaster.grid_ = choose_grid(forecaster, period, panel.times[0], panel.names)
    forecaster.names_, forecaster.horizon_ = panel.names, steps
    forecaster.step_, forecaster.tz_ = panel.step, panel.tz
    split = _split(forecaster, panel, period, steps)
    categories = forecaster.grid_.calendar(panel.times, panel.step, panel.names).n_categories
    profile = RecentHistoricProfile(
        period, categories, forecaster.k, forecaster.profile, max(super_cycle, 1)
    )
    settings = choose_settings(
        forecaster, panel.step, split, whole, profile, super_cycle, len(panel.names)
    )
    return settings, split


def fit(
    forecaster: ReCycleForecaster,
    y: Any,
    x: Any,
    sample_weight: Any,
    team: Team | None,
    callbacks: Sequence[Any],
) -> None:
    """Fit, as `ReCycleForecaster.fit` says. Collective over the team."""
    panel = read(forecaster, y)
    settings, split = plan(forecaster, panel)
    profile = settings.profile
    forecaster.scaler_ = fit_scaler(panel.values[: split or None], forecaster.scaler)
    options = (panel, forecaster.grid_, forecaster.scaler_, forecaster.k, settings.horizon, 0)
    data = cyclic_data(*options)
    forecaster.covariates_ = () if x is None else covariate_names(x)
    forecaster.effect_, forecaster.days_ = None, None
    if x is not None:
        held_out = split or round(0.85 * data.n_steps)
        forecaster.effect_, effects = _effects(forecaster, x, panel, data, profile, held_out)
        data = cyclic_data(*options, effects)
    if forecaster.head not in {"profile", "paper"}:
        forecaster.days_ = _special_days(data, profile)
        if forecaster.days_ is not None:
            data = cyclic_data(*options, data.added, forecaster.days_)
    weight = None if sample_weight is None else _step_weights(sample_weight, panel)
    spans = ((0, split), (split, data.n_steps)) if split else ((0, data.n_steps), None)
    forecaster.model_ = fit_model(
        data, settings, *spans, team=team or ALONE, callbacks=callbacks, weight=weight
    )
    forecaster.panel_, forecaster.y_, forecaster.X_ = panel, y, x
    forecaster.end_ = panel.times[-1] if split else panel.times[0]


def _effects(
    forecaster: ReCycleForecaster,
    x: Any,
    panel: Panel,
    data: CyclicData,
    profile: RecentHistoricProfile,
    held_out: int,
) -> tuple[Effect, Array]:
    """How covariates act, and what they add to each series at each step: ``(S, T + horizon)``."""
    calendar = data.calendar
    horizon = len(calendar.day) - data.n_steps
    none = np.zeros(0, dtype=np.int64)
    aligned = align_covariates(x, panel, forecaster.covariates_, horizon, none)
    cells = Windows(data, profile).cells
    effect = fit_effect(data.values, aligned, cells, calendar.phase, profile, held_out)
    added = [effect.of(table, calendar.slots, series) for series, table in enumerate(aligned)]
    return effect, np.stack(added)


def _special_days(data: CyclicData, profile: RecentHistoricProfile) -> SpecialDays | None:
    return fit_special_days(data, Windows(data, profile).cells, profile)


def _step_weights(weight: Any, panel: Panel) -> Array:
    """The weight of each step on the grid: ``(T,)``; steps that were not given count 1."""
    if isinstance(weight, pd.Series):
        if not isinstance(weight.index, pd.DatetimeIndex):
            raise DataError("sample_weight must be indexed by stamps, or be an array")
        placed = weight.set_axis(panel.wall(weight.index)).groupby(level=0).last()
        found = np.asarray(placed.reindex(panel.times).fillna(1.0), dtype=np.float64)
    else:
        found = np.asarray(weight, dtype=np.float64)
    if found.shape != (len(panel.times),):
        raise DataError(
            f"sample_weight has the shape {found.shape}, and the grid {len(panel.times)} steps: "
            "give a Series indexed by stamps"
        )
    if not (np.isfinite(found).all() and found.min() >= 0 and found.any()):
        raise DataError("sample_weight must be finite, not negative, and not all zero")
    return found


def _split(forecaster: ReCycleForecaster, panel: Panel, period: int, steps: int) -> int:
    """The first step of validation; 0 without a head."""
    if forecaster.head == "profile":
        return 0
    total, wanted = len(panel.times), forecaster.validation
    if isinstance(wanted, float) and 0 < wanted < 1:
        held_out = round(total * wanted)
    else:
        held_out = to_steps(wanted, period, panel.step, "validation")
    horizon = -(-steps // period) * period
    # short series: validation must hold some windows
    return total - max(held_out, min(horizon + 7 * period, total // 3))
