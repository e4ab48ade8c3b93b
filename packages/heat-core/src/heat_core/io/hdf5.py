"""Datasets of HDF5 files, each rank reading and writing its slab."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from heat_core.array.dndarray import DNDarray
from heat_core.array.relayout import to_numpy
from heat_core.dtypes import canonical_heat_type
from heat_core.io.backends import require
from heat_core.io.slabs import (
    PathLike,
    Slices,
    Stored,
    files_in,
    placement,
    read_joined,
    read_slab,
)
from mpi_utils import collective

__all__ = ["load_hdf5", "load_multiple_hdf5", "save_hdf5"]

_MODES = ("w", "a", "r+")


@contextmanager
def _opened(path: PathLike, dataset: str) -> Iterator[Stored]:
    with require("h5py").File(path, "r") as file:
        yield file[dataset]


def load_hdf5(
    path: PathLike,
    dataset: str,
    dtype: object = None,
    slices: Slices = None,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
) -> DNDarray:
    """Read a dataset of an HDF5 file. Collective; each rank reads its slab only.

    Parameters
    ----------
    path : str or path
    dataset : str
        Name of the dataset in the file.
    dtype : data type, optional
        Default: that of the file.
    slices : tuple of slice or None, optional
        The part to read, by axis; None: all of an axis. Steps are positive.
    split : int or None
        The distributed axis of the result.
    device : {"cpu", "gpu"} or Device, optional
    comm : Communicator, optional

    Raises
    ------
    OSError, KeyError
        On all ranks, if there is no such file or dataset.
    """
    place = placement(dtype, split, device, comm)
    with collective(place.comm), _opened(path, dataset) as source:
        return read_slab(source, place, slices)


def load_multiple_hdf5(
    folder: PathLike,
    dataset: str,
    dtype: object = None,
    sorting_func: Callable[[list[Path]], list[Path]] | None = None,
    split: int | None = 0,
    device: object = None,
    comm: Any = None,
) -> DNDarray:
    """Concatenate a dataset of all HDF5 files of a folder along axis 0. Collective.

    Rows are distributed, not files: the slabs are canonical.

    Parameters
    ----------
    folder : str or path
        Its files that end in ``.h5`` or ``.hdf5`` are read.
    dataset : str
        Name of the dataset in each file.
    dtype : data type, optional
        Default: the one to which NumPy promotes those of the files.
    sorting_func : callable, optional
        Orders the list of paths. Default: by name.
    split : int or None
    device : {"cpu", "gpu"} or Device, optional
    comm : Communicator, optional

    Raises
    ------
    OSError, KeyError, ValueError
        On all ranks, if a file or dataset is missing, or the shapes do not fit.
    """
    place = placement(dtype, split, device, comm)
    with collective(place.comm):
        files = files_in(folder, ".h5", ".hdf5")
        if sorting_func is not None:
            files = list(sorting_func(files))
    return read_joined(files, lambda file: _opened(file, dataset), place)


def save_hdf5(
    data: DNDarray,
    path: PathLike,
    dataset: str,
    mode: str = "w",
    dtype: object = None,
    **create_options: Any,
) -> None:
    """Write an array as a dataset of an HDF5 file. Collective.

    The ranks write their slabs at the same time where h5py was built with MPI, else one after
    another; a replicated array is written by rank 0.

    Parameters
    ----------
    data : DNDarray
    path : str or path
    dataset : str
        Name of the dataset in the file.
    mode : {"w", "a", "r+"}
        As for ``h5py.File``: replace the file, add to it or create it, add to it.
    dtype : data type, optional
        In the file; default: that of the array.
    **create_options
        For ``h5py.Group.create_dataset``, such as ``chunks`` and ``compression``.
    """
    if mode not in _MODES:
        raise ValueError(f"mode is one of {', '.join(_MODES)}, not {mode!r}")
    comm = data.comm
    kind = (data.dtype if dtype is None else canonical_heat_type(dtype)).numpy
    if kind is None:
        raise TypeError("HDF5 has no bfloat16: pass another dtype")
    with collective(comm):
        h5py = require("h5py")
        at_once = data.is_distributed() and h5py.get_config().mpi
    if at_once:
        with collective(comm), h5py.File(path, mode, driver="mpio", comm=comm.handle) as file:
            target = file.create_dataset(dataset, data.shape, kind, **create_options)
            with target.collective:  # what compressed datasets need
                target[data.layout.slices(comm.rank)] = to_numpy(data.larray)
        return
    with collective(comm):
        if comm.rank == 0:
            with h5py.File(path, mode) as file:
                file.create_dataset(dataset, data.shape, kind, **create_options)
    _write_in_turns(data, path, dataset)


def _write_in_turns(data: DNDarray, path: PathLike, dataset: str) -> None:
    """The slabs one after another: without MPI-IO only one rank may have the file open to write."""
    comm = data.comm
    for writer in range(comm.size if data.is_distributed() else 1):
        with collective(comm):
            if comm.rank == writer and data.lnumel:
                with require("h5py").File(path, "r+") as file:
                    file[dataset][data.layout.slices(writer)] = to_numpy(data.larray)
