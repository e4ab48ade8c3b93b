"""Pictures of forecasts, profiles and errors, as one would show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from recycle.evaluation import Backtest
    from recycle.forecaster import ReCycleForecaster

__all__ = ["first_series", "plot_errors", "plot_forecast", "plot_model", "plot_profile"]

BLUE, GREY = "#1f6f8b", "0.35"


def plot_forecast(
    history: pd.Series,
    forecast: pd.DataFrame | pd.Series,
    *,
    days: int = 14,
    truth: pd.Series | None = None,
    ax: Any = None,
) -> Any:
    """Draw the last days, the forecast, and the bands between its quantiles.

    Parameters
    ----------
    history : Series
    forecast : Series or DataFrame
        From `ReCycleForecaster.predict` on one series.
    days : int
        Of history.
    truth : Series, optional
        What came.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
    """
    ax = _axes(ax)
    table = forecast.to_frame() if isinstance(forecast, pd.Series) else forecast
    recent = history[history.index >= history.index[-1] - pd.Timedelta(days=days)]
    ax.plot(recent.index, recent.to_numpy(), color=GREY, linewidth=1.0, label="measured")
    point = table.columns[0]
    bands = sorted(
        (c for c in table.columns if str(c).startswith(f"{point}_q")),
        key=lambda c: float(str(c).rsplit("_q", 1)[1]),
    )
    for lower, upper in zip(bands[: len(bands) // 2], bands[::-1], strict=False):
        low, high = (100 * float(str(c).rsplit("_q", 1)[1]) for c in (lower, upper))
        ax.fill_between(
            table.index, table[lower], table[upper], color=BLUE, alpha=0.2, linewidth=0,
            label=f"{high - low:.0f} % interval",
        )  # fmt: skip
    if truth is not None:
        came = truth[truth.index.isin(table.index)]
        ax.plot(came.index, came.to_numpy(), color=GREY, linewidth=1.0, linestyle="--")
    ax.plot(table.index, table[point], color=BLUE, linewidth=1.6, label="forecast")
    ax.axvline(history.index[-1], color="0.6", linewidth=0.8, linestyle=":")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, frameon=False)
    ax.set_ylabel("" if history.name is None else str(history.name))
    return _finished(ax, dates=True)


def plot_model(
    forecaster: ReCycleForecaster, *, level: float = 80, days: int = 14, ax: Any = None
) -> Any:
    """Draw the forecast of the first series after the data of the fit, with an interval."""
    x = "profile" if forecaster.effect_ is not None else None
    panel = forecaster.panel_
    tails = [0.5 - level / 200, 0.5 + level / 200]
    found = forecaster.predict(quantiles=tails, X=x, history=None)
    if panel.kind == "array":
        stamps, _ = panel.future(forecaster.horizon_)
        names = ["y", *(f"y_q{tail:g}" for tail in tails)]
        found = pd.DataFrame(found[:, 0], index=stamps, columns=names)
        return plot_forecast(
            pd.Series(panel.values[:, 0], panel.times, name="y"), found, days=days, ax=ax
        )
    return plot_forecast(*first_series(forecaster.y_, found), days=days, ax=ax)


def first_series(history: Any, forecast: Any) -> tuple[pd.Series, pd.DataFrame]:
    """The first series of a table, and its forecast, each indexed by stamps alone."""
    if isinstance(history, pd.Series) and not isinstance(history.index, pd.MultiIndex):
        return history.dropna(), forecast
    if isinstance(history, pd.DataFrame) and {"unique_id", "ds", "y"} <= set(history.columns):
        history, forecast = (t.set_index(["unique_id", "ds"]) for t in (history, forecast))
    if isinstance(history.index, pd.MultiIndex):
        first = forecast.index.get_level_values(0)[0]
        table = history if isinstance(history, pd.Series) else history.iloc[:, 0]
        return table.xs(first, level=0).rename(str(first)).sort_index(), forecast.xs(first, level=0)
    name = history.columns[0]
    columns = [c for c in forecast if c == name or str(c).startswith(f"{name}_q")]
    return history[name].dropna(), forecast[columns]


def plot_profile(table: pd.DataFrame, *, ax: Any = None) -> Any:
    """Draw the profiles of one series, from `ReCycleForecaster.profile_table`, by kind of day."""
    ax = _axes(ax)
    series = table.columns.get_level_values(0)[0]
    for column, kind in enumerate(table[series]):
        shade = BLUE if column == 0 else str(0.25 + 0.5 * column / max(table[series].shape[1], 2))
        ax.plot(table.index, table[series][kind], color=shade, label=f"kind of day {kind}")
    ax.set_xlabel("step of the cycle")
    ax.legend(frameon=False)
    return _finished(ax)


def plot_errors(found: dict[str, Backtest], *, ax: Any = None) -> Any:
    """Draw the mean absolute error over the horizon, one line for each backtest."""
    ax = _axes(ax)
    for number, (label, backtest) in enumerate(found.items()):
        errors = np.abs(backtest.forecast - backtest.truth)
        shade = BLUE if number == 0 else str(0.25 + 0.5 * number / len(found))
        curve = np.nanmean(errors, axis=(0, 1))
        ax.plot(np.arange(1, len(curve) + 1), curve, color=shade, label=label)
    ax.set_xlabel("steps ahead")
    ax.set_ylabel("mean absolute error")
    ax.set_ylim(bottom=0)
    ax.legend(frameon=False)
    return _finished(ax)


def _axes(ax: Any) -> Any:
    if ax is not None:
        return ax
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("Plots need the extra: pip install 'recycle[plot]'") from error
    return Figure(figsize=(9, 3.4), layout="constrained").subplots()


def _finished(ax: Any, dates: bool = False) -> Any:
    ax.spines[["top", "right"]].set_visible(False)
    ax.margins(x=0.01)
    if dates:
        import matplotlib.dates as dates_of

        locator: Any = dates_of.AutoDateLocator()  # type: ignore[no-untyped-call]
        ax.xaxis.set_major_locator(locator)
        formatter = dates_of.ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
        ax.xaxis.set_major_formatter(formatter)
    return ax
