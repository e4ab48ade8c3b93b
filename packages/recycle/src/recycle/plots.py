"""A forecast as one would show it."""

from __future__ import annotations

from typing import Any

import pandas as pd

__all__ = ["plot_forecast"]


def plot_forecast(
    history: pd.Series, forecast: pd.DataFrame | pd.Series, *, days: int = 14, ax: Any = None
) -> Any:
    """Draw the last days, the forecast, and the band between its outermost quantiles.

    Parameters
    ----------
    history : Series
    forecast : Series or DataFrame
        From `ReCycleForecaster.predict` on one series.
    days : int
        Of history.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
    """
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.subplots(figsize=(9, 3.4), layout="constrained")[1]
    table = forecast.to_frame() if isinstance(forecast, pd.Series) else forecast
    recent = history[history.index >= history.index[-1] - pd.Timedelta(days=days)]
    ax.plot(recent.index, recent.to_numpy(), color="0.35", linewidth=1.0, label="measured")
    point = table.columns[0]
    bands = sorted(
        (c for c in table.columns if str(c).startswith(f"{point}_q")),
        key=lambda c: float(str(c).rsplit("_q", 1)[1]),
    )
    if len(bands) > 1:
        low, high = (100 * float(str(c).rsplit("_q", 1)[1]) for c in (bands[0], bands[-1]))
        ax.fill_between(
            table.index, table[bands[0]], table[bands[-1]], color="#1f6f8b", alpha=0.22,
            linewidth=0, label=f"{high - low:.0f} % interval",
        )  # fmt: skip
    ax.plot(table.index, table[point], color="#1f6f8b", linewidth=1.6, label="forecast")
    ax.axvline(history.index[-1], color="0.6", linewidth=0.8, linestyle=":")
    ax.legend(loc="upper left", ncols=3, frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_ylabel("" if history.name is None else str(history.name))
    ax.margins(x=0.01)
    return ax
