"""NumPy's own files, each rank reading and writing its slab."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy_format

from heat_core.array.dndarray import DNDarray
from heat_core.array.relayout import to_layout
from heat_core.comm import Communicator
from heat_core.io.npy_stream import NpyStream, opened_archive, opened_npy
from heat_core.io.slabs import PathLike, files_in, placement, read_joined, read_slab
from heat_core.layout import canonical_layout
from mpi_utils import collective

__all__ = ["load_npy", "load_npy_from_path", "load_npz", "save_npy", "write_slab"]


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
    place = placement(dtype, split, device, comm)
    with collective(place.comm), opened_npy(path) as source:
        return read_slab(source, place)


def load_npz(
    path: PathLike,
    dtype: object = None,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
) -> dict[str, DNDarray]:
    """Read all arrays of a ``.npz`` file; parameters as for ``load_npy``. Collective.

    Each rank keeps its slabs only, but has to decompress what stands before them.

    Raises
    ------
    OSError, ValueError
        On all ranks, if there is no such file, or it is damaged.
    """
    place = placement(dtype, split, device, comm)
    arrays = {}
    with collective(place.comm), opened_archive(path) as archive:
        for info in archive.infolist():
            with archive.open(info) as stream:
                source = NpyStream(stream, info.file_size)
                arrays[info.filename.removesuffix(".npy")] = read_slab(source, place)
    return arrays


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
    place = placement(dtype, split, device, comm)
    with collective(place.comm):
        files = files_in(path, ".npy")
    return read_joined(files, opened_npy, place)


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
