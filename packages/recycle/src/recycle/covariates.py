"""Tables of covariates, on the grid of the series."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from recycle.cyclic import CyclicData
from recycle.errors import DataError
from recycle.panels import Panel
from recycle.windows import Array

__all__ = ["align_covariates", "covariate_names", "future_covariates", "joined_covariates"]


def covariate_names(x: Any) -> tuple[Any, ...]:
    """Columns of a table of covariates."""
    if isinstance(x, pd.DataFrame):
        return tuple(name for name in x.columns if name not in {"unique_id", "ds"})
    if isinstance(x, pd.Series):
        return (x.name,)
    array = np.asarray(x)
    return tuple(range(array.shape[1] if array.ndim > 1 else 1))


def future_covariates(
    x: Any, before: Any, panel: Panel, names: tuple[Any, ...], data: CyclicData, needed: Array
) -> Array:
    """Covariates of history and horizon, as forecasts need them.

    Parameters
    ----------
    x : as in `align_covariates`, or "profile"
        "profile": the last cycles of the covariates are repeated.
    before : like x, optional
        Those of the fit, if the forecast goes on from there.
    panel, names, needed :
        As in `align_covariates`.
    data : CyclicData
        Series on the panel's grid, for the length of the horizon.

    Returns
    -------
    (S, T + horizon, C)
    """
    go_on = isinstance(x, str) and x == "profile"
    if x is not None and not go_on:
        _check_names(x, names)
    table = before if go_on or x is None else x if before is None else joined_covariates(before, x)
    if table is None:
        raise DataError(
            f"The model was fitted with covariates: give X with the columns {list(names)} for "
            "history and horizon, see make_future_frame"
        )
    period = data.calendar.period
    horizon = len(data.calendar.day) - data.n_steps
    if not go_on:
        return align_covariates(table, panel, names, horizon, needed)
    found = align_covariates(table, panel, names, horizon, needed[:0])
    n = len(panel.times)
    found[:, n:] = found[:, n - period : n][:, np.arange(horizon) % period]
    return found


def _check_names(x: Any, names: tuple[Any, ...]) -> None:
    missing = [name for name in names if name not in covariate_names(x)]
    if missing:
        raise DataError(f"X lacks the covariates {missing}, which the model was fitted with")


def joined_covariates(before: Any, after: Any) -> Any:
    """Rows of both, one after the other."""
    if isinstance(after, pd.DataFrame | pd.Series):
        both_zoned = all(getattr(x.index, "tz", None) is not None for x in (before, after))
        return pd.concat([before, after.tz_convert(before.index.tz) if both_zoned else after])
    return np.concatenate([np.asarray(before), np.asarray(after)])


def align_covariates(
    x: Any, panel: Panel, names: tuple[Any, ...], horizon: int, needed: Array
) -> Array:
    """Covariates of each series from its first step until the end of the forecast.

    Parameters
    ----------
    x : DataFrame, Series or array
        Indexed by stamps, for all series; or with ``unique_id`` and ``ds``, or indexed by
        (series, stamp), for each series; or an array from the first step on.
    panel : Panel
    names : tuple
        The covariates that are wanted.
    horizon : int
        Steps after the last one.
    needed : (m,) int
        Steps after the last one, from 1 on, where no value may be missing.

    Returns
    -------
    (S, T + horizon, C)
        Gaps of the past are interpolated.

    Raises
    ------
    DataError
        Naming the first stamp that is missing.
    """
    _check_names(x, names)
    grid = pd.date_range(panel.times[0], periods=len(panel.times) + horizon, freq=panel.step)
    tables = []
    for series in panel.names:
        table = _of_series(x, series, panel, names, grid)
        future = table.to_numpy()[len(panel.times) - 1 + needed]
        if np.isnan(future).any():
            row, column = np.argwhere(np.isnan(future))[0]
            stamp = grid[len(panel.times) - 1 + needed[row]]
            raise DataError(
                f"X has no value of {names[column]!r} at {stamp} for series {series!r}; it must "
                "cover the forecast: see make_future_frame, or say X='profile' to go on as before"
            )
        table = table.interpolate(limit_direction="both")
        if table.isna().to_numpy().any():
            raise DataError(f"A covariate of series {series!r} has no value at all")
        tables.append(table.to_numpy(dtype=np.float64))
    return np.stack(tables)


def _of_series(
    x: Any, series: Any, panel: Panel, names: tuple[Any, ...], grid: pd.DatetimeIndex
) -> pd.DataFrame:
    """The covariates of one series on the grid, with NaN where missing."""
    if not isinstance(x, pd.DataFrame | pd.Series):
        array = np.asarray(x, dtype=np.float64).reshape(len(x), -1)
        return pd.DataFrame(array[:, list(names)], index=grid[: len(array)]).reindex(grid)
    frame = x.to_frame() if isinstance(x, pd.Series) else x
    if "ds" in frame.columns:
        if "unique_id" in frame.columns:
            frame = frame[frame["unique_id"] == series]
        frame = frame.set_index("ds")
    elif isinstance(frame.index, pd.MultiIndex):
        here = frame.index.get_level_values(0) == series
        frame = frame[here].droplevel(0)
    index = frame.index
    if isinstance(index, pd.PeriodIndex):
        index = index.to_timestamp()
    if not isinstance(index, pd.DatetimeIndex):
        raise DataError("X must be indexed by stamps, or have the column ds")
    if index.tz is not None and panel.tz is None:
        raise DataError("X has a time zone, and the series have none; give both the same")
    numbers = frame[list(names)].apply(pd.to_numeric, errors="coerce").astype(np.float64)
    numbers.index = panel.wall(index)
    return numbers.groupby(level=0).last().reindex(grid)
