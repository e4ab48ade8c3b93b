"""Series with their calendar, as the heads see them, and windows over them."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import numpy as np

from recycle.profiles import RecentHistoricProfile
from recycle.windows import Array, futures, histories

__all__ = ["CyclicData", "StepCalendar", "Windows", "fill_gaps"]


@dataclass(frozen=True)
class StepCalendar:
    """The day of each step, and what is known of the days in each region.

    Attributes
    ----------
    period : int
        Steps of a primary cycle.
    phase : int
        Slot of the first step.
    day : (T_ext,) int
        Row of each step in the tables; covers the horizon after the last step.
    category : (R, D) int
    features : (R, D, g) float32
    region : (S,) int
        Which tables a series uses.
    n_categories : int
    special : (R, D, q) bool
        Kinds of special days, see `recycle.calendars.SPECIAL_DAYS`.
    static : (S, f) float32 or None
        What never changes in a series.
    """

    period: int
    phase: int
    day: Array
    category: Array
    features: Array
    region: Array
    n_categories: int
    special: Array
    static: Array | None = None

    @classmethod
    def without_days(cls, period: int, phase: int, steps: int, series: int) -> StepCalendar:
        """One category for everything: a cycle that no calendar knows."""
        return cls(
            period,
            phase,
            np.zeros(steps, dtype=np.int64),
            np.zeros((1, 1), dtype=np.int64),
            np.zeros((1, 1, 0), dtype=np.float32),
            np.zeros(series, dtype=np.int64),
            1,
            np.zeros((1, 1, 0), dtype=bool),
        )

    def categories(self, series: int) -> Array:
        """The category of each step: ``(T_ext,)``."""
        return np.asarray(self.category[self.region[series]][self.day])

    def special_of(self, series: int) -> Array:
        """The kinds of special days that each step belongs to: ``(T_ext, q)``."""
        return np.asarray(self.special[self.region[series]][self.day])

    @property
    def slots(self) -> Array:
        """The place of each step in its cycle: ``(T_ext,)``."""
        return np.asarray((np.arange(len(self.day)) + self.phase) % self.period)

    @property
    def n_features(self) -> int:
        """Numbers of a token besides its values: g + f."""
        return int(self.features.shape[2] + (0 if self.static is None else self.static.shape[1]))

    def tokens(self, series: int, origins: Array, first: int, last: int) -> Array:
        """Features of cycles `first` to `last` from each origin: ``(n, last - first, g + f)``.

        A token that starts within a day takes the date of its middle, where most of it lies.
        """
        middle = np.arange(first, last) * self.period + self.period // 2
        days = self.day[np.asarray(origins)[:, None] + middle]
        found = np.asarray(self.features[self.region[series]][days])
        if self.static is None:
            return found
        own = np.broadcast_to(self.static[series], (*found.shape[:2], self.static.shape[1]))
        return np.concatenate([found, own], axis=2)


@dataclass(frozen=True)
class CyclicData:
    """Scaled series on a common grid.

    Attributes
    ----------
    values : (S, T)
        With NaN where missing.
    filled : (S, T) float32
        Gaps filled from what was known before them.
    calendar : StepCalendar
    added : (S, T_ext) or None
        What known inputs and special days add, which was taken off the values.
    """

    values: Array
    filled: Array
    calendar: StepCalendar
    added: Array | None = None

    @property
    def n_series(self) -> int:
        """S."""
        return int(self.values.shape[0])

    @property
    def n_steps(self) -> int:
        """T."""
        return int(self.values.shape[1])


def fill_gaps(values: Array, cells: Array, profile: RecentHistoricProfile) -> Array:
    """Fill missing steps causally: by the profile, and what was left over before the gap.

    The left-over halves every quarter cycle. No value after a gap is used, so that a window that
    ends within it cannot know what follows.

    Parameters
    ----------
    values, cells : (T,) and (at least T,)

    Returns
    -------
    (T,) float32
    """
    filled = values.astype(np.float64, copy=True)
    missing = np.flatnonzero(~np.isfinite(values))
    if len(missing):
        steps = np.arange(len(values))
        before = np.maximum.accumulate(np.where(np.isfinite(values), steps, -1))[missing]
        has_before = before >= 0
        table = profile.table(values, cells, missing)
        expected = np.take_along_axis(table, cells[missing][:, None], axis=1)[:, 0]
        reference = np.take_along_axis(table, cells[before][:, None], axis=1)[:, 0]
        rest = np.where(has_before, values[before] - reference, 0.0)
        age = (missing - before) / max(profile.period / 4, 1.0)
        filled[missing] = expected + rest * 0.5**age
    return filled.astype(np.float32)


@dataclass(frozen=True)
class Windows:
    """Histories, targets and profiles around origins, gathered without a loop over windows."""

    data: CyclicData
    profile: RecentHistoricProfile
    _tables: dict[int, Array] = field(default_factory=dict, repr=False)

    @functools.cached_property
    def cells(self) -> list[Array]:
        """The place of each step in the profile tables, for each series."""
        calendar = self.data.calendar
        by_region = {
            region: self.profile.cells(calendar.category[region][calendar.day], calendar.phase)
            for region in np.unique(calendar.region).tolist()
        }
        return [by_region[region] for region in calendar.region.tolist()]

    def table(self, series: int) -> Array:
        """The profile table at every origin of a series: ``(T + 1, rows * period)`` float32."""
        if series not in self._tables:
            origins = np.arange(self.data.n_steps + 1)
            table = self.profile.table(self.data.values[series], self.cells[series], origins)
            self._tables[series] = table.astype(np.float32)
        return self._tables[series]

    def profiles(self, series: int, origins: Array, start: int, stop: int) -> Array:
        """The profile known at each origin, of steps ``origin + start .. origin + stop``.

        Returns
        -------
        (n, stop - start) float32
        """
        if len(origins) * 4 < self.data.n_steps and series not in self._tables:
            table = self.profile.table(self.data.values[series], self.cells[series], origins)
        else:
            table = self.table(series)[origins]
        found = self.profile.at(table, self.cells[series], origins, start, stop)
        return found.astype(np.float32, copy=False)

    def history(self, series: int, origins: Array, length: int) -> Array:
        """Filled values before each origin: ``(n, length)``."""
        return histories(self.data.filled[series], origins, length)

    def target(self, series: int, origins: Array, length: int) -> Array:
        """Values from each origin on, with NaN where missing: ``(n, length)``."""
        return futures(self.data.values[series], origins, length)

    def usable(
        self, series: int, span: tuple[int, int], lookback: int, horizon: int, max_missing: float
    ) -> Array:
        """Origins in a span whose windows can be trusted.

        Targets lie within the span and touch no gap of more than two cycles; at most a share of
        `max_missing` of the history is missing.

        Returns
        -------
        (n,) int, ascending
        """
        missing = ~np.isfinite(self.data.values[series])
        first, last = max(span[0], lookback), span[1] - horizon
        if last < first:
            return np.zeros(0, dtype=np.int64)
        origins = np.arange(first, last + 1)
        gone = np.concatenate([[0], np.cumsum(missing)])
        share = (gone[origins] - gone[origins - lookback]) / lookback
        bad = np.concatenate([[0], np.cumsum(_in_long_gaps(missing, 2 * self.profile.period))])
        fine = (share <= max_missing) & (bad[origins + horizon] == bad[origins])
        return np.asarray(origins[fine])


def _in_long_gaps(missing: Array, length: int) -> Array:
    """Which steps belong to gaps of more than `length` steps."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], missing.astype(np.int8), [0]])))
    marked = np.zeros(len(missing), dtype=np.int64)
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        marked[start:stop] = stop - start > length
    return marked
