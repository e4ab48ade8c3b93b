"""Weeks of hourly temperatures, each forecast from what lies before it, with an interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tools.demo.data import STATIONS
from tools.demo.figures import COLOURS, figure, to_svg
from tools.demo.stage import Checked, Context, Plot, Row, Stage

if TYPE_CHECKING:
    import pandas as pd

    from recycle import ReCycleForecaster
    from recycle.evaluation import Backtest

__all__ = ["Forecast"]

START = "2010-01-01"
WEEK, SHOWN = 168, 10
SHARE = 0.75
QUANTILES = (0.1, 0.9)


@dataclass(frozen=True)
class _Found:
    """The year, the model of its first part, and the forecasts of each later week."""

    table: pd.DataFrame
    model: ReCycleForecaster
    weeks: Backtest


class Forecast(Stage):
    """A fit shared by the ranks, against the fit of one process, pandas, and what came."""

    name = "forecast"
    shows = "profile, ridge in closed form and gate, from three quarters of the year: weeks ahead"
    package = "recycle"

    def run(self, context: Context) -> _Found:
        """Fit on the first part of the year and forecast the rest; the ranks share both."""
        import pandas as pd

        values = context.hourly.numpy()
        hours = pd.date_range(START, periods=len(values), freq="h")
        table = pd.DataFrame(values, hours, [station.name for station in STATIONS])
        model = _forecaster().fit(_early(table), comm=context.comm)
        first = _early(table).index[-1] + pd.Timedelta(hours=1)
        weeks = model.backtest(
            table, start=first, step="1w", quantiles=QUANTILES, comm=context.comm
        )
        return _Found(table, model, weeks)

    def check(self, context: Context, found: _Found) -> Checked:  # noqa: ARG002
        """Fit alone; average the last three days of each kind; compare with what came."""
        early, weeks = _early(found.table), found.weeks
        shared, alone = (model.predict() for model in (found.model, _forecaster().fit(early)))
        profile = found.model.predict(head="profile")
        by_pandas = _by_pandas(early, profile.index)
        rows = [
            _row("a week by the ranks", shared, "one process", alone, 1e-4),
            _row("profile: three days of a kind", profile, "pandas", by_pandas, 1e-3),
        ]
        fallback = found.model.backtest(
            found.table, start=weeks.origins[0], step="1w", head="profile"
        )
        for number, name in enumerate(weeks.names):
            error, other = (
                float(np.abs(test.forecast[number] - test.truth[number]).mean())
                for test in (weeks, fallback)
            )
            rows.append(
                Row(
                    f"{name}: mean absolute error",
                    f"{error:.2f} °C, {len(weeks.origins)} weeks",
                    "profile",
                    f"{other:.2f} °C or less",
                    max(0.0, error - other),
                    0.01 * other,
                )
            )
        inside = 100 * weeks.coverage()
        remark = f"{inside:.0f} % of the hours lie within the 80 % interval."
        return Checked(tuple(rows), (_plot(found),), remark)


def _early(table: pd.DataFrame) -> pd.DataFrame:
    return table[: round(SHARE * len(table) / 24) * 24]


def _row(what: str, result: pd.DataFrame, oracle: str, expected: pd.DataFrame, limit: float) -> Row:
    means = [f"{table.to_numpy().mean():.4f} °C" for table in (result, expected)]
    difference = float(np.abs(result - expected).to_numpy().max())
    return Row(what, means[0], oracle, means[1], difference, limit)


def _forecaster() -> ReCycleForecaster:
    from recycle import ReCycleForecaster

    return ReCycleForecaster(horizon=WEEK, cycle=24, head="ridge")


def _by_pandas(past: pd.DataFrame, hours: pd.DatetimeIndex) -> pd.DataFrame:
    """For each hour the mean of the last three days of its kind: working day, Saturday, Sunday."""
    kind = np.maximum(past.index.dayofweek - 4, 0)
    means = past.groupby([kind, past.index.hour]).apply(lambda part: part.tail(3).mean())
    ahead = np.maximum(hours.dayofweek - 4, 0)
    found = means.loc[list(zip(ahead, hours.hour, strict=True))]
    return found.set_axis(hours)


def _plot(found: _Found) -> Plot:
    drawn, axes = figure(2, height=2.8)
    weeks = found.weeks
    last = found.table.index.get_loc(weeks.origins[-1])
    for number, name in enumerate(weeks.names):
        ax, colour = axes[number], COLOURS[number]
        before = found.table[name].to_numpy()[last - 24 * SHOWN : last]
        ahead = np.arange(WEEK) / 24
        ax.plot(np.arange(-24 * SHOWN, 0) / 24, before, color="0.5", lw=1.0, label="measured")
        ax.plot(ahead, weeks.truth[number, -1], color="0.5", lw=1.0, ls=":")
        low, high = weeks.quantiles[:, number, -1]
        ax.fill_between(ahead, low, high, color=colour, alpha=0.25, lw=0)
        ax.plot(ahead, weeks.forecast[number, -1], color=colour, label="forecast, 80 % interval")
        ax.axvline(0, color="0.5", lw=0.6, ls="--")
        ax.set(title=name, xlabel="days", ylabel="°C")
        ax.margins(x=0.01)
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1.08), ncols=2, fontsize=8)
    return Plot(to_svg(drawn, "forecast"), "The last week as it was forecast, and as it came.")
