"""Tables of numbers in text files, each rank parsing its range of bytes."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from heat_core.array.axes import normalize_split
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import to_layout
from heat_core.comm import sanitize_comm
from heat_core.devices import sanitize_device
from heat_core.dtypes import DType, canonical_heat_type, float32
from heat_core.layout import Layout, canonical_layout, displacements
from mpi_utils import collective

__all__ = ["load_csv"]

_SCAN_BYTES = 1 << 16


def load_csv(
    path: str | os.PathLike[str],
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
    comm = sanitize_comm(comm)
    chosen = canonical_heat_type(dtype)
    where = sanitize_device(device, comm).torch_device
    split = normalize_split(split, 2)
    columns = None if usecols is None else np.atleast_1d(usecols).tolist()
    with collective(comm):
        block, start = _read_share(path, header_lines, comm.rank, comm.size)
        rows = _parse(block, start, path, chosen, sep, encoding, columns, comment)
    counts, n_columns = _agree_on_shape(rows, comm)
    local = torch.from_numpy(rows.reshape(rows.shape[0], n_columns))
    local = local.to(device=where, dtype=chosen.torch)
    layout = Layout((sum(counts), n_columns), 0, counts)
    target = canonical_layout(layout.gshape, split, comm.size)
    balanced = to_layout(wrap(local, layout, comm), layout.canonical())
    return to_layout(balanced, target)


def _read_share(
    path: str | os.PathLike[str], header_lines: int, rank: int, n_ranks: int
) -> tuple[bytes, int]:
    """The complete lines of this rank, and the byte at which they start.

    The data bytes are cut evenly; a line belongs to the range in which it starts.
    """
    with Path(path).open("rb") as file:
        for _ in range(header_lines):
            file.readline()
        data_start = file.tell()
        data_bytes = file.seek(0, os.SEEK_END) - data_start
        cuts = [data_start + data_bytes * r // n_ranks for r in (rank, rank + 1)]
        start, stop = (_line_start(file, cut, data_start) for cut in cuts)
        file.seek(start)
        return file.read(stop - start), start


def _line_start(file: BinaryIO, position: int, data_start: int) -> int:
    """Start of the first line that starts at or after ``position``."""
    if position <= data_start:
        return data_start
    file.seek(position - 1)
    while chunk := file.read(_SCAN_BYTES):
        newline = chunk.find(b"\n")
        if newline >= 0:
            return file.tell() - len(chunk) + newline + 1
    return file.tell()


def _parse(
    block: bytes,
    start: int,
    path: str | os.PathLike[str],
    dtype: DType,
    sep: str,
    encoding: str,
    columns: list[int] | None,
    comment: str | None,
) -> np.ndarray[Any, Any]:
    """(lines, columns) of numbers; (0, 0) of no lines."""
    text = block.decode(encoding)
    if not text.strip():
        return np.empty((0, 0), dtype.numpy or np.float32)
    try:
        return np.loadtxt(
            io.StringIO(text, newline=None),
            dtype=dtype.numpy or np.float32,
            delimiter=sep,
            usecols=columns,
            comments=comment,
            quotechar='"',
            ndmin=2,
        )
    except ValueError as error:
        with Path(path).open("rb") as file:
            first_line = file.read(start).count(b"\n") + 1
        raise ValueError(
            f"{os.fspath(path)}, in the lines from {first_line} on, counted from there: {error}"
        ) from error


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
