"""One HTML page on a model: what it is, what it forecasts, and how well, with plots inside."""

from __future__ import annotations

import html
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from recycle._version import __version__
from recycle.evaluation import Backtest, backtest
from recycle.forecasting import read
from recycle.inspection import gate_report, profile_table, summary
from recycle.panels import Panel
from recycle.plots import plot_errors, plot_forecast, plot_profile

if TYPE_CHECKING:
    from recycle.forecaster import ReCycleForecaster

__all__ = ["write_report"]

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
       color: #222; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .8rem; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
svg { max-width: 100%; height: auto; } p { color: #555; }
"""


def write_report(
    forecaster: ReCycleForecaster,
    data: Any,
    path: str | Path,
    *,
    X: Any = None,
    level: float = 80,
    step: int | str = "1c",
) -> Path:
    """Evaluate on data, and write the page.

    Parameters
    ----------
    forecaster : ReCycleForecaster
        Fitted.
    data, X : like `y` and `X` of `fit`
        What the model has not seen, with a lookback before it.
    path : path
    level : float
        Of the intervals, in percent.
    step : int or str
        Between the forecasts that are evaluated.
    """
    tails = (0.5 - level / 200, 0.5 + level / 200)
    heads = (("model", None), ("profile", "profile"), ("last cycle", "naive"))
    found = {
        label: backtest(
            forecaster, data, X, step=step, head=head, quantiles=tails if head is None else ()
        )
        for label, head in heads
    }
    scores = pd.concat({label: one.scores() for label, one in found.items()}).droplevel(1)
    panel = read(forecaster, data)
    coverage = 100 * found["model"].coverage()
    remark = (
        f"{len(found['model'].origins)} forecasts of {forecaster.horizon_} steps for each of "
        f"{len(panel.names)} series. {coverage:.1f} % of what came is in the {level:g} % interval."
    )
    parts = [
        f"<h1>Forecast of {html.escape(str(summary(forecaster)['names']))}</h1>",
        _svg(_latest(found["model"], panel)),
        "<p>The latest forecast of the first series, and what came (dashed).</p>",
        "<h2>Errors</h2>",
        scores.to_html(float_format="%.4g", border=0),
        f"<p>{remark}</p>",
        _svg(plot_errors(found)),
        "<h2>Errors by series</h2>",
        found["model"].scores("series").to_html(float_format="%.4g", border=0),
        "<h2>Profile</h2>",
        _svg(plot_profile(profile_table(forecaster, data, X))),
        "<p>Means of the last days of each kind; the forecast falls back to them.</p>",
        "<h2>Who is trusted</h2>",
        gate_report(forecaster).dropna().to_html(float_format="%.3g", border=0, index=False),
        "<h2>Model</h2>",
        pd.Series(summary(forecaster)).to_frame().to_html(border=0, header=False),
        f"<p>recycle {__version__}</p>",
    ]
    path = Path(path)
    page = (
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>recycle</title>"
        f"<style>{STYLE}</style><body>{''.join(parts)}</body></html>"
    )
    path.write_text(page, encoding="utf-8")
    return path


def _latest(found: Backtest, panel: Panel) -> Any:
    """The last forecast of the backtest, its interval, and what came."""
    series = pd.Series(panel.values[:, 0], panel.times, name=panel.names[0]).dropna()
    stamps = pd.date_range(found.origins[-1], periods=found.forecast.shape[2], freq=panel.step)
    name = "y" if panel.names[0] is None else panel.names[0]
    columns = {name: found.forecast[0, -1]}
    for level, row in zip(found.levels, found.quantiles[:, 0, -1], strict=True):
        columns[f"{name}_q{level:g}"] = row
    before = series[series.index < stamps[0]]
    return plot_forecast(before, pd.DataFrame(columns, index=stamps), truth=series)


def _svg(ax: Any) -> str:
    buffer = io.StringIO()
    ax.figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
