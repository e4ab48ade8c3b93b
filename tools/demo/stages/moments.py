"""Mean, deviation, skewness and kurtosis of both stations from one pass over the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import heat_core as ht
from mpi_utils import traffic
from tools.demo.data import STATIONS
from tools.demo.figures import COLOURS, figure, to_svg
from tools.demo.stage import Checked, Context, Plot, Row, Stage

__all__ = ["Moments"]


@dataclass(frozen=True)
class _Found:
    """By station, and on rank 0 the data themselves."""

    mean: np.ndarray[Any, Any]
    std: np.ndarray[Any, Any]
    skewness: np.ndarray[Any, Any]
    kurtosis: np.ndarray[Any, Any]
    messages: int
    bytes: int
    hourly: np.ndarray[Any, Any]


class Moments(Stage):
    """Fused central moments, against NumPy."""

    name = "moments"
    shows = "mean, standard deviation, skewness and kurtosis in one pass and two small messages"

    def run(self, context: Context) -> _Found:
        """Compute the power sums, and from them the moments."""
        hourly = context.hourly
        with traffic(context.comm) as sent:
            sums = ht.moments(hourly, axis=0, order=4)
        assert sums.m2 is not None and sums.m3 is not None and sums.m4 is not None
        variance = sums.m2 / sums.n
        return _Found(
            sums.mean.numpy(),
            ht.sqrt(variance).numpy(),
            (sums.m3 / sums.n / variance**1.5).numpy(),
            (sums.m4 / sums.n / variance**2 - 3.0).numpy(),
            sent.messages(),
            sent.bytes(),
            hourly.numpy(root=0),
        )

    def check(self, context: Context, found: _Found) -> Checked:  # noqa: ARG002
        """The definitions, in NumPy."""
        x = found.hourly
        deviation, std = x - x.mean(0), x.std(0)
        rows = (
            _row("mean", found.mean, x.mean(0), " °C"),
            _row("standard deviation", found.std, std, " °C"),
            _row("skewness", found.skewness, (deviation**3).mean(0) / std**3),
            _row("excess kurtosis", found.kurtosis, (deviation**4).mean(0) / std**4 - 3),
        )
        remark = f"For all four, a rank sent {found.messages} messages with {found.bytes} bytes."
        return Checked(rows, (_histogram(found),), remark)


def _row(
    what: str, result: np.ndarray[Any, Any], oracle: np.ndarray[Any, Any], unit: str = ""
) -> Row:
    def shown(values: np.ndarray[Any, Any]) -> str:
        return ", ".join(f"{value:.4f}" for value in values) + unit

    difference = float(np.abs(result - oracle).max())
    return Row(what, shown(result), "NumPy", f"{shown(oracle)}", difference, 1e-10)


def _histogram(found: _Found) -> Plot:
    drawn, (axes,) = figure(height=2.4)
    bins = np.linspace(found.hourly.min(), found.hourly.max(), 61).tolist()
    for index, station in enumerate(STATIONS):
        colour = COLOURS[index]
        axes.hist(found.hourly[:, index], bins, color=colour, alpha=0.45, label=station.name)
        axes.axvline(found.mean[index], color=colour)
    axes.set(xlabel="°C", ylabel="hours")
    axes.legend()
    return Plot(to_svg(drawn, "histogram"), "Hours by temperature; the lines are the means.")
