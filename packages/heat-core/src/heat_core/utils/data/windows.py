"""A table of an HDF5 file in windows of rows, each read when it is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike
from typing import Any

from heat_core.array.dndarray import DNDarray
from heat_core.comm import sanitize_comm
from heat_core.io import load_hdf5
from heat_core.io.backends import require
from mpi_utils import collective

__all__ = ["hdf5_shape", "hdf5_windows"]


def hdf5_shape(path: str | PathLike[str], dataset: str, comm: Any = None) -> tuple[int, ...]:
    """The shape of a dataset. Collective.

    Raises
    ------
    OSError, KeyError
        On all ranks, if there is no such file or dataset.
    """
    with collective(sanitize_comm(comm)), require("h5py").File(path, "r") as file:
        return tuple(int(extent) for extent in file[dataset].shape)


def hdf5_windows(
    path: str | PathLike[str],
    dataset: str,
    rows: int,
    *,
    start: int = 0,
    dtype: object = None,
    comm: Any = None,
) -> Iterator[tuple[int, DNDarray]]:
    """The windows one after the other: number of the first row, and the rows, split=0. Collective.

    Parameters
    ----------
    path : str or path
    dataset : str
    rows : int
        In a window; the last one may have less.
    start : int
        The first row of the first window.
    dtype : data type, optional
        Default: that of the file.
    comm : Communicator, optional
    """
    if rows < 1:
        raise ValueError(f"a window has at least one row, not {rows}")
    n, *others = hdf5_shape(path, dataset, comm)
    for first in range(start, n, rows):
        part = (slice(first, min(first + rows, n)), *(slice(0, extent) for extent in others))
        yield first, load_hdf5(path, dataset, dtype=dtype, split=0, slices=part, comm=comm)
