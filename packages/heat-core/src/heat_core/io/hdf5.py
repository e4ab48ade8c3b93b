"""Datasets of HDF5 files, each rank reading and writing its slab."""

from __future__ import annotations

import importlib.util
import os
from types import ModuleType
from typing import Any

import numpy as np
import torch

from heat_core.array.axes import normalize_split
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import to_numpy
from heat_core.comm import sanitize_comm
from heat_core.devices import sanitize_device
from heat_core.dispatch.operands import as_tensor
from heat_core.dtypes import canonical_heat_type
from heat_core.layout import Layout, canonical_layout
from mpi_utils import collective

__all__ = ["load_hdf5", "save_hdf5", "supports_hdf5"]

_MODES = ("w", "a", "r+")


def supports_hdf5() -> bool:
    """Whether h5py is installed. Local."""
    return importlib.util.find_spec("h5py") is not None


def _h5py() -> ModuleType:
    try:
        import h5py  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise ImportError("HDF5 files need h5py: pip install 'heat-core[hdf5]'") from error
    return h5py  # type: ignore[no-any-return, unused-ignore]


def load_hdf5(
    path: str | os.PathLike[str],
    dataset: str,
    dtype: object = None,
    slices: tuple[slice | None, ...] | None = None,
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
    comm = sanitize_comm(comm)
    where = sanitize_device(device, comm).torch_device
    target = None if dtype is None else canonical_heat_type(dtype).torch
    with collective(comm):
        h5py = _h5py()
        with h5py.File(path, "r") as file:
            source = file[dataset]
            ranges = _ranges(slices, source.shape)
            shape = tuple(len(positions) for positions in ranges)
            layout = canonical_layout(shape, normalize_split(split, len(shape)), comm.size)
            parts = zip(ranges, layout.slices(comm.rank), strict=True)
            block = source[tuple(_as_slice(positions[part]) for positions, part in parts)]
        local = as_tensor(np.asarray(block)).to(device=where, dtype=target)
    return wrap(local, layout, comm)


def _ranges(slices: tuple[slice | None, ...] | None, shape: tuple[int, ...]) -> list[range]:
    """The positions to read, by axis."""
    given = () if slices is None else slices
    if len(given) > len(shape):
        raise ValueError(f"{len(given)} slices for a dataset with {len(shape)} axes")
    filled = [*given, *(None,) * (len(shape) - len(given))]
    ranges = [
        range(*(part or slice(None)).indices(extent))
        for part, extent in zip(filled, shape, strict=True)
    ]
    if any(positions.step < 0 for positions in ranges):
        raise ValueError("slices of a dataset need positive steps")
    return ranges


def _as_slice(positions: range) -> slice:
    return slice(positions.start, max(positions.start, positions.stop), positions.step)


def save_hdf5(
    data: DNDarray,
    path: str | os.PathLike[str],
    dataset: str,
    mode: str = "w",
    dtype: object = None,
    **create_options: Any,
) -> None:
    """Write an array as a dataset of an HDF5 file. Collective.

    The ranks write their slabs one after another; a replicated array is written by rank 0.

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
        h5py = _h5py()
        if comm.rank == 0:
            with h5py.File(path, mode) as file:
                file.create_dataset(dataset, data.shape, kind, **create_options)
    for writer in range(comm.size if data.is_distributed() else 1):
        # The file is closed between turns: without MPI-IO only one rank may have it open to write.
        with collective(comm):
            if comm.rank == writer and data.lnumel:
                _write_slab(h5py, path, dataset, data.larray, data.layout, writer)


def _write_slab(
    h5py: ModuleType,
    path: str | os.PathLike[str],
    dataset: str,
    local: torch.Tensor,
    layout: Layout,
    rank: int,
) -> None:
    with h5py.File(path, "r+") as file:
        file[dataset][layout.slices(rank) or ()] = to_numpy(local)
