"""Tables of numbers in text files, each rank parsing its range of bytes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from heat_core.array.axes import normalize_split
from heat_core.array.dndarray import DNDarray
from heat_core.array.relayout import to_layout
from heat_core.dtypes import canonical_heat_type, float32
from heat_core.io.csv_parser import CsvParser
from heat_core.io.slabs import PathLike, files_in, placement
from heat_core.layout import Layout, displacements
from heat_core.ops.joining import concatenate
from mpi_utils import collective

__all__ = ["load_csv", "load_csv_from_folder"]

_SCAN_BYTES = 1 << 16
_PIECE_BYTES = 8 << 20


def load_csv(
    path: PathLike,
    header_lines: int = 0,
    sep: str = ",",
    dtype: object = float32,
    encoding: str = "utf-8",
    split: int | None = None,
    device: object = None,
    comm: Any = None,
    *,
    usecols: int | Sequence[int] | None = None,
    comment: str | None = None,
) -> DNDarray:
    """Read a table of numbers from a text file. Collective.

    Parameters
    ----------
    path : str or path
    header_lines : int
        Lines to skip at the beginning.
    sep : str
        Separator of columns.
    dtype : data type
        Integers are parsed exactly, not by way of floating-point numbers.
    encoding : str
        One that keeps ASCII characters as single bytes, such as UTF-8 or Latin-1.
    split : int or None
        The distributed axis of the result.
    device : {"cpu", "gpu"} or Device, optional
    comm : Communicator, optional
    usecols : int or sequence of int, optional
        Columns to read; the others may hold anything but line breaks. Default: all.
    comment : str, optional
        Lines from this on are ignored.

    Returns
    -------
    DNDarray, (lines, columns)
        Each rank reads and parses its share of the file only; blank lines are dropped. The
        result has canonical slabs.

    Raises
    ------
    ValueError
        On all ranks, if a field is no number or lines differ in their number of columns.
    OSError
        On all ranks, if the file cannot be read.
    """
    place = placement(dtype, normalize_split(split, 2), device, comm)
    comm = place.comm
    columns = None if usecols is None else tuple(np.atleast_1d(usecols).tolist())
    kind = canonical_heat_type(dtype).numpy or np.dtype(np.float32)
    parser = CsvParser(kind, sep, encoding, columns, comment)
    with collective(comm):
        rows = _read_share(path, header_lines, comm.rank, comm.size, parser)
    counts, n_columns = _agree_on_shape(rows, comm)
    layout = Layout((sum(counts), n_columns), 0, counts)
    x = place.put(rows.reshape(rows.shape[0], n_columns), layout)
    del rows  # exchanges need memory, too
    return to_layout(x, place.layout(x.shape))


def _read_share(
    path: PathLike, header_lines: int, rank: int, n_ranks: int, parse: CsvParser
) -> np.ndarray[Any, Any]:
    """The numbers of this rank's lines.

    The data bytes are cut evenly; a line belongs to the range in which it starts. Text needs
    several times the memory of its numbers, so it is parsed in pieces.
    """
    rows = None
    with Path(path).open("rb") as file:
        for _ in range(header_lines):
            file.readline()
        data_start = file.tell()
        data_bytes = file.seek(0, os.SEEK_END) - data_start
        cuts = [data_start + data_bytes * r // n_ranks for r in (rank, rank + 1)]
        start, stop = (_line_start(file, cut, data_start) for cut in cuts)
        total = stop - start
        while start < stop:
            end = stop if start + _PIECE_BYTES >= stop else _line_start(file, start + _PIECE_BYTES)
            file.seek(start)
            block = file.read(end - start)
            try:
                piece = parse(block)
            except ValueError as error:
                file.seek(0)
                first_line = file.read(start).count(b"\n") + 1
                raise ValueError(
                    f"{os.fspath(path)}, in the lines from {first_line} on, counted from there: "
                    f"{error}"
                ) from error
            if len(piece):
                n_expected = int(1.1 * len(piece) * total / (end - start))
                rows = _Rows(n_expected, piece) if rows is None else rows
                rows.add(piece)
            start = end
    return parse(b"") if rows is None else rows.found()


class _Rows:
    """Rows that arrive in pieces, in memory that is taken once: pages are used when written."""

    def __init__(self, n_expected: int, like: np.ndarray[Any, Any]) -> None:
        self._table = np.empty((max(n_expected, len(like)), like.shape[1]), like.dtype)
        self._n = 0

    def add(self, piece: np.ndarray[Any, Any]) -> None:
        """Append rows; ValueError if they have another number of columns."""
        n, width = self._n + len(piece), self._table.shape[1]
        if piece.shape[1] != width:
            raise ValueError(
                f"lines differ in their number of columns: {width}, and {piece.shape[1]} "
                f"behind {self._n} rows"
            )
        if n > len(self._table):
            grown = np.empty((n + n // 2, width), self._table.dtype)
            grown[: self._n] = self._table[: self._n]
            self._table = grown
        self._table[self._n : n] = piece
        self._n = n

    def found(self) -> np.ndarray[Any, Any]:
        """The rows that came."""
        return self._table[: self._n]


def _line_start(file: BinaryIO, position: int, data_start: int = 0) -> int:
    """Start of the first line that starts at or after ``position``."""
    if position <= data_start:
        return data_start
    file.seek(position - 1)
    while chunk := file.read(_SCAN_BYTES):
        newline = chunk.find(b"\n")
        if newline >= 0:
            return file.tell() - len(chunk) + newline + 1
    return file.tell()


def _agree_on_shape(rows: np.ndarray[Any, Any], comm: Any) -> tuple[tuple[int, ...], int]:
    """Rows per rank and the number of columns; ValueError on all ranks if that differs."""
    shapes = comm.handle.allgather(rows.shape)
    counts = tuple(shape[0] for shape in shapes)
    widths = {shape[1] for shape in shapes if shape[0]}
    if len(widths) > 1:
        starts = displacements(counts)
        listed = ", ".join(
            f"{shape[1]} from row {start} on (rank {rank})"
            for rank, (shape, start) in enumerate(zip(shapes, starts, strict=True))
            if shape[0]
        )
        raise ValueError(f"lines differ in their number of columns: {listed}")
    return counts, widths.pop() if widths else 0


def load_csv_from_folder(
    path: PathLike,
    dtype: object = float32,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
    func: Callable[[DNDarray], DNDarray] | None = None,
    **options: Any,
) -> DNDarray:
    """Concatenate the ``.csv`` files of a folder along axis 0, sorted by name. Collective.

    Parameters
    ----------
    path : str or path
        The folder.
    dtype, split, device, comm
        As for ``load_csv``.
    func : callable, optional
        Applied to the array of each file, which is split along axis 0.
    **options
        For ``load_csv``.
    """
    place = placement(dtype, split, device, comm)
    comm = place.comm
    with collective(comm):
        files = files_in(path, ".csv")
    parts = [
        load_csv(file, dtype=dtype, split=0, device=device, comm=comm, **options) for file in files
    ]
    whole = concatenate([part if func is None else func(part) for part in parts], axis=0)
    return to_layout(whole, place.layout(whole.shape))
