"""Columns of numbers of Parquet files, each rank reading its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from heat_core.array.dndarray import DNDarray
from heat_core.io.backends import require
from heat_core.io.slabs import PathLike, files_in, placement, read_joined
from mpi_utils import collective

__all__ = ["load_parquet"]

_BATCH_ROWS = 1 << 16


def load_parquet(
    path: PathLike,
    columns: Sequence[str] | None = None,
    dtype: object = None,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
) -> DNDarray:
    """Read columns of a Parquet file, or of all in a folder. Collective.

    Each rank reads the row groups that have rows of its slab.

    Parameters
    ----------
    path : str or path
        A file, or a folder whose ``.parquet`` files follow each other by name.
    columns : sequence of str, optional
        Columns of numbers, in this order. Default: all.
    dtype : data type, optional
        Default: the one to which NumPy promotes those of the columns.
    split : int or None
        The distributed axis of the result.
    device : {"cpu", "gpu"} or Device, optional
    comm : Communicator, optional

    Returns
    -------
    DNDarray, (rows, columns)
        Missing numbers are NaN.

    Raises
    ------
    OSError, KeyError, TypeError, ValueError
        On all ranks, if there is no such file or column, a column has other than numbers, or
        one of integers has missing ones.
    """
    place = placement(dtype, split, device, comm)
    with collective(place.comm):
        files = files_in(path, ".parquet") if Path(path).is_dir() else [Path(path)]
    return read_joined(files, lambda file: _opened(file, columns), place)


@contextmanager
def _opened(path: Path, columns: Sequence[str] | None) -> Iterator[_Table]:
    with require("pyarrow.parquet").ParquetFile(path) as file:
        yield _Table(file, columns)


class _Table:
    """The columns of a file as a stored array."""

    def __init__(self, file: Any, columns: Sequence[str] | None) -> None:
        schema = file.schema_arrow
        self._file, self._names = file, list(schema.names if columns is None else columns)
        if missing := set(self._names) - set(schema.names):
            raise KeyError(f"no columns {sorted(missing)}; there are {schema.names}")
        kinds = [np.dtype(schema.field(name).type.to_pandas_dtype()) for name in self._names]
        for name, kind in zip(self._names, kinds, strict=True):
            if kind.kind not in "biuf":
                raise TypeError(f"column {name!r} has no numbers but {schema.field(name).type}")
        self.dtype = np.result_type(*kinds) if kinds else np.dtype(np.float32)
        self.shape = (file.metadata.num_rows, len(self._names))

    def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray[Any, Any]:
        rows, chosen = (range(n)[part] for n, part in zip(self.shape, key, strict=True))
        names = self._names[chosen.start : chosen.stop]
        out = np.empty((len(rows), len(names)), self.dtype)
        start = 0
        for group in range(self._file.num_row_groups):
            stop = start + self._file.metadata.row_group(group).num_rows
            if max(start, rows.start) < min(stop, rows.stop) and names:
                self._read_group(group, names, start - rows.start, out)
            start = stop
        return out

    def _read_group(
        self, group: int, names: list[str], position: int, out: np.ndarray[Any, Any]
    ) -> None:
        """Copy the rows of a group that fall into ``out``, whose row ``position`` is its first."""
        for batch in self._file.iter_batches(_BATCH_ROWS, [group], names):
            low, high = max(position, 0), min(position + batch.num_rows, len(out))
            if low < high:
                part = batch.slice(low - position, high - low)
                for number, name in enumerate(names):
                    column = part.column(name)
                    if column.null_count and self.dtype.kind != "f":
                        raise ValueError(f"integer column {name!r} has missing numbers")
                    out[low:high, number] = column.to_numpy(zero_copy_only=False)
            position += batch.num_rows
