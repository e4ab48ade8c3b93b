"""How the hours of the day go together, within and between the stations."""

from __future__ import annotations

from typing import Any

import numpy as np

import heat_core as ht
from tools.demo.data import STATIONS
from tools.demo.figures import COLOURS, figure, to_svg
from tools.demo.series import HOURS
from tools.demo.stage import Checked, Context, Plot, Row, Stage

__all__ = ["Correlation"]


class Correlation(Stage):
    """Correlation matrices of distributed observations, against NumPy."""

    name = "correlation"
    shows = "correlation of all pairs of hours of the day, from one sum over the ranks"

    def run(self, context: Context) -> tuple[np.ndarray[Any, Any], ...]:
        """Between the stations, between all hours, and on rank 0 the days."""
        return (
            ht.corrcoef(context.hourly, rowvar=False).numpy(),
            ht.corrcoef(context.days, rowvar=False).numpy(),
            context.days.numpy(root=0),
        )

    def check(self, context: Context, found: tuple[np.ndarray[Any, Any], ...]) -> Checked:  # noqa: ARG002
        """The same by ``numpy.corrcoef``."""
        stations, hours, days = found
        pairs = days.reshape(len(days), len(STATIONS), HOURS).swapaxes(0, 1).reshape(2, -1)
        expected = np.corrcoef(pairs)
        table = np.corrcoef(days, rowvar=False)
        rows = (
            _row("Seattle and San Francisco", stations, expected),
            _row("noon in both", hours, table, (12, HOURS + 12)),
        )
        return Checked(rows, (_matrix(hours),))


def _row(
    what: str,
    result: np.ndarray[Any, Any],
    oracle: np.ndarray[Any, Any],
    shown: tuple[int, int] = (0, 1),
) -> Row:
    difference = float(np.abs(result - oracle).max())
    return Row(
        what, f"r = {result[shown]:.5f}", "NumPy", f"r = {oracle[shown]:.5f}", difference, 1e-12
    )


def _matrix(hours: np.ndarray[Any, Any]) -> Plot:
    drawn, (left, right) = figure(2, height=3.4)
    image = left.imshow(hours, cmap="viridis", interpolation="nearest")
    drawn.colorbar(image, ax=left, shrink=0.85)
    middles = [HOURS * i + HOURS / 2 - 0.5 for i in range(len(STATIONS))]
    names = [station.name for station in STATIONS]
    left.set_xticks(middles, names)
    left.set_yticks(middles, names, rotation=90, va="center")
    left.tick_params(length=0)
    right.plot(np.diag(hours[:HOURS, HOURS:]), color=COLOURS[0])
    right.set(xlabel="hour of the day", ylabel="r", xticks=range(0, HOURS, 6))
    right.set_title("between the cities, at the same hour")
    caption = "Correlation over the year between the hours of the day, midnight to midnight."
    return Plot(to_svg(drawn, "correlation"), caption)
