"""Tables of every common shape, as series on one regular grid of local time."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from recycle.errors import DataError
from recycle.windows import Array

__all__ = ["Panel", "read_panel"]

logger = logging.getLogger(__name__)
DUPLICATES = ("mean", "first", "last", "raise")


@dataclass(frozen=True)
class Panel:
    """Series on a common grid.

    Attributes
    ----------
    values : (T, S)
        With NaN where missing.
    times : DatetimeIndex, (T,)
        Local wall-clock time: every day has the same number of steps. The hour that is skipped in
        spring is missing; the one that is doubled in autumn is averaged.
    names : tuple
        Of the series.
    step : Timedelta
    tz : tzinfo or None
    last : Timestamp
        The last stamp, in universal time where there is a time zone.
    kind : str
        "series", "wide", "long", "multi" or "array": what came in, and goes out.
    naive_utc : bool
        Whether stamps came in as universal time without a zone.
    """

    values: Array
    times: pd.DatetimeIndex
    names: tuple[Any, ...]
    step: pd.Timedelta
    tz: Any
    last: pd.Timestamp
    kind: str
    naive_utc: bool = False
    index_names: tuple[Any, ...] = (None,)

    def wall(self, index: pd.DatetimeIndex) -> pd.DatetimeIndex:
        """Local wall-clock time of stamps, as `times` has it."""
        return _wall(index, self.tz).as_unit("ns")

    def future(self, steps: int) -> tuple[pd.DatetimeIndex, Array]:
        """Stamps after the last one, and their place on the grid after it.

        On the day when clocks go forward the missing slot is left out; on the day when they go
        back the doubled slot appears twice.

        Returns
        -------
        DatetimeIndex, (steps,)
        (steps,) int
            1 is the first step after the grid.
        """
        ahead = np.arange(1, steps + 1)
        if self.tz is None or self.step >= pd.Timedelta(days=1):
            stamps = self.last + ahead * self.step
            return pd.DatetimeIndex(stamps), ahead
        utc = pd.DatetimeIndex(self.last + ahead * self.step)
        local = utc.tz_convert(self.tz)
        wall = local.tz_localize(None)
        # after a last row within the doubled hour its slots are past: the next one stands for them
        places = np.maximum(((wall - self.times[-1]) // self.step).to_numpy(), 1)
        return (utc.tz_localize(None) if self.naive_utc else local), np.asarray(places)

    def extended(self, values: Array, steps: int) -> Panel:
        """The panel with rows after its last one.

        Parameters
        ----------
        values : (n, S)
            On the grid; on days when clocks change they are not as many as the steps.
        steps : int
            How many stamps further the last one is.
        """
        times = pd.date_range(self.times[0], periods=len(self.times) + len(values), freq=self.step)
        whole = np.concatenate([self.values, values])
        return replace(self, values=whole, times=times, last=self.last + steps * self.step)

    def shaped(self, stamps: pd.DatetimeIndex, columns: dict[str, Array]) -> Any:
        """Results in the shape of the input.

        Parameters
        ----------
        stamps : (h,)
        columns : dict of (h, S)
            The first is the forecast; others, such as quantiles, get their name as a suffix.
        """
        first = next(iter(columns.values()))
        if self.kind == "array":
            return first if len(columns) == 1 else np.stack(list(columns.values()), axis=-1)
        if self.kind in {"long", "multi"}:
            data = {
                self.index_names[0]: np.repeat(np.array(self.names, dtype=object), len(stamps)),
                self.index_names[1]: np.tile(stamps, len(self.names))
                if stamps.tz is None
                else stamps.append([stamps] * (len(self.names) - 1)),
            }
            target = self.index_names[2]
            for name, matrix in columns.items():
                data[target if not name else f"{target}{name}"] = matrix.T.ravel()
            frame = pd.DataFrame(data)
            return frame if self.kind == "long" else frame.set_index(list(self.index_names[:2]))
        if self.kind == "series" and len(columns) == 1:
            return pd.Series(first[:, 0], index=stamps, name=self.names[0])
        parts = {}
        for name, matrix in columns.items():
            for number, series in enumerate(self.names):
                base = "y" if series is None else series
                parts[f"{base}{name}" if name else base] = matrix[:, number]
        return pd.DataFrame(parts, index=stamps)


def read_panel(
    y: Any,
    *,
    freq: Any = None,
    tz: Any = None,
    duplicates: str = "mean",
    trim_leading: str | None = None,
    start: Any = None,
) -> Panel:
    """Read series.

    Parameters
    ----------
    y : Series, DataFrame or array
        A Series or wide frame with stamps as index; a long frame with the columns ``unique_id``,
        ``ds`` and ``y``, also of Arrow or Polars; a frame indexed by (series, stamp); or an array
        (T,) or (T, S).
    freq : str or Timedelta, optional
        Default: the most common difference of stamps.
    tz : str or tzinfo, optional
        Where days begin. Stamps with a zone are converted; stamps without one are then taken as
        universal time. Default: the zone of the stamps.
    duplicates : str
        "mean", "first", "last" or "raise": what becomes of several values at one time.
    trim_leading : str, optional
        "zeros": zeros before the first other value of a series are missing values.
    start : str or Timestamp, optional
        First stamp of an array.

    Raises
    ------
    DataError
        With what is wrong, where, and a remedy.
    """
    if duplicates not in DUPLICATES:
        raise ValueError(f"duplicates must be one of {DUPLICATES}, not {duplicates!r}")
    if trim_leading not in {None, "zeros"}:
        raise ValueError(f"trim_leading must be 'zeros' or None, not {trim_leading!r}")
    columns, kind, index_names = _columns(y, start, freq)
    if not columns:
        raise DataError("There is no series in the data")
    stamps = next(iter(columns.values())).index
    if trim_leading:
        columns = {name: _without_leading_zeros(s) for name, s in columns.items()}
    zone = tz if tz is not None else stamps.tz
    naive_utc = tz is not None and stamps.tz is None
    if naive_utc and len(stamps) > 2 and _looks_local(stamps, zone):
        logger.warning(
            "Stamps without a zone count as universal time, but these look like local time of %s, "
            "for the hours that clocks skip are missing: then leave tz out",
            zone,
        )
    step = _frequency(columns, freq)
    aligned = {name: _regular(name, s, step, zone, duplicates) for name, s in columns.items()}
    ends = [(s.index.tz_localize("UTC") if naive_utc else s.index).max() for s in columns.values()]
    last = max(ends)
    if zone is not None and step < pd.Timedelta(days=1):
        last = last.tz_convert("UTC")
    frame = pd.concat(aligned.values(), axis=1, sort=True)
    grid = pd.date_range(frame.index.min(), frame.index.max(), freq=step)
    values = frame.reindex(grid).to_numpy(dtype=np.float64)
    if np.isinf(values).any():
        row, column = np.argwhere(np.isinf(values))[0]
        raise DataError(
            f"Series {list(columns)[column]!r} is infinite at {grid[row]}; replace it by NaN"
        )
    return Panel(
        values, grid, tuple(columns), step, zone, last, kind, naive_utc, tuple(index_names)
    )


def _columns(y: Any, start: Any, freq: Any) -> tuple[dict[Any, pd.Series], str, list[Any]]:
    """Each series with its own stamps."""
    if hasattr(y, "to_pandas"):  # tables of Arrow and Polars
        y = y.to_pandas()
    if isinstance(y, pd.Series) and not isinstance(y.index, pd.MultiIndex):
        return {y.name: _stamped(y)}, "series", [None]
    if isinstance(y, pd.DataFrame) and {"unique_id", "ds", "y"} <= set(y.columns):
        indexed = y.set_index("ds")
        parts = {
            name: _stamped(part["y"].rename(name))
            for name, part in indexed.groupby("unique_id", sort=True)
        }
        return parts, "long", ["unique_id", "ds", "y"]
    if isinstance(y, pd.DataFrame | pd.Series) and isinstance(y.index, pd.MultiIndex):
        frame = y.to_frame("y" if y.name is None else y.name) if isinstance(y, pd.Series) else y
        if frame.index.nlevels != 2 or frame.shape[1] != 1:
            raise DataError("An index of (series, stamp) and one column are wanted")
        target = frame.columns[0]
        parts = {
            name: _stamped(part.droplevel(0)[target])
            for name, part in frame.groupby(level=0, sort=True)
        }
        return parts, "multi", [*frame.index.names, target]
    if isinstance(y, pd.DataFrame):
        return {name: _stamped(y[name]) for name in y.columns}, "wide", [None]
    array = np.asarray(y, dtype=np.float64)
    if array.ndim not in {1, 2}:
        raise DataError(f"An array of shape (T,) or (T, S) is wanted, not {array.shape}")
    if freq is None:
        raise DataError("Arrays have no stamps: give freq, such as freq='1h'")
    index = pd.date_range(start or "2000-01-03", periods=len(array), freq=freq)
    table = array.reshape(len(array), -1)
    return {n: pd.Series(table[:, n], index=index) for n in range(table.shape[1])}, "array", [None]


def _stamped(series: pd.Series) -> pd.Series:
    index = series.index
    if isinstance(index, pd.PeriodIndex):
        index = index.to_timestamp()
    if not isinstance(index, pd.DatetimeIndex):
        if pd.api.types.is_numeric_dtype(index):
            raise DataError(
                f"Series {series.name!r} is indexed by numbers; index it by time "
                "(pandas.to_datetime), or pass an array and freq"
            )
        try:
            index = pd.DatetimeIndex(index)
        except (ValueError, TypeError) as error:
            raise DataError(f"Stamps of series {series.name!r} cannot be read: {error}") from error
    if index.hasnans:
        raise DataError(f"Series {series.name!r} has rows without a stamp; drop them")
    numbers = pd.to_numeric(series, errors="coerce").to_numpy(dtype=np.float64)
    found = pd.Series(numbers, index=index, name=series.name)
    if not index.is_monotonic_increasing:
        logger.warning("The stamps of series %r are not in order; they are sorted", series.name)
        found = found.sort_index(kind="stable")
    return found


def _without_leading_zeros(series: pd.Series) -> pd.Series:
    started = (series.fillna(0.0) != 0).cummax()
    return series.where(started) if started.any() else series


def _looks_local(index: pd.DatetimeIndex, zone: Any) -> bool:
    """Whether stamps lack those hours that clocks skip in a zone, and no others around them."""
    hour = pd.Timedelta(hours=1)
    hours = pd.date_range(index.min().floor("h"), index.max(), freq=hour)
    summer = np.ones(len(hours), dtype=bool)
    local = hours.tz_localize(zone, ambiguous=summer, nonexistent="NaT")
    skipped = hours[local.isna()]
    around = (skipped - hour).isin(index) & (skipped + hour).isin(index)
    return bool(around.any() and not skipped[around].isin(index).any())


def _frequency(columns: dict[Any, pd.Series], freq: Any) -> pd.Timedelta:
    if freq is not None:
        return pd.Timedelta(pd.tseries.frequencies.to_offset(freq))
    gaps = np.concatenate(
        [np.diff(s.index.as_unit("ns").asi8) for s in columns.values() if len(s) > 1] or [[]]
    )
    gaps = gaps[gaps > 0]
    if len(gaps) == 0:
        raise DataError("One row is too little to see the frequency; give freq, such as freq='1h'")
    lengths, counts = np.unique(gaps, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    if counts[order[0]] < 0.6 * len(gaps):
        seen = ", ".join(str(pd.Timedelta(lengths[i], "ns")) for i in order[:3])
        raise DataError(
            f"Stamps are irregular (most common differences: {seen}); give freq, or resample"
        )
    return pd.Timedelta(int(lengths[order[0]]), "ns")


def _regular(
    name: Any, series: pd.Series, step: pd.Timedelta, zone: Any, duplicates: str
) -> pd.Series:
    """One value for each local time."""
    series = series.dropna() if series.notna().any() else series
    repeated = series.index.duplicated(keep=False)
    if repeated.any():
        first = series.index[repeated][0]
        if duplicates == "raise":
            raise DataError(f"Series {name!r} has several values at {first}")
        differing = series[repeated].groupby(level=0).nunique(dropna=False) > 1
        if differing.any():
            logger.warning(
                "Series %r has several values at %d times, the first at %s; taken: %s",
                name, int(differing.sum()), first, duplicates,
            )  # fmt: skip
        series = series.groupby(level=0).agg("mean" if duplicates == "mean" else duplicates)
    index = _wall(series.index, zone)
    offset = (index - index[0]) % step
    if (offset != pd.Timedelta(0)).any():
        wrong = series.index[np.flatnonzero(offset != pd.Timedelta(0))[0]]
        raise DataError(
            f"Series {name!r} has a value at {wrong}, which is not on its grid of {step}; "
            "resample it first, for example y.resample(freq).mean()"
        )
    series = pd.Series(series.to_numpy(), index=index.as_unit("ns"), name=name)
    return series.groupby(level=0).mean()  # the doubled hour in autumn


def _wall(index: pd.DatetimeIndex, zone: Any) -> pd.DatetimeIndex:
    if zone is None:
        return index
    index = (index.tz_localize("UTC") if index.tz is None else index).tz_convert(zone)
    return index.tz_localize(None)
