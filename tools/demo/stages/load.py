"""Read the input files, each rank its range of bytes."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.demo.data import STATIONS
from tools.demo.errors import user_errors
from tools.demo.series import read
from tools.demo.stage import Checked, Context, Row, Stage

__all__ = ["Load"]


class Load(Stage):
    """CSV files into distributed arrays, against pandas."""

    name = "load"
    shows = "CSV files into distributed arrays, each rank parsing its range of bytes"

    def run(self, context: Context) -> list[np.ndarray[Any, Any]]:
        """Read all stations; returns their temperatures on rank 0."""
        with user_errors():
            context.observations = tuple(
                read(context.data, station, context.comm) for station in STATIONS
            )
        return [series.celsius.numpy(root=0) for series in context.observations]

    def check(self, context: Context, found: list[np.ndarray[Any, Any]]) -> Checked:
        """Read the files with pandas, and compare all rows."""
        import pandas as pd

        rows = []
        for station, celsius in zip(STATIONS, found, strict=True):
            frame = pd.read_csv(context.data / station.file)
            expected = (frame.iloc[:, station.temperature_column].to_numpy() - 32.0) * (5.0 / 9.0)
            same_shape = celsius.shape == expected.shape
            rows.append(
                Row(
                    f"{station.name}: temperatures",
                    f"{len(celsius)} rows",
                    "pandas",
                    f"{len(expected)} rows",
                    float(np.abs(celsius - expected).max()) if same_shape else np.nan,
                    1e-12,
                )
            )
        counts = context.observations[0].celsius.layout.counts or ()
        share = ", ".join(map(str, counts))
        return Checked(tuple(rows), remark=f"Rows of {STATIONS[0].name} by rank: {share}.")
