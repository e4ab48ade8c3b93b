"""Writing tables of numbers as text, each rank formatting its rows."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from heat_core.array.dndarray import DNDarray
from heat_core.array.relayout import to_layout, to_numpy
from heat_core.io.slabs import PathLike
from heat_core.layout import canonical_layout
from mpi_utils import collective

__all__ = ["save_csv"]


def save_csv(
    data: DNDarray,
    path: PathLike,
    header_lines: Iterable[str] | None = None,
    sep: str = ",",
    decimals: int = -1,
    encoding: str = "utf-8",
    truncate: bool = True,
) -> None:
    """Write a vector or a matrix as text. Collective; each rank writes its rows.

    Parameters
    ----------
    data : DNDarray, (rows,) or (rows, columns)
        Real numbers. A vector becomes one column. Split along axis 1, it is resplit on the way.
    path : str or path
    header_lines : iterable of str, optional
        Lines to write first.
    sep : str
    decimals : int
        Digits after the point; negative: as many as tell the number from all others.
    encoding : str
    truncate : bool
        Whether the file is emptied first; if not, only its beginning is replaced.
    """
    if data.ndim not in (1, 2):
        raise ValueError(f"tables have one or two axes, not {data.ndim}")
    if data.dtype.kind == "complex floating":
        raise TypeError("complex numbers cannot be written as a table")
    comm = data.comm
    if data.split:
        data = to_layout(data, canonical_layout(data.shape, 0, comm.size))
    with collective(comm):
        text = ""
        if comm.rank == 0:
            text = "".join(f"{line}\n" for line in header_lines or ())
        if comm.rank == 0 or data.is_distributed():
            text += _formatted(to_numpy(data.larray), sep, decimals)
        block = text.encode(encoding)
        if comm.rank == 0 and (truncate or not Path(path).exists()):
            Path(path).write_bytes(b"")
    start = sum(comm.handle.allgather(len(block))[: comm.rank])
    with collective(comm):
        if block:
            with Path(path).open("r+b") as file:
                file.seek(start)
                file.write(block)


def _formatted(rows: np.ndarray[Any, Any], sep: str, decimals: int) -> str:
    """Lines of text; the digits of floats are the shortest that are read back as the same."""
    table = rows[:, None] if rows.ndim == 1 else rows
    if table.dtype.kind == "b":
        table = table.astype(np.int8)
    if decimals >= 0 and table.dtype.kind == "f":
        fields = [[f"{value:.{decimals}f}" for value in row] for row in table.tolist()]
    else:
        fields = table.astype(str).tolist()
    return "".join(f"{sep.join(row)}\n" for row in fields)
