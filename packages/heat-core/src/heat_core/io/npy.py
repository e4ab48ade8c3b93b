"""NumPy's own files, each rank reading and writing its slab."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy_format

from heat_core.array.axes import normalize_split
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import to_layout
from heat_core.comm import Communicator, sanitize_comm
from heat_core.devices import sanitize_device
from heat_core.dispatch.operands import as_tensor
from heat_core.dtypes import canonical_heat_type
from heat_core.layout import canonical_layout
from mpi_utils import collective

__all__ = ["load_npy", "load_npy_from_path", "load_npz", "save_npy"]

PathLike = str | os.PathLike[str]


def _placed(
    source: np.ndarray[Any, Any], split: int | None, dtype: object, device: object, comm: Any
) -> DNDarray:
    """The slab of this rank of an array in a file or in memory."""
    layout = canonical_layout(source.shape, normalize_split(split, source.ndim), comm.size)
    local = as_tensor(np.array(source[layout.slices(comm.rank)], order="C"))
    target = None if dtype is None else canonical_heat_type(dtype).torch
    return wrap(local.to(sanitize_device(device, comm).torch_device, target), layout, comm)


def _mapped(path: PathLike) -> np.ndarray[Any, Any]:
    array: np.ndarray[Any, Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def load_npy(
    path: PathLike,
    dtype: object = None,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
) -> DNDarray:
    """Read a ``.npy`` file. Collective; each rank reads its slab only.

    Parameters
    ----------
    path : str or path
    dtype : data type, optional
        Default: that of the file.
    split : int or None
        The distributed axis of the result.
    device : {"cpu", "gpu"} or Device, optional
    comm : Communicator, optional

    Raises
    ------
    OSError, ValueError
        On all ranks, if there is no such file, or it is no array of numbers.
    """
    comm = sanitize_comm(comm)
    with collective(comm):
        return _placed(_mapped(path), split, dtype, device, comm)


def load_npz(
    path: PathLike,
    dtype: object = None,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
) -> dict[str, DNDarray]:
    """Read all arrays of a ``.npz`` file; parameters as for ``load_npy``. Collective.

    Replicating, one array at a time: the archive has to be read from the start.
    """
    comm = sanitize_comm(comm)
    with collective(comm), np.load(path, allow_pickle=False) as archive:
        return {name: _placed(archive[name], split, dtype, device, comm) for name in archive.files}


def load_npy_from_path(
    path: PathLike,
    dtype: object = None,
    split: int | None = 0,
    device: object = None,
    comm: Any = None,
) -> DNDarray:
    """Concatenate the ``.npy`` files of a folder along axis 0, sorted by name. Collective.

    Parameters
    ----------
    path : str or path
        The folder; any number of files.
    dtype : data type, optional
        Default: the one to which NumPy promotes those of the files.
    split : int or None
        The distributed axis of the result. Rows are distributed, not files.
    device : {"cpu", "gpu"} or Device, optional
    comm : Communicator, optional

    Raises
    ------
    OSError, ValueError
        On all ranks, if the folder has no such files, or their shapes do not fit.
    """
    comm = sanitize_comm(comm)
    with collective(comm):
        files = sorted(file for file in Path(path).iterdir() if file.suffix == ".npy")
        if not files:
            raise FileNotFoundError(f"there are no .npy files in {os.fspath(path)}")
        parts = [_mapped(file) for file in files]
        if parts[0].ndim == 0 or len({part.shape[1:] for part in parts}) > 1:
            shapes = {file.name: part.shape for file, part in zip(files, parts, strict=True)}
            raise ValueError(f"shapes must agree but for axis 0: {shapes}")
        shape = (sum(len(part) for part in parts), *parts[0].shape[1:])
        layout = canonical_layout(shape, normalize_split(split, len(shape)), comm.size)
        rows, *rest = layout.slices(comm.rank)
        local = np.empty(layout.lshape(comm.rank), np.result_type(*parts))
        start = 0
        for part in parts:
            low, high = max(rows.start, start), min(rows.stop, start + len(part))
            if low < high:
                block = part[(slice(low - start, high - start), *rest)]
                local[low - rows.start : high - rows.start] = block
            start += len(part)
        tensor = as_tensor(local)
        target = None if dtype is None else canonical_heat_type(dtype).torch
        return wrap(tensor.to(sanitize_device(device, comm).torch_device, target), layout, comm)


def save_npy(x: DNDarray, path: PathLike) -> None:
    """Write a ``.npy`` file. Collective; each rank writes its rows.

    Arrays that are split along another axis than 0 are resplit on the way.

    Parameters
    ----------
    x : DNDarray
    path : str or path
        Is written under this very name: no extension is added.
    """
    if x.dtype.numpy is None:
        raise TypeError("NumPy has no bfloat16: cast the array first")
    kind, comm = x.dtype.numpy, x.comm
    if x.split:
        x = to_layout(x, canonical_layout(x.shape, 0, comm.size))
    start = 0
    with collective(comm):
        if comm.rank == 0:
            with Path(path).open("wb") as file:
                header = {"descr": npy_format.dtype_to_descr(kind), "fortran_order": False}
                npy_format.write_array_header_2_0(file, {**header, "shape": x.shape})
                start = file.tell()
    start = comm.handle.bcast(start)
    write_slab(comm, x, path, start)


def write_slab(comm: Communicator, x: DNDarray, path: PathLike, start: int) -> None:
    """Write the rows of this rank into a file that has its header. Collective."""
    row_bytes = x.dtype.itemsize * int(np.prod(x.shape[1:], dtype=np.int64))
    with collective(comm):
        if (comm.rank == 0 or x.is_distributed()) and x.lnumel:
            with Path(path).open("r+b") as file:
                file.seek(start + x.layout.offset(comm.rank) * row_bytes)
                x.larray.cpu().contiguous().numpy().tofile(file)
