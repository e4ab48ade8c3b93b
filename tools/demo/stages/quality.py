"""Look for gaps, repeats and outliers, and make the series regular."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

import heat_core as ht
from tools.demo.data import STATIONS
from tools.demo.errors import DemoError
from tools.demo.figures import COLOURS, figure, months, to_svg
from tools.demo.series import HOURS, Observations, by_day, fill_gaps
from tools.demo.stage import Checked, Context, Plot, Row, Stage

__all__ = ["Quality"]

PERCENTILES = (0, 1, 25, 50, 75, 99, 100)


@dataclass(frozen=True)
class _Found:
    """What was found in one station's series."""

    missing: int
    repeated: int
    not_numbers: int
    percentiles: np.ndarray[Any, Any]


class Quality(Stage):
    """Differences of shifted slices, counts and percentiles, against pandas and NumPy."""

    name = "quality"
    shows = "missing hours, repeats, percentiles without sorting; gaps filled, slabs of whole days"

    def run(self, context: Context) -> tuple[list[_Found], np.ndarray[Any, Any]]:
        """Inspect every station, then fill ``context.hourly`` and ``context.days``."""
        found = [_inspect(series) for series in context.observations]
        filled = [fill_gaps(series) for series in context.observations]
        n_days = min(series.shape[0] for series in filled) // HOURS
        if n_days < 2:
            raise DemoError(f"two days of observations are needed, there are {n_days}")
        stations = [by_day(series, n_days).larray for series in filled]
        context.hourly = ht.from_local(torch.stack(stations, 1), split=0, comm=context.comm)
        profiles = [station.reshape(-1, HOURS) for station in stations]
        context.days = ht.from_local(torch.cat(profiles, 1), split=0, comm=context.comm)
        return found, context.days.numpy(root=0)

    def check(self, context: Context, found: tuple[list[_Found], np.ndarray[Any, Any]]) -> Checked:
        """Read the files again with pandas, and look with its means."""
        rows: list[Row] = []
        for index, station in enumerate(STATIONS):
            rows += _compare(context, index, station.name, found[0][index])
        rows.append(_compare_filled(context, found[1]))
        return Checked(tuple(rows), (_year(found[1]),))


def _inspect(series: Observations) -> _Found:
    steps = series.hours[1:] - series.hours[:-1]
    if (steps < 0).any().item():
        raise DemoError(f"{series.station.file}: time stamps are not in order")
    # a step of k hours hides k - 1 of them
    missing = ht.sum(ht.maximum(steps - 1, 0)).item()
    return _Found(
        int(missing),
        int(ht.sum(ht.eq(steps, 0)).item()),
        int(ht.sum(ht.isnan(series.celsius)).item()),
        ht.percentile(series.celsius, PERCENTILES).numpy(),
    )


def _compare(context: Context, index: int, name: str, found: _Found) -> list[Row]:
    import pandas as pd

    station = STATIONS[index]
    frame = pd.read_csv(context.data / station.file)
    stamps = pd.to_datetime(frame.iloc[:, station.time_column])
    fahrenheit = frame.iloc[:, station.temperature_column].to_numpy()
    complete = pd.date_range(stamps.iloc[0], stamps.iloc[-1], freq="h")
    expected = (
        len(complete.difference(pd.DatetimeIndex(stamps))),
        int(stamps.duplicated().sum()),
        int(np.isnan(fahrenheit).sum()),
    )
    counts = (found.missing, found.repeated, found.not_numbers)
    percentiles = np.percentile((fahrenheit - 32.0) * (5.0 / 9.0), PERCENTILES)
    return [
        Row(
            f"{name}: missing, repeated, NaN",
            ", ".join(map(str, counts)),
            "pandas",
            f"{', '.join(map(str, expected))}",
            float(max(abs(a - b) for a, b in zip(counts, expected, strict=True))),
        ),
        Row(
            f"{name}: lowest, median, highest",
            _three(found.percentiles),
            "NumPy",
            f"{_three(percentiles)}",
            float(np.abs(found.percentiles - percentiles).max()),
            1e-12,
        ),
    ]


def _compare_filled(context: Context, days: np.ndarray[Any, Any]) -> Row:
    """Gaps of a regular index, interpolated by pandas."""
    import pandas as pd

    differences = []
    for index, station in enumerate(STATIONS):
        frame = pd.read_csv(context.data / station.file)
        stamps = pd.to_datetime(frame.iloc[:, station.time_column])
        fahrenheit = pd.Series(frame.iloc[:, station.temperature_column].to_numpy(), stamps)
        start = stamps.iloc[0].normalize()
        hours = pd.date_range(start, periods=len(days) * HOURS, freq="h")
        series = fahrenheit[~fahrenheit.index.duplicated()].reindex(hours)
        expected = (series.interpolate(limit_direction="both").to_numpy() - 32.0) * (5.0 / 9.0)
        part = days[:, index * HOURS : (index + 1) * HOURS].reshape(-1)
        differences.append(float(np.abs(part - expected).max()))
    size = f"{len(days)} days x {HOURS} h"
    return Row("regular series, gaps filled", size, "pandas", size, max(differences), 1e-12)


def _three(percentiles: np.ndarray[Any, Any]) -> str:
    return (
        ", ".join(f"{value:.2f}" for value in percentiles[[0, len(percentiles) // 2, -1]]) + " °C"
    )


def _year(days: np.ndarray[Any, Any]) -> Plot:
    drawn, (axes,) = figure()
    for index, station in enumerate(STATIONS):
        part = days[:, index * HOURS : (index + 1) * HOURS]
        axes.fill_between(
            np.arange(len(part)), part.min(1), part.max(1), color=COLOURS[index], alpha=0.25, lw=0
        )
        axes.plot(part.mean(1), color=COLOURS[index], label=station.name)
    months(axes)
    axes.set_ylabel("°C")
    axes.margins(x=0)
    axes.legend(loc="upper left")
    return Plot(to_svg(drawn, "year"), "Mean of every day, with its coldest and warmest hour.")
