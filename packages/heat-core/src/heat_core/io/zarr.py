"""Arrays of Zarr stores, each rank reading and writing its own chunks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from heat_core.array.dndarray import DNDarray
from heat_core.array.relayout import to_layout, to_numpy
from heat_core.io.backends import require
from heat_core.io.chunks import aligned_layout, chunk_shape
from heat_core.io.slabs import PathLike, Slices, Stored, placement, read_joined, read_slab
from mpi_utils import collective

__all__ = ["load_zarr", "save_zarr"]


@contextmanager
def _opened(path: PathLike, name: str) -> Iterator[Stored]:
    store = require("zarr").open(os.fspath(path), mode="r")
    yield store[name] if name else store


def _names(path: PathLike, variable: str | None) -> list[str]:
    """The arrays that ``variable`` names, sorted; the empty name is a store of one array."""
    store = require("zarr").open(os.fspath(path), mode="r")
    if hasattr(store, "dtype"):
        if variable is not None:
            raise ValueError(f"{path} is one array, and has no variable {variable!r}")
        return [""]
    members = store.members(max_depth=None)
    arrays = sorted(name for name, member in members if hasattr(member, "dtype"))
    if variable is None:
        if len(arrays) != 1:
            raise ValueError(f"name a variable of {path}: {', '.join(arrays)}")
        return arrays
    names = [name for name in arrays if fnmatchcase(name, variable)]
    if not names:
        raise KeyError(f"{path} has no variable {variable!r}; it has {', '.join(arrays)}")
    return names


def load_zarr(
    path: PathLike,
    variable: str | None = None,
    split: int | None = 0,
    device: object = None,
    comm: Any = None,
    slices: Slices = None,
    dtype: object = None,
) -> DNDarray:
    """Read an array of a Zarr store, of format 2 or 3. Collective; each rank reads its slab only.

    Parameters
    ----------
    path : str or path
    variable : str, optional
        Which array of a group; not needed if it has only one. With ``*`` in it, all arrays that
        match are concatenated along the split axis, or axis 0, sorted by name.
    split : int or None
        The distributed axis of the result.
    device : {"cpu", "gpu"} or Device, optional
    comm : Communicator, optional
    slices : slice, or sequence of slice or None, optional
        The part to read of one array, by axis; None: all of an axis. Steps are positive.
    dtype : data type, optional
        Default: that of the store.

    Raises
    ------
    OSError, KeyError, ValueError
        On all ranks, if there is no such store or variable, or shapes do not fit.
    """
    place = placement(dtype, split, device, comm)
    with collective(place.comm):
        names = _names(path, variable)
        if len(names) == 1:
            with _opened(path, names[0]) as source:
                return read_slab(source, place, slices)
        if slices is not None:
            raise ValueError(f"slices are for one array, and {variable!r} matches {len(names)}")
    return read_joined(names, lambda name: _opened(path, name), place, split or 0)


def save_zarr(
    dndarray: DNDarray,
    path: PathLike,
    overwrite: bool = False,
    *,
    variable: str | None = None,
    chunks: tuple[int, ...] | Literal["auto"] = "auto",
    **create_options: Any,
) -> None:
    """Write an array to a Zarr store. Collective; each rank writes whole chunks.

    Where slabs do not end at the borders of chunks, they are moved to the next ones on the way.

    Parameters
    ----------
    dndarray : DNDarray
    path : str or path
    overwrite : bool
        Whether an array that is there is replaced.
    variable : str, optional
        Name of the array in a group, which is made if missing. Default: the store is the array.
    chunks : tuple of int or "auto"
        Shape of chunks. "auto": up to 8 MiB, with borders at those of the slabs if possible.
    **create_options
        For ``zarr.create_array``, such as ``shards``, ``compressors`` and ``zarr_format``.

    Raises
    ------
    FileExistsError
        On all ranks, if there is something at the path and ``overwrite`` is false.
    """
    x, comm = dndarray, dndarray.comm
    kind = x.dtype.numpy
    if kind is None:
        raise TypeError("Zarr has no bfloat16: cast the array first")
    shape = chunk_shape(x.layout, x.itemsize) if chunks == "auto" else tuple(chunks)
    if len(shape) != x.ndim:
        raise ValueError(f"chunks of shape {shape} for an array with {x.ndim} axes")
    with collective(comm):
        zarr = require("zarr")
        if comm.rank == 0:
            _create(zarr, path, variable, overwrite, x.shape, kind, shape, create_options)
    if x.split is not None:
        unit = create_options.get("shards") or shape
        x = to_layout(x, aligned_layout(x.layout, unit[x.split]))
    with collective(comm):
        if (comm.rank == 0 or x.is_distributed()) and x.lnumel:
            store = zarr.open(os.fspath(path), mode="r+")
            target = store if variable is None else store[variable]
            target[x.layout.slices(comm.rank)] = to_numpy(x.larray)


def _create(
    zarr: Any,
    path: PathLike,
    variable: str | None,
    overwrite: bool,
    shape: tuple[int, ...],
    dtype: Any,
    chunks: tuple[int, ...],
    options: dict[str, Any],
) -> None:
    store = os.fspath(path)
    if variable is not None:
        zarr.open_group(store, mode="a", zarr_format=options.get("zarr_format"))
    elif not overwrite and any(Path(store).glob("*")):
        raise FileExistsError(f"{store} exists: overwrite=True replaces it")
    try:
        zarr.create_array(
            store,
            name=variable,
            shape=shape,
            dtype=dtype,
            chunks=chunks,
            overwrite=overwrite,
            **options,
        )
    except zarr.errors.ContainsArrayError as error:
        raise FileExistsError(f"{store} has {variable}: overwrite=True replaces it") from error
