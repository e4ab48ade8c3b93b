"""Tables in files."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recycle.errors import DAMAGE, DataError

__all__ = ["TableFormat", "read_table", "split_inputs"]

SEPARATORS = (",", ";", "\t", "|")
COMMA_NUMBER = re.compile(r"[-+]?\d+,\d+")
DAY_FIRST = r"^\s*(\d{1,2})([./-])(\d{1,2})[./-]\d{4}"


@dataclass(frozen=True)
class TableFormat:
    """Where a table has what.

    Attributes
    ----------
    time : str, optional
        Column of stamps; default: the first column.
    target : tuple of str
        Columns to forecast; default: all that are numbers.
    unique_id : str, optional
        Column that names the series, for tables with one row a series and time.
    inputs : tuple of str
        Columns that are known ahead.
    sep, decimal : str, optional
        Of CSV files; default: as the first lines look.
    dayfirst : bool, optional
        Whether 1/2/2024 is in February; default: as the stamps as a whole allow; with dots, yes.
    encoding : str
    """

    time: str | None = None
    target: tuple[str, ...] = ()
    unique_id: str | None = None
    inputs: tuple[str, ...] = ()
    sep: str | None = None
    decimal: str | None = None
    dayfirst: bool | None = None
    encoding: str = "utf-8"


def read_table(path: str | Path, layout: TableFormat | None = None) -> pd.DataFrame:
    """Read series from CSV (also .gz, .xz, .zip), Parquet, Feather, HDF5 or NumPy's npz.

    HDF5 and npz hold the arrays ``time`` (text, datetime64, or seconds since 1970), ``values``,
    ``(T,)`` or ``(T, S)``, and ``columns``, the names.

    Parameters
    ----------
    path : path
    layout : TableFormat, optional

    Returns
    -------
    DataFrame
        Indexed by time; or with the columns ``unique_id``, ``ds``, ``y``; and with the inputs.

    Raises
    ------
    DataError
    """
    path, layout = Path(path), layout or TableFormat()
    if not path.exists():
        raise DataError(f"There is no file {path}")
    wanted = [layout.time, *layout.target, layout.unique_id, *layout.inputs]
    columns = [name for name in wanted if name] if layout.time and layout.target else None
    try:
        frame = _read(path, columns, layout)
    except (OSError, *DAMAGE) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    time = layout.time or str(frame.columns[0])
    absent = [name for name in (time, *wanted[1:]) if name and name not in frame]
    if absent:
        names = ", ".join(map(str, frame.columns))
        raise DataError(f"{path} has no column {absent[0]!r}, but {names}")
    try:
        frame[time] = _stamps(frame[time], layout.dayfirst)
    except (ValueError, TypeError) as error:
        hint = "" if layout.time else "; say which column does: --time"
        raise DataError(f"Column {time!r} of {path} holds no stamps{hint} ({error})") from error
    return _chosen(frame, time, path, layout)


def _read(path: Path, columns: list[str] | None, layout: TableFormat) -> pd.DataFrame:
    if path.suffix in {".parquet", ".pq"}:
        return pd.read_parquet(path, columns=columns)
    if path.suffix == ".feather":
        return pd.read_feather(path, columns=columns)
    if path.suffix in {".npz", ".h5", ".hdf5"}:
        return _arrays(path)
    sep, decimal = _dialect(path, layout)
    return pd.read_csv(path, sep=sep, decimal=decimal, usecols=columns, encoding=layout.encoding)


def _dialect(path: Path, layout: TableFormat) -> tuple[str, str]:
    """Separator and decimal sign, as given or as the first lines look."""
    sep, decimal = layout.sep, layout.decimal
    if sep and decimal:
        return sep, decimal
    lines = pd.read_csv(  # a separator that no line has: each line is one field
        path, sep="\x1f", header=None, nrows=50, dtype=str, quoting=3, encoding=layout.encoding
    )[0].fillna("")
    if not sep:
        counts = [lines[0].count(one) for one in SEPARATORS]
        sep = SEPARATORS[int(np.argmax(counts))]
    if not decimal:
        fields = [field.strip(' "') for line in lines[1:] for field in line.split(sep)]
        commas = sep != "," and any(COMMA_NUMBER.fullmatch(field) for field in fields)
        decimal = "," if commas else "."
    return sep, decimal


def _arrays(path: Path) -> pd.DataFrame:
    """The arrays of an npz or HDF5 file as a table."""
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as stored:
            parts: dict[str, Any] = {name: stored[name] for name in stored.files}
    else:
        try:
            import h5py
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("HDF5 needs: pip install h5py") from error
        with h5py.File(path) as stored:
            parts = {
                name: stored[name] for name in stored if isinstance(stored[name], h5py.Dataset)
            }
            parts = {n: d.asstr()[...] if d.dtype == object else d[...] for n, d in parts.items()}
    if not {"time", "values"} <= set(parts):
        raise DataError(f"there are no arrays 'time' and 'values', but {sorted(map(str, parts))}")
    values, time = np.asarray(parts["values"]), np.asarray(parts["time"])
    if time.ndim != 1 or values.ndim not in (1, 2) or len(values) != len(time):
        shapes = f"{time.shape} do not fit values of the shape {values.shape}"
        raise DataError(f"times of the shape {shapes}")
    values = values.reshape(len(time), -1)
    names = [str(name) for name in parts.get("columns", [f"y{n}" for n in range(values.shape[1])])]
    frame = pd.DataFrame(values, columns=names)
    stamps = pd.to_datetime(time, unit="s") if time.dtype.kind in "iuf" else pd.to_datetime(time)
    frame.insert(0, "time", stamps)
    return frame


def _stamps(column: pd.Series, dayfirst: bool | None) -> pd.Series:
    if pd.api.types.is_datetime64_any_dtype(column):
        return column
    if dayfirst is None:
        parts = column.astype(str).str.extract(DAY_FIRST).dropna()
        first, second = parts[0].astype(int), parts[2].astype(int)
        dayfirst = bool((first > 12).any() or ((parts[1] == ".").any() and not (second > 12).any()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # slow formats are read all the same
        try:
            return pd.to_datetime(column, dayfirst=dayfirst)
        except ValueError:
            # local times with their offsets, which change with the clocks
            return pd.to_datetime(column, dayfirst=dayfirst, utc=True)


def _chosen(frame: pd.DataFrame, time: str, path: Path, layout: TableFormat) -> pd.DataFrame:
    """The columns that are asked for."""
    target, inputs = layout.target, list(layout.inputs)
    for name in (*target, *inputs):
        if not pd.api.types.is_numeric_dtype(frame[name]):
            raise DataError(
                f"Column {name!r} of {path} holds no numbers, but for example "
                f"{frame[name].dropna().iloc[:1].tolist()}; see --decimal, or clean it"
            )
    if layout.unique_id:
        values = (
            target
            or tuple(
                name
                for name in frame.select_dtypes("number")
                if name not in {time, layout.unique_id, *inputs}
            )[:1]
        )
        if len(values) != 1:
            raise DataError(f"With an id there must be one column to forecast, not {values}")
        renamed = frame.rename(columns={layout.unique_id: "unique_id", time: "ds", values[0]: "y"})
        return renamed[["unique_id", "ds", "y", *inputs]]
    frame = frame.set_index(time)
    numbers = frame.select_dtypes("number").columns.difference(inputs, sort=False)
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
