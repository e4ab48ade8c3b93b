"""Tables in files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from recycle.errors import DataError

__all__ = ["read_table", "split_inputs"]


def read_table(
    path: str | Path,
    *,
    time: str | None = None,
    target: Sequence[str] = (),
    unique_id: str | None = None,
    sep: str = ",",
    decimal: str = ".",
    inputs: Sequence[str] = (),
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
    inputs : sequence of str
        Columns that are known ahead.

    Returns
    -------
    DataFrame
        Indexed by time; or with the columns ``unique_id``, ``ds``, ``y``; and with the inputs.

    Raises
    ------
    DataError
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"There is no file {path}")
    wanted = [time, *target, unique_id, *inputs] if time and target else []
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
    absent = [name for name in (*target, *inputs, unique_id) if name and name not in frame]
    if absent:
        raise DataError(f"{path} has no column {absent[0]!r}, but {', '.join(map(str, frame))}")
    if unique_id:
        values = target or [c for c in frame if c not in {time, unique_id, *inputs}][:1]
        if len(values) != 1:
            raise DataError(f"With an id there must be one column to forecast, not {values}")
        renamed = frame.rename(columns={unique_id: "unique_id", time: "ds", values[0]: "y"})
        return renamed[["unique_id", "ds", "y", *inputs]]
    frame = frame.set_index(time)
    numbers = frame.select_dtypes("number").columns.difference(list(inputs), sort=False)
    found = frame[[*(target or numbers), *inputs]]
    if found.shape[1] == len(inputs):
        raise DataError(f"{path} has no column of numbers beside {time!r}")
    return found


def split_inputs(table: pd.DataFrame, inputs: Sequence[str]) -> tuple[pd.DataFrame, Any]:
    """Series and inputs of a table from `read_table`; None without inputs."""
    if not inputs:
        return table, None
    keys = [name for name in ("unique_id", "ds") if name in table] if "ds" in table else []
    return table.drop(columns=list(inputs)), table[[*keys, *inputs]]
