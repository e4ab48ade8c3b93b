"""The ETT sets under the fair protocol: twelve months train, four choose, four test."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from recycle.calendars import Calendar
from recycle.cyclic import CyclicData, StepCalendar
from recycle.fitting import fit_model
from recycle.model import CyclicModel, Settings
from recycle.network.config import PAPER, NetworkConfig
from recycle.profiles import RecentHistoricProfile

__all__ = ["SHA256", "TEST", "TRAIN", "VALIDATION", "fit", "load"]

SHA256 = {"ETTh1": "f18de3ad269cef59", "ETTh2": "a3dc2c597b9218c7"}
TRAIN, VALIDATION, TEST = (0, 8640), (8640, 11520), (11520, 14400)
LOOKBACKS = (168, 336, 504, 720)


def load(folder: Path, name: str, shuffle: bool = False) -> CyclicData:
    """The series of one data set, standardised by their training months."""
    path = folder / f"{name}.csv"
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if not found.startswith(SHA256[name]):
        raise SystemExit(f"{path} is not the published file: its sha256 is {found}")
    table = pd.read_csv(path, index_col=0, parse_dates=True).iloc[: TEST[1]]
    values = table.to_numpy().copy()
    if shuffle:
        np.random.default_rng(0).shuffle(values[TEST[0] :])
    first = values[slice(*TRAIN)]
    values = ((values - first.mean(axis=0)) / first.std(axis=0)).T
    days = pd.date_range(table.index[0], periods=len(table) // 24 + 31, freq="D")
    known = Calendar().table(days)
    calendar = StepCalendar(
        24,
        0,
        np.arange(24 * len(days)) // 24,
        known.category[None],
        known.features[None],
        np.zeros(len(values), dtype=np.int64),
        known.n_categories,
        known.special[None],
    )
    return CyclicData(values, values.astype(np.float32), calendar)


def fit(data: CyclicData, horizon: int, head: str, seed: int, refit: bool) -> CyclicModel:
    """The settings are the package's, for all horizons and both sets.

    The paper's network trains on windows that start at any hour, for those of the test do.
    """
    network = {
        "transformer": NetworkConfig(seed=seed),
        "paper": replace(PAPER, aligned=False, windows_per_epoch=4096, seed=seed),
    }.get(head)
    settings = Settings(
        horizon,
        RecentHistoricProfile(24, data.calendar.n_categories),
        LOOKBACKS,
        super_cycle=7,
        head=head,
        network=network,
        refit=refit,
    )
    return fit_model(data, settings, TRAIN, VALIDATION)
