"""Numbers of a block of text: by pyarrow if it is there and the text is plain, else by NumPy."""

from __future__ import annotations

import functools
import importlib
import io
from dataclasses import dataclass
from typing import Any

import numpy as np

from heat_core.io.backends import supports_parquet

__all__ = ["CsvParser"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class CsvParser:
    """How lines of text become rows of numbers.

    Parameters
    ----------
    dtype : numpy.dtype
    sep : str
        Separator of columns.
    encoding : str
    columns : tuple of int or None
        Columns to read; None: all.
    comment : str or None
        Lines from this on are ignored.
    """

    dtype: np.dtype[Any]
    sep: str
    encoding: str
    columns: tuple[int, ...] | None
    comment: str | None

    def __call__(self, block: bytes) -> Array:
        """(lines, columns) of numbers; (0, 0) of blank lines only.

        Raises
        ------
        ValueError
            If a field is no number, or lines differ in their number of columns.
        """
        if not block.strip():
            return np.empty((0, 0), self.dtype)
        fast = self._by_pyarrow(block.lstrip(b"\r\n"))
        return self._by_numpy(block) if fast is None else fast

    def _by_numpy(self, block: bytes) -> Array:
        return np.loadtxt(
            io.StringIO(block.decode(self.encoding), newline=None),
            dtype=self.dtype,
            delimiter=self.sep,
            usecols=self.columns,
            comments=self.comment,
            quotechar='"',
            ndmin=2,
        )

    def _by_pyarrow(self, block: bytes) -> Array | None:
        """The same, several times as fast; None for whatever pyarrow does not take.

        It is stricter than NumPy, so what it takes has the same meaning: an error here is found
        again by NumPy, or is none.
        """
        csv = _pyarrow_csv()
        is_plain = self.comment is None and len(self.sep) == 1 and self.dtype.kind in "iuf"
        if csv is None or not is_plain or min(self.columns or (0,)) < 0:
            return None
        if self.dtype.kind != "f" and b"x" in block.lower():
            return None  # hexadecimal integers, which NumPy refuses
        pyarrow = importlib.import_module("pyarrow")
        n_columns = block[: block.index(b"\n") if b"\n" in block else None].count(self.sep.encode())
        names = [f"f{column}" for column in range(n_columns + 1)]
        # Shorter floating-point types are rounded from float64, as NumPy does.
        kind = np.dtype(np.float64) if self.dtype.kind == "f" else self.dtype
        wanted = names if self.columns is None else [f"f{column}" for column in self.columns]
        try:
            table = csv.read_csv(
                pyarrow.BufferReader(block),
                csv.ReadOptions(
                    use_threads=False, block_size=len(block) + 1, autogenerate_column_names=True
                ),
                csv.ParseOptions(delimiter=self.sep),
                csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pyarrow.from_numpy_dtype(kind)),
                    include_columns=wanted,
                    null_values=[],
                ),
            )
        except (pyarrow.ArrowException, KeyError):
            return None
        rows = np.empty((table.num_rows, len(wanted)), self.dtype)
        for number, column in enumerate(table.columns):
            if column.type != pyarrow.from_numpy_dtype(kind) or column.null_count:
                return None
            rows[:, number] = column.to_numpy()
        # A first line with quotes or blanks may have been counted wrong.
        is_whole = self.columns is not None or table.num_columns == len(names)
        return rows if is_whole else None


@functools.cache
def _pyarrow_csv() -> Any:
    return importlib.import_module("pyarrow.csv") if supports_parquet() else None
