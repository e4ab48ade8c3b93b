"""Data sets: made on the spot, and loaders of public files that you have."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from recycle.calendars import Calendar
from recycle.errors import DataError

__all__ = ["DATASETS", "Dataset", "load_dataset", "make_cyclic"]


@dataclass(frozen=True)
class Dataset:
    """A public file.

    Attributes
    ----------
    file : str
    sha256 : str
        How the checksum starts.
    time : str
        Column of stamps.
    columns : tuple of str
        Series; empty for all other columns.
    tz : str or None
        Of stamps without a zone in the file.
    country : str or None
        For holidays.
    about : str
        What it is, and where it comes from.
    """

    file: str
    sha256: str
    time: str
    columns: tuple[str, ...] = ()
    tz: str | None = None
    country: str | None = None
    about: str = ""


_ETT = "oil temperature and loads of a transformer, hourly; github.com/zhouhaoyi/ETDataset"
DATASETS: Mapping[str, Dataset] = MappingProxyType(
    {
        "ETTh1": Dataset("ETTh1.csv", "f18de3ad269cef59", "date", about=_ETT),
        "ETTh2": Dataset("ETTh2.csv", "a3dc2c597b9218c7", "date", about=_ETT),
        "electricity": Dataset(
            "hourly_electricity.csv", "e6f19f387b5d8aa6", "ts", ("y",), country="PT",
            about="mean of 370 clients in Portugal, 2012 to 2014, true dates (UCI)",
        ),
        "sf_traffic": Dataset(
            "hourly_sf_traffic.csv", "17f3e9df9e970911", "ts", ("y",), country="US-CA",
            about="mean road occupancy in San Francisco, 2015 and 2016",
        ),
        "solar": Dataset(
            "hourly_solarpower.csv", "ad02c604a662ca6b", "ts", ("y",), about="solar power, hourly"
        ),
        "traffic_volume": Dataset(
            "hourly_traffic_volume.csv", "749c90d720360a42", "date_time", ("traffic_volume",),
            country="US-MN", about="interstate 94, 2012 to 2018, with gaps and duplicates (UCI)",
        ),
        "europe": Dataset(
            "entsoe_load_2016.csv.gz", "11d25671fdb4aeac", "utc", tz="UTC",
            about="load of 20 European countries, 2016; ENTSO-E, collected by Dispa-SET",
        ),
    }
)  # fmt: skip


def load_dataset(name: str, folder: str | Path | None = None) -> pd.DataFrame:
    """Read a public file, after a look at its checksum. Nothing is downloaded.

    Parameters
    ----------
    name : str
        One of `DATASETS`.
    folder : path, optional
        Default: the environment variable RECYCLE_DATA.

    Returns
    -------
    DataFrame
        Indexed by time, a column a series.

    Raises
    ------
    DataError
        If the file isn't there, or is another one.
    """
    if name not in DATASETS:
        raise ValueError(f"name must be one of {sorted(DATASETS)}, not {name!r}")
    known = DATASETS[name]
    where = folder if folder is not None else os.environ.get("RECYCLE_DATA")
    path = None if where is None else Path(where) / known.file
    if path is None or not path.exists():
        raise DataError(
            f"{name} is the file {known.file} ({known.about}); put it into a folder and give that "
            "folder, or set RECYCLE_DATA to it"
        )
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if not found.startswith(known.sha256):
        raise DataError(f"{path} is not the published file: its sha256 is {found}")
    table = pd.read_csv(path, parse_dates=[known.time]).set_index(known.time)
    if known.tz is not None:
        table.index = pd.DatetimeIndex(table.index).tz_localize(known.tz)
    return table[list(known.columns)] if known.columns else table


def make_cyclic(
    n_days: int = 120,
    period: int = 24,
    *,
    seed: int = 0,
    noise: float = 0.1,
    trend: float = 0.0,
    country: str | None = None,
    level_shift: float = 0.0,
    missing: float = 0.0,
    start: str = "2024-01-01",
    tz: str | None = None,
) -> pd.DataFrame:
    """A series with known parts: another shape for each kind of day, trend, shift and noise.

    Parameters
    ----------
    n_days, period : int
        Days, and steps a day.
    seed : int
    noise : float
        Standard deviation.
    trend : float
        Rise over all days.
    country : str, optional
        Whose holidays are like Sundays.
    level_shift : float
        Added from the middle on.
    missing : float
        Share of values that are NaN.
    start : str
    tz : str, optional
        Days are then local days; clocks change within.

    Returns
    -------
    DataFrame
        Columns ``y`` (what one would measure), ``cycle``, ``trend`` and ``noise``.
    """
    random = np.random.default_rng(seed)
    end = pd.Timestamp(start) + pd.Timedelta(days=n_days)
    step = pd.Timedelta(days=1) / period
    index: Any = pd.date_range(start, end, freq=step, inclusive="left", tz=tz)
    wall = index.tz_localize(None) if tz else index
    kinds = Calendar(country).table(wall.normalize().unique())
    day = ((wall.normalize() - wall[0].normalize()) // pd.Timedelta(days=1)).to_numpy()
    kind = kinds.category[day]
    angle = 2 * np.pi * ((wall - wall.normalize()) / pd.Timedelta(days=1)).to_numpy()
    level, late = np.array([3.0, 2.0, 1.0])[kind], np.array([0.0, 0.5, 1.0])[kind]
    cycle = level * (2 + np.sin(angle - 2 - late) + 0.4 * np.sin(2 * angle - late))
    n = len(index)
    rise = trend * np.arange(n) / n + level_shift * (np.arange(n) >= n // 2)
    error = noise * random.normal(size=n)
    y = np.where(random.random(n) < missing, np.nan, cycle + rise + error)
    return pd.DataFrame({"y": y, "cycle": cycle, "trend": rise, "noise": error}, index=index)
