"""From a panel to scaled series with a calendar."""

from __future__ import annotations

import datetime as dt
import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from recycle.calendars import FEATURES, PAPER_FEATURES, Calendar
from recycle.cyclic import CyclicData, StepCalendar, fill_gaps
from recycle.detection import CycleInfo, detect_cycle
from recycle.panels import Panel
from recycle.profiles import RecentHistoricProfile
from recycle.scaling import Scaler
from recycle.specialdays import SpecialDays
from recycle.statics import fit_static
from recycle.windows import Array

if TYPE_CHECKING:
    from recycle.forecaster import ReCycleForecaster

__all__ = ["Grid", "choose_cycle", "choose_grid", "cyclic_data", "detect_cycles"]

logger = logging.getLogger(__name__)
DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class Grid:
    """How steps become slots and days.

    Attributes
    ----------
    period : int
    anchor : Timestamp
        A step at which a cycle starts, where the cycle is no day.
    country : str, mapping or None
    scheme : str or callable
    paper : bool
        Whether the networks get the original's calendar numbers.
    holidays : tuple of date
        Further days off, of all series.
    static : callable, optional
        From names of series to what never changes in them, ``(S, f)``.
    """

    period: int
    anchor: pd.Timestamp
    country: str | Mapping[Any, str] | None
    scheme: Any
    paper: bool = False
    holidays: tuple[dt.date, ...] = ()
    static: Callable[[Sequence[Any]], Array] | None = None

    def calendar(self, times: pd.DatetimeIndex, step: pd.Timedelta, names: Any) -> StepCalendar:
        """The calendar of steps, for each series."""
        found = self._days(times, step, names)
        return found if self.static is None else replace(found, static=self.static(names))

    def _days(self, times: pd.DatetimeIndex, step: pd.Timedelta, names: Any) -> StepCalendar:
        if step * self.period != DAY:
            phase = int((times[0] - self.anchor) / step) % self.period
            return StepCalendar.without_days(self.period, phase, len(times), len(names))
        country = self.country
        codes = [country.get(n) if isinstance(country, Mapping) else country for n in names]
        regions = sorted({code or "" for code in codes})
        midnight = times.normalize()
        day = ((midnight - midnight[0]) // DAY).to_numpy()
        days = pd.date_range(midnight[0], periods=int(day[-1]) + 1, freq="D")
        features = PAPER_FEATURES if self.paper else FEATURES
        tables = [
            Calendar(code or None, self.holidays, self.scheme, features=features).table(days)
            for code in regions
        ]
        return StepCalendar(
            self.period,
            int((times[0] - midnight[0]) / step),
            day,
            np.stack([table.category for table in tables]),
            np.stack([table.features for table in tables]),
            np.array([regions.index(code or "") for code in codes]),
            max(table.n_categories for table in tables),
            np.stack([table.special for table in tables]),
        )


def choose_grid(
    wanted: ReCycleForecaster, period: int, anchor: pd.Timestamp, names: Sequence[Any]
) -> Grid:
    """The grid that the parameters ask for, with static features as the series of a fit have them.

    Parameters
    ----------
    wanted : ReCycleForecaster
    period, anchor : see `Grid`
    names : sequence
        Series of the fit.
    """
    static = None
    if wanted.static is not None:
        features = fit_static(wanted.static, names)
        static = functools.partial(features.of, wanted.static)
    days_off = tuple(pd.Timestamp(day).date() for day in wanted.holidays)
    paper = wanted.head == "paper"
    return Grid(period, anchor, wanted.country, wanted.scheme, paper, days_off, static)


def choose_cycle(panel: Panel, cycle: int | str | None) -> tuple[int | None, int]:
    """The primary cycle and the super-cycle: as given, or as most series have it."""
    if cycle is None:
        return None, 1
    week = 7 if panel.step < DAY else 1
    if cycle != "auto":
        if isinstance(cycle, bool) or not isinstance(cycle, int | np.integer) or cycle < 2:
            raise ValueError(f"cycle must be 'auto', None or at least 2 steps, not {cycle!r}")
        return int(cycle), week if panel.step * int(cycle) == DAY else 1
    found = detect_cycles(panel, 16)
    votes = [info.primary for info in found if info.primary is not None]
    if 2 * len(votes) < len(found) or not votes:
        logger.info("No cycle was found; forecasts start from the last value")
        return None, 1
    primary = max(set(votes), key=votes.count)
    supers = [info.super for info in found if info.primary == primary]
    chosen = max(set(supers), key=supers.count)
    logger.info("The cycle is %d steps long, %d of them repeat", primary, chosen)
    return primary, week if panel.step * primary == DAY else chosen


def detect_cycles(panel: Panel, most: int | None = None) -> list[CycleInfo]:
    """The cycle of each series, or of the first ones; days and weeks are preferred."""
    hints = [int(span // panel.step) for span in (DAY, 7 * DAY) if span >= 2 * panel.step]
    longest = max(hints, default=0) * 2 or None
    return [
        detect_cycle(series, hints=hints, max_period=longest) for series in panel.values.T[:most]
    ]


def cyclic_data(
    panel: Panel,
    grid: Grid,
    scaler: Scaler,
    k: int,
    horizon: int,
    pad: int,
    effects: Array | None = None,
    days: SpecialDays | None = None,
) -> CyclicData:
    """Scale, fill gaps, and look up the calendar until `horizon` after the last step.

    Parameters
    ----------
    panel : Panel
    grid : Grid
    scaler : Scaler
    k : int
        Cycles of the profile that fills gaps.
    horizon : int
    pad : int
        Missing steps to put before the first.
    effects : (S, pad + T + horizon), optional
        What is taken off the scaled values: what covariates add to them.
    days : SpecialDays, optional
        What is taken off further.
    """
    values = scaler.transform(panel.values).T
    values = np.concatenate([np.full((len(values), pad), np.nan), values], axis=1)
    start = panel.times[0] - pad * panel.step
    times = pd.date_range(start, periods=values.shape[1] + horizon, freq=panel.step)
    calendar = grid.calendar(times, panel.step, panel.names)
    added = np.zeros((len(values), len(times))) if effects is None else effects
    if days is not None:
        parts = [days.of(calendar.special_of(n), calendar.slots) for n in range(len(values))]
        added = added + np.stack(parts)
    values = values - added[:, : values.shape[1]]
    profile = RecentHistoricProfile(grid.period, calendar.n_categories, k)
    filled = [
        fill_gaps(series, profile.cells(calendar.categories(n), calendar.phase), profile)
        for n, series in enumerate(values)
    ]
    return CyclicData(values, _stack(filled), calendar, added)


def _stack(rows: list[Array]) -> Array:
    return np.ascontiguousarray(np.stack(rows))
