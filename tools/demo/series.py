"""Hourly temperatures of two cities, read by all ranks together, and made regular."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

import numpy as np
import torch

import heat_core as ht
from mpi_utils import collective
from tools.demo.data import Station

__all__ = ["HOURS", "Observations", "by_day", "fill_gaps", "read"]

HOURS = 24


@dataclass(frozen=True)
class Observations:
    """A station as it was read.

    Attributes
    ----------
    station : Station
    hours : DNDarray, (n,)
        Of int64, since the midnight before the first observation; split.
    celsius : DNDarray, (n,)
        Split alike.
    """

    station: Station
    hours: ht.DNDarray
    celsius: ht.DNDarray


def read(folder: Path, station: Station, comm: ht.Communicator) -> Observations:
    """Read a station's file, each rank its part. Collective.

    Raises
    ------
    OSError, ValueError
        On all ranks, if the file cannot be read, or holds something else.
    """
    path = folder / station.file
    column = station.temperature_column
    table = ht.load_csv(path, header_lines=1, usecols=column, dtype=ht.float64, split=0, comm=comm)
    if table.shape[0] == 0:
        raise ValueError(f"{path}: no observations")
    fahrenheit = table.squeeze(1)
    with collective(comm):
        # load_csv reads numbers only; the rows that it gave to this rank have these time stamps
        first, n = table.layout.offset(comm.rank), table.lshape[0]
        start, stamps = _stamps(path, station.time_column, first, n)
    since = np.array([(stamp - start).total_seconds() // 3600 for stamp in stamps], np.int64)
    hours = ht.from_local(torch.from_numpy(since), split=0, comm=comm)
    return Observations(station, hours, (fahrenheit - 32.0) * (5.0 / 9.0))


def _stamps(path: Path, column: int, first: int, n: int) -> tuple[datetime, list[datetime]]:
    """The midnight before the first stamp of the file, and ``n`` stamps from ``first`` on."""
    with path.open(encoding="utf-8") as file:
        lines = (line for line in islice(file, 1, None) if line.strip())
        opening = next(lines)
        mine = [opening, *islice(lines, n - 1)] if first == 0 else islice(lines, first - 1, None)
        stamps = [_stamp(line, column) for line in islice(mine, n)]
    start = _stamp(opening, column).replace(hour=0, minute=0, second=0, microsecond=0)
    return start, stamps


def _stamp(line: str, column: int) -> datetime:
    return datetime.fromisoformat(line.split(",")[column].strip().replace("/", "-"))


def fill_gaps(observations: Observations) -> ht.DNDarray:
    """Temperatures at every hour, interpolated where none was observed. Collective.

    Each rank fills from its first hour up to the first hour of the next rank that has any.

    Returns
    -------
    DNDarray, (hours,)
        Split; from the first midnight to the last observation.
    """
    comm = observations.hours.comm
    hours, values = observations.hours.larray.numpy(), observations.celsius.larray.numpy()
    firsts = comm.handle.allgather((int(hours[0]), float(values[0])) if hours.size else None)
    before = [point for point in firsts[: comm.rank] if point is not None]
    after = [point for point in firsts[comm.rank + 1 :] if point is not None]
    if not hours.size:
        local = np.empty(0)
    else:
        if after:
            hours, values = np.append(hours, after[0][0]), np.append(values, after[0][1])
        stop = hours[-1] if after else hours[-1] + 1
        local = np.interp(np.arange(hours[0] if before else 0, stop), hours, values)
    return ht.from_local(torch.from_numpy(local), split=0, comm=comm)


def by_day(hourly: ht.DNDarray, n_days: int) -> ht.DNDarray:
    """The first days of an hourly series, with slabs of whole days. Collective.

    Returns
    -------
    DNDarray, (24 * n_days,)
    """
    counts, _, _ = hourly.comm.counts_displs_shape((n_days,), 0)
    return ht.redistribute(hourly[: HOURS * n_days], target_map=[[HOURS * n] for n in counts])
