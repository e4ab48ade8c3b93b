"""Tables in files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from recycle.errors import DataError

__all__ = ["read_table"]


def read_table(
    path: str | Path,
    *,
    time: str | None = None,
    target: Sequence[str] = (),
    unique_id: str | None = None,
    sep: str = ",",
    decimal: str = ".",
) -> pd.DataFrame:
    """Read series from CSV (also .gz, .xz, .zip), Parquet or Feather.

    Parameters
    ----------
    path : path
    time : str, optional
        Column of stamps; default: the first column.
    target : sequence of str
        Columns to forecast; default: all that are numbers.
    unique_id : str, optional
        Column that names the series, for tables with one row a series and time.
    sep, decimal : str
        Of CSV files.

    Returns
    -------
    DataFrame
        Indexed by time; or with the columns ``unique_id``, ``ds``, ``y``.

    Raises
    ------
    DataError
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"There is no file {path}")
    wanted = [time, *target, unique_id] if time and target else []
    columns = [name for name in wanted if name] or None
    try:
        if path.suffix in {".parquet", ".pq"}:
            frame = pd.read_parquet(path, columns=columns)
        elif path.suffix == ".feather":
            frame = pd.read_feather(path, columns=columns)
        else:
            frame = pd.read_csv(path, sep=sep, decimal=decimal, usecols=columns)
    except (ValueError, KeyError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    time = time or str(frame.columns[0])
    if time not in frame:
        raise DataError(f"{path} has no column {time!r}, but {', '.join(map(str, frame.columns))}")
    try:
        frame[time] = pd.to_datetime(frame[time])
    except (ValueError, TypeError) as error:
        raise DataError(f"Column {time!r} of {path} holds no stamps: {error}") from error
    if unique_id:
        (value,) = target or [c for c in frame if c not in {time, unique_id}][:1]
        renamed = frame.rename(columns={unique_id: "unique_id", time: "ds", value: "y"})
        return renamed[["unique_id", "ds", "y"]]
    frame = frame.set_index(time)
    found = frame[list(target)] if target else frame.select_dtypes("number")
    if found.shape[1] == 0:
        raise DataError(f"{path} has no column of numbers beside {time!r}")
    return found
