"""Checkpoints: one file per rank, and a manifest that says how they make up the array."""

from __future__ import annotations

import json
import os
from operator import index
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from heat_core.array.axes import normalize_split
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.comm import sanitize_comm
from heat_core.devices import sanitize_device
from heat_core.dtypes import DType, canonical_heat_type
from heat_core.io.npy_stream import opened_npy
from heat_core.layout import Layout, canonical_layout
from mpi_utils import collective

__all__ = ["load_sharded", "save_sharded"]

_MANIFEST = "manifest.json"


def _file_of(rank: int) -> str:
    return f"slab-{rank:05}.npy"


def save_sharded(x: DNDarray, path: str | os.PathLike[str]) -> None:
    """Write an array into a folder, one file per rank. Collective.

    The manifest is written last: a folder with one is complete.

    Parameters
    ----------
    x : DNDarray
        A replicated array is written by rank 0.
    path : str or path
        The folder; made if missing. An array in it is replaced.
    """
    folder, comm = Path(path), x.comm
    with collective(comm):
        if comm.rank == 0:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / _MANIFEST).unlink(missing_ok=True)
    with collective(comm):
        if comm.rank == 0 or x.split is not None:
            # NumPy has no bfloat16: its bits are written.
            local = x.larray.cpu().contiguous()
            bits = local.view(torch.uint16) if local.dtype is torch.bfloat16 else local
            np.save(folder / _file_of(comm.rank), bits.numpy())
    with collective(comm):
        if comm.rank == 0:
            layout = {"shape": x.shape, "split": x.split, "counts": x.layout.counts}
            draft = folder / f"{_MANIFEST}.part"
            draft.write_text(json.dumps({"format": 1, "dtype": x.dtype.name, **layout}) + "\n")
            draft.replace(folder / _MANIFEST)


def load_sharded(
    path: str | os.PathLike[str],
    split: int | Literal["saved"] | None = "saved",
    device: object = None,
    comm: Any = None,
) -> DNDarray:
    """Read an array that ``save_sharded`` wrote, on any number of ranks. Collective.

    Each rank reads its slab only, from the files that have parts of it.

    Parameters
    ----------
    path : str or path
        The folder.
    split : int, None or "saved"
        The distributed axis of the result, with canonical slabs; "saved": that of the array that
        was written.
    device : {"cpu", "gpu"} or Device, optional
    comm : Communicator, optional

    Raises
    ------
    OSError, ValueError
        On all ranks, if a file is missing or does not fit the manifest.
    """
    comm = sanitize_comm(comm)
    where = sanitize_device(device, comm).torch_device
    with collective(comm):
        saved, dtype = _manifest(Path(path))
        chosen = saved.split if isinstance(split, str) else split
        ndim = len(saved.gshape)
        layout = canonical_layout(saved.gshape, normalize_split(chosen, ndim), comm.size)
        local = _read(Path(path), saved, dtype, layout.slices(comm.rank))
        return wrap(local.to(where), layout, comm)


def _manifest(folder: Path) -> tuple[Layout, DType]:
    file = folder / _MANIFEST
    content = json.loads(file.read_text())
    try:
        if content["format"] != 1:
            raise ValueError(f"{file} has an unknown format")
        counts = None if content["counts"] is None else tuple(map(index, content["counts"]))
        layout = Layout(tuple(map(index, content["shape"])), content["split"], counts)
        return layout, canonical_heat_type(content["dtype"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"{file} is damaged: {error}") from error


def _read(folder: Path, saved: Layout, dtype: DType, slab: tuple[slice, ...]) -> torch.Tensor:
    """The part ``slab`` of the saved array."""
    bits = dtype.numpy or np.dtype(np.uint16)
    local: np.ndarray[Any, Any] | None = None
    for writer in range(len(saved.counts or (0,))):
        shared = [
            (max(a.start, b.start), min(a.stop, b.stop))
            for a, b in zip(saved.slices(writer), slab, strict=True)
        ]
        if any(low >= high for low, high in shared):
            continue
        target, block = (
            tuple(
                slice(low - p.start, high - p.start)
                for (low, high), p in zip(shared, parts, strict=True)
            )
            for parts in (slab, saved.slices(writer))
        )
        file = folder / _file_of(writer)
        with opened_npy(file) as source:
            if source.shape != saved.lshape(writer) or source.dtype != bits:
                raise ValueError(f"{file} does not fit {_MANIFEST}")
            if local is None:
                local = np.empty([part.stop - part.start for part in slab], bits)
            local[target] = source[block]
    if local is None:  # no part of the array is here
        local = np.empty([part.stop - part.start for part in slab], bits)
    tensor = torch.from_numpy(local)
    return tensor if dtype.numpy is not None else tensor.view(dtype.torch)
