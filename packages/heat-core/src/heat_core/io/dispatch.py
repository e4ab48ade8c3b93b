"""``load`` and ``save`` by the extension of the file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from heat_core.array.dndarray import DNDarray
from heat_core.io.csv import load_csv
from heat_core.io.hdf5 import load_hdf5, save_hdf5

__all__ = ["load", "save"]

R = TypeVar("R")

_LOADERS: dict[str, Callable[..., DNDarray]] = {
    ".csv": load_csv,
    ".txt": load_csv,
    ".h5": load_hdf5,
    ".hdf5": load_hdf5,
}
_SAVERS: dict[str, Callable[..., None]] = {".h5": save_hdf5, ".hdf5": save_hdf5}


def load(path: str | os.PathLike[str], *args: Any, **kwargs: Any) -> DNDarray:
    """Read an array from a file, by its extension: ``load_csv`` or ``load_hdf5``. Collective."""
    return _by_extension(path, _LOADERS)(path, *args, **kwargs)


def save(data: DNDarray, path: str | os.PathLike[str], *args: Any, **kwargs: Any) -> None:
    """Write an array to a file, by its extension: ``save_hdf5``. Collective."""
    _by_extension(path, _SAVERS)(data, path, *args, **kwargs)


def _by_extension(
    path: str | os.PathLike[str], functions: dict[str, Callable[..., R]]
) -> Callable[..., R]:
    extension = Path(path).suffix.lower()
    if extension not in functions:
        raise ValueError(f"{extension!r} is none of the extensions {', '.join(functions)}")
    return functions[extension]
