"""Sparse matrices in SciPy's files, as ``scipy.sparse.save_npz`` writes them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib import format as npy_format

from heat_core.dispatch.operands import as_tensor
from heat_core.io.npy_stream import NpyStream, opened_archive
from heat_core.io.slabs import PathLike, placement
from heat_core.sparse.coordinates import compressed
from heat_core.sparse.creation import KINDS, kind_of
from heat_core.sparse.matrix import Compressed
from mpi_utils import collective

__all__ = ["load_npz", "save_npz"]


def save_npz(file: PathLike, matrix: Compressed, compressed: bool = True) -> None:
    """Write a matrix as SciPy does. Collective; rank 0 writes what the others send in turn.

    Parameters
    ----------
    file : str or path
        Is written under this very name: no extension is added.
    matrix : DCSR_matrix or DCSC_matrix
    compressed : bool
        Smaller, but slower.

    Raises
    ------
    OSError, TypeError
        On all ranks.
    """
    if matrix.dtype.numpy is None:
        raise TypeError("NumPy has no bfloat16: cast the matrix first")
    comm, nnz = matrix.comm, matrix.nnz
    indptr = matrix.global_indptr().larray.cpu().numpy()
    name = next(name for name, kind in KINDS.items() if isinstance(matrix, kind))
    small = {"format": np.array(name.encode()), "shape": np.array(matrix.shape), "indptr": indptr}
    counts = matrix.counts_displs_nnz()[0] if matrix.is_distributed() else (nnz,)
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    archive, error = None, None
    if comm.rank == 0:
        try:
            archive = zipfile.ZipFile(file, "w", method)
            for key, array in small.items():
                _write(archive, key, array.dtype, array.shape, iter((array,)))
        except OSError as failure:
            error = failure
    for key, local in (("indices", matrix.lindices), ("data", matrix.ldata)):
        parts = _parts(matrix, local.cpu().contiguous(), counts)
        if comm.rank == 0 and error is None:
            assert archive is not None
            kind = matrix.dtype.numpy if key == "data" else np.dtype(np.int64)
            try:
                _write(archive, key, kind, (nnz,), parts)
            except OSError as failure:
                error = failure
        for _ in parts:  # the other ranks' sends, and what is left when writing failed
            pass
    with collective(comm):
        if archive is not None:
            archive.close()
        if error is not None:
            raise error


def _parts(
    matrix: Compressed, local: torch.Tensor, counts: tuple[int, ...]
) -> Iterator[np.ndarray[Any, Any]]:
    """The part of each rank in turn, on rank 0; the others only send theirs."""
    comm = matrix.comm
    for owner, number in enumerate(counts):
        if owner == 0:
            yield local.numpy()
        elif comm.rank == owner:
            comm.exchange([(0, local)], [])
        elif comm.rank == 0:
            part = local.new_empty(number)
            comm.exchange([], [(owner, part)])
            yield part.numpy()


def _write(
    archive: zipfile.ZipFile,
    name: str,
    kind: np.dtype[Any],
    shape: tuple[int, ...],
    parts: Iterator[np.ndarray[Any, Any]],
) -> None:
    header = {"descr": npy_format.dtype_to_descr(kind), "fortran_order": False, "shape": shape}
    with archive.open(f"{name}.npy", "w", force_zip64=True) as target:
        npy_format.write_array_header_1_0(target, header)
        for part in parts:
            target.write(part.astype(kind, copy=False).tobytes())


def load_npz(
    file: PathLike,
    dtype: object = None,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
) -> Any:
    """Read a matrix that SciPy or ``save_npz`` has written. Collective.

    Each rank keeps its slab only, but has to decompress what stands before it.

    Parameters
    ----------
    file : str or path
    dtype : data type, optional
        Default: that of the file.
    split : int or None
        0 for a file of compressed rows, 1 for one of compressed columns, or not at all.
    device : {"cpu", "gpu"} or Device, optional
    comm : Communicator, optional

    Returns
    -------
    DCSR_matrix or DCSC_matrix
        As the file has compressed rows or columns.

    Raises
    ------
    OSError, ValueError
        On all ranks, if there is no such file, it has another format, or cannot be split so.
    """
    place = placement(dtype, split, device, comm)
    with collective(place.comm), opened_archive(file) as archive:
        if "format.npy" not in archive.namelist():
            raise ValueError(f"{Path(file).name} has no sparse matrix: ht.load_npz reads arrays")
        read = _reader(archive)
        name = bytes(read("format", ())).decode()
        if name not in KINDS:
            raise ValueError(f"a matrix of format {name!r} is not read: save its .tocsr()")
        kind = kind_of(name, split)
        layout = place.layout(tuple(map(int, read("shape", (slice(None),)))))
        mine = layout.slices(place.comm.rank)[kind.major]
        indptr = torch.from_numpy(read("indptr", (slice(mine.start, mine.stop + 1),)).astype("i8"))
        own = slice(int(indptr[0]), int(indptr[-1]))
        indices = torch.from_numpy(read("indices", (own,)).astype("i8"))
        data = as_tensor(read("data", (own,))).to(place.device, place.dtype)
    lines = torch.arange(len(indptr) - 1).repeat_interleave(indptr.diff())
    return compressed(
        kind, lines.to(place.device), indices.to(place.device), data, layout, place.comm
    )


def _reader(archive: zipfile.ZipFile) -> Callable[[str, tuple[slice, ...]], Any]:
    def read(name: str, key: tuple[slice, ...]) -> Any:
        info = archive.getinfo(f"{name}.npy")
        with archive.open(info) as stream:
            return NpyStream(stream, info.file_size)[key]

    return read
