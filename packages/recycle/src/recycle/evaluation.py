"""Looking back: forecasts from many origins, fits on growing data, and going on with new data."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from recycle.durations import to_steps
from recycle.errors import NotEnoughDataError
from recycle.forecasting import read, views
from recycle.intervals import check_quantiles
from recycle.metrics import METRICS, coverage
from recycle.teams import ALONE, Team, shared_sum
from recycle.windows import Array

if TYPE_CHECKING:
    from recycle.forecaster import ReCycleForecaster

__all__ = ["Backtest", "backtest", "compare_heads", "cross_validate", "update"]


@dataclass(frozen=True)
class Backtest:
    """Forecasts from many origins, in the series' own units.

    Attributes
    ----------
    names : tuple
        Of the series.
    origins : DatetimeIndex, (n,)
        The first forecast time of each, in local time.
    truth, forecast : (S, n, H)
        The truth is NaN where missing.
    levels : tuple of float
    quantiles : (n_levels, S, n, H)
    """

    names: tuple[Any, ...]
    origins: pd.DatetimeIndex
    truth: Array
    forecast: Array
    levels: tuple[float, ...]
    quantiles: Array

    def score(self, metric: str = "mae") -> float:
        """An error over everything, by its name in `METRICS`."""
        if metric not in METRICS:
            raise ValueError(f"metric must be one of {sorted(METRICS)}, not {metric!r}")
        return METRICS[metric](self.truth, self.forecast)

    def coverage(self) -> float:
        """Share of truths between the outermost quantiles."""
        return coverage(self.truth, self.quantiles[0], self.quantiles[-1])

    def scores(self, by: str = "all", metrics: Sequence[str] = tuple(METRICS)) -> pd.DataFrame:
        """Errors by "all", "series", "horizon" (each step) or "month" (of the origin)."""
        rows: dict[Any, tuple[Any, ...]] = {"all": (slice(None),)}
        if by == "series":
            rows = {name: (number,) for number, name in enumerate(self.names)}
        elif by == "horizon":
            steps = range(self.truth.shape[2])
            rows = {step + 1: (slice(None), slice(None), step) for step in steps}
        elif by == "month":
            months = self.origins.to_period("M")
            rows = {str(month): (slice(None), months == month) for month in months.unique()}
        elif by != "all":
            raise ValueError(f"by must be 'all', 'series', 'horizon' or 'month', not {by!r}")
        found = {
            label: {name: METRICS[name](self.truth[part], self.forecast[part]) for name in metrics}
            for label, part in rows.items()
        }
        return pd.DataFrame.from_dict(found, orient="index").rename_axis(by)


def backtest(
    forecaster: ReCycleForecaster,
    y: Any,
    X: Any = None,
    *,
    step: int | str = "1c",
    head: str | None = None,
    quantiles: Sequence[float] = (),
    start: Any = None,
    comm: Team | None = None,
) -> Backtest:
    """Forecast from every origin that has a complete past and future in the data.

    Parameters
    ----------
    forecaster : ReCycleForecaster
        Fitted; it is not fitted again.
    y, X : like those of `fit`
    step : int or str
        Between origins.
    head : str, optional
        One candidate alone.
    quantiles : sequence of float
        At each origin they know what lies before it, and no more.
    start : Timestamp or str, optional
        The first origin, in local time.
    comm : mpi_utils.Communicator, optional
        Ranks that share the origins; all pass the same data, and get the same result. Collective.

    Raises
    ------
    NotEnoughDataError
    """
    team = comm or ALONE
    levels = check_quantiles(quantiles)
    model, panel = forecaster.model_, read(forecaster, y)
    horizon = forecaster.horizon_
    stride = to_steps(step, model.settings.period, panel.step, "step")
    first = model.lookback
    if start is not None:
        first = max(first, int(np.searchsorted(panel.times, pd.Timestamp(start))))
    end = len(panel.times) - model.settings.horizon
    if end < first:
        raise NotEnoughDataError(
            f"A backtest needs {first + model.settings.horizon} steps, there are {len(panel.times)}"
        )
    origins = np.arange(first, end + 1, stride)
    mine = np.array_split(np.arange(len(origins)), team.size)[team.rank]
    found = np.zeros((2 + len(levels), len(panel.names), len(origins), horizon))
    for number, view in enumerate(views(forecaster, panel, X, False, np.zeros(0, dtype=np.int64))):
        where = origins[mine]
        if len(where) == 0:
            break
        past = model.predict(view.windows, view.series, where, head)
        rows = [view.truth(where, model.settings.horizon), past.point]
        if levels:
            rows += list(view.quantiles(model, where, past, levels))
        for row, scaled in enumerate(rows):
            found[row, number, mine] = view.own_units(scaled, where)[:, :horizon]
    if team.size > 1:
        # unknown truths are NaN on one rank, and stay NaN in the sum
        (found,) = shared_sum(team, found)
    return Backtest(panel.names, panel.times[origins], found[0], found[1], levels, found[2:])


def cross_validate(
    forecaster: ReCycleForecaster,
    y: Any,
    X: Any = None,
    *,
    folds: int = 4,
    step: int | str = "1c",
    metrics: Sequence[str] = ("mae", "rmse", "wape"),
    comm: Team | None = None,
) -> pd.DataFrame:
    """Fit on a growing first part of the data, and forecast the part after it.

    Parameters
    ----------
    forecaster : ReCycleForecaster
        Its parameters are used; it is left as it is.
    y, X : like those of `fit`
    folds : int
        The data are cut into folds + 1 parts, of which the first is for training only.
    step : int or str
        Between forecasts.
    metrics : sequence of str
    comm : mpi_utils.Communicator, optional
        Ranks that share each fit. Collective.

    Returns
    -------
    DataFrame
        A row for each fold and for each of "model", "profile" and "naive".
    """
    if folds < 1:
        raise ValueError(f"folds must be at least 1, not {folds}")
    panel = read(forecaster, y)
    table = pd.DataFrame(panel.values, panel.times, list(panel.names))
    options = {**forecaster.get_params(), "tz": None, "freq": panel.step}
    inputs = X
    if X is not None and panel.tz is not None and isinstance(X, pd.DataFrame | pd.Series):
        inputs = X.set_axis(panel.wall(pd.DatetimeIndex(X.index)))
    edges = np.linspace(0, len(table), folds + 2).astype(int)[1:]
    rows = []
    for fold, (cut, stop) in enumerate(itertools.pairwise(edges)):
        model = type(forecaster)(**options).fit(table.iloc[:cut], inputs, comm=comm)
        back = model.model_.lookback
        part = table.iloc[max(0, cut - back) : stop]
        for label, head in (("model", None), ("profile", "profile"), ("naive", "naive")):
            found = backtest(
                model, part, inputs, step=step, head=head, start=table.index[cut], comm=comm
            )
            scores = found.scores(metrics=metrics).iloc[0].to_dict()
            rows.append({"fold": fold, "until": table.index[cut], "forecast": label, **scores})
    return pd.DataFrame(rows)


def compare_heads(
    forecaster: ReCycleForecaster,
    y: Any,
    X: Any = None,
    *,
    heads: Sequence[str],
    folds: int = 1,
    comm: Team | None = None,
) -> pd.DataFrame:
    """Cross-validate heads, and the naive forecast, on the same data. Collective.

    Returns
    -------
    DataFrame
        A row a head: mean errors over the folds, and CPU seconds of this process.
    """
    metrics = ("mae", "rmse", "wape")
    rows: list[dict[str, Any]] = []
    for head in heads:
        model = type(forecaster)(**{**forecaster.get_params(), "head": head})
        started = time.process_time()
        found = cross_validate(model, y, X, folds=folds, metrics=metrics, comm=comm)
        seconds = time.process_time() - started
        means = found.groupby("forecast")[list(metrics)].mean()
        if not rows:
            rows.append({"head": "last cycle", **means.loc["naive"], "cpu_s": 0.0})
        rows.append({"head": head, **means.loc["model"], "cpu_s": seconds})
    return pd.DataFrame(rows)


def update(forecaster: ReCycleForecaster, y: Any, X: Any, refit: str) -> None:
    """Take in new rows: forecasts then continue them, and intervals learn from their errors.

    Parameters
    ----------
    forecaster : ReCycleForecaster
        Fitted in this process.
    y, X : like those of `fit`
        New rows; where stamps are known already, the new values count.
    refit : str
        "none"; "ridge": the ridge is solved again with all rows, a matter of a second;
        "all": everything is fitted again.
    """
    from recycle.pooling import refit_model

    if refit not in {"none", "ridge", "all"}:
        raise ValueError(f"refit must be 'none', 'ridge' or 'all', not {refit!r}")
    if not hasattr(forecaster, "y_"):
        raise ValueError("A model from a file has no data to add to: predict with history")
    y, X = _joined(forecaster.y_, y), _joined(forecaster.X_, X)
    if refit == "all":
        forecaster.fit(y, X)
        return
    panel = read(forecaster, y)
    if set(panel.names) != set(forecaster.names_):
        raise ValueError("New series need refit='all', or predict with history")
    forecaster.panel_, forecaster.y_, forecaster.X_ = panel, y, X
    if refit == "ridge" and forecaster.model_.pooled is not None:
        (view, *_) = views(forecaster, panel, None, True, np.zeros(0, dtype=np.int64))
        span = (0, view.windows.data.n_steps)
        forecaster.model_ = refit_model(forecaster.model_, view.windows, span)
        forecaster.end_ = panel.times[-1]


def _joined(before: Any, after: Any) -> Any:
    """Rows of both; of rows with one stamp, the later."""
    if before is None or after is None:
        return before if after is None else after
    if not isinstance(before, pd.DataFrame | pd.Series):
        return np.concatenate([np.asarray(before), np.asarray(after)])
    if isinstance(before, pd.DataFrame) and {"unique_id", "ds"} <= set(before.columns):
        keys = ["unique_id", "ds"]
        known = pd.MultiIndex.from_frame(before[keys]).isin(pd.MultiIndex.from_frame(after[keys]))
    else:
        known = before.index.isin(after.index)
    return pd.concat([before[~known], after])
