"""``load`` and ``save`` by the extension of the file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from heat_core.array.dndarray import DNDarray
from heat_core.io.csv import load_csv
from heat_core.io.csv_writer import save_csv
from heat_core.io.hdf5 import load_hdf5, save_hdf5
from heat_core.io.netcdf import load_netcdf, save_netcdf
from heat_core.io.npy import load_npy, load_npz, save_npy
from heat_core.io.parquet import load_parquet
from heat_core.io.zarr import load_zarr, save_zarr

__all__ = ["load", "save"]

R = TypeVar("R")

_LOADERS: dict[str, Callable[..., Any]] = {
    ".csv": load_csv,
    ".txt": load_csv,
    ".h5": load_hdf5,
    ".hdf5": load_hdf5,
    ".nc": load_netcdf,
    ".nc4": load_netcdf,
    ".npy": load_npy,
    ".npz": load_npz,
    ".parquet": load_parquet,
    ".zarr": load_zarr,
}
_SAVERS: dict[str, Callable[..., None]] = {
    ".csv": save_csv,
    ".txt": save_csv,
    ".h5": save_hdf5,
    ".hdf5": save_hdf5,
    ".nc": save_netcdf,
    ".nc4": save_netcdf,
    ".npy": save_npy,
    ".zarr": save_zarr,
}


def load(path: str | os.PathLike[str], *args: Any, **kwargs: Any) -> Any:
    """Read a file by its extension, with the arguments of the reader. Collective.

    ``.csv`` and ``.txt``: ``load_csv``, ``.h5`` and ``.hdf5``: ``load_hdf5``, ``.nc`` and ``.nc4``:
    ``load_netcdf``, ``.npy``: ``load_npy``, ``.npz``: ``load_npz``, which returns several arrays,
    ``.parquet``: ``load_parquet``, ``.zarr``: ``load_zarr``.

    Raises
    ------
    ValueError
        For any other extension.
    """
    return _by_extension(path, _LOADERS)(path, *args, **kwargs)


def save(data: DNDarray, path: str | os.PathLike[str], *args: Any, **kwargs: Any) -> None:
    """Write an array to a file, by its extension, with the arguments of the writer. Collective.

    ``.csv`` and ``.txt``: ``save_csv``, ``.h5`` and ``.hdf5``: ``save_hdf5``, ``.nc`` and ``.nc4``:
    ``save_netcdf``, ``.npy``: ``save_npy``, ``.zarr``: ``save_zarr``.

    Raises
    ------
    ValueError
        For any other extension.
    """
    _by_extension(path, _SAVERS)(data, path, *args, **kwargs)


def _by_extension(
    path: str | os.PathLike[str], functions: dict[str, Callable[..., R]]
) -> Callable[..., R]:
    extension = Path(path).suffix.lower()
    if extension not in functions:
        raise ValueError(f"{extension!r} is none of the extensions {', '.join(functions)}")
    return functions[extension]
