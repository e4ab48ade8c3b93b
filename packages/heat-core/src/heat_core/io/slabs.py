"""Reading stored arrays by slabs: each rank takes its part, and nothing else.

A stored array is anything with a shape that slices give NumPy arrays of: a dataset, a variable, a
file that is mapped into memory.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch

from heat_core.array.axes import normalize_split
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.comm import Communicator, sanitize_comm
from heat_core.devices import sanitize_device
from heat_core.dispatch.operands import as_tensor
from heat_core.dtypes import canonical_heat_type
from heat_core.layout import Layout, canonical_layout
from mpi_utils import collective

__all__ = [
    "PathLike",
    "Placement",
    "Slices",
    "Stored",
    "files_in",
    "placement",
    "ranges_of",
    "read_joined",
    "read_slab",
    "slab_key",
]

PathLike = str | os.PathLike[str]
Slices = Sequence[slice | None] | slice | None
Part = TypeVar("Part")


class Stored(Protocol):
    """What can be read by slices."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Global shape."""

    @property
    def dtype(self) -> Any:
        """NumPy's data type of the elements."""

    def __getitem__(self, key: Any, /) -> Any: ...


@dataclass(frozen=True, slots=True)
class Placement:
    """Where and as what an array is wanted: the arguments that all readers share."""

    dtype: torch.dtype | None
    split: int | None
    device: torch.device
    comm: Communicator

    def layout(self, shape: tuple[int, ...]) -> Layout:
        """The layout of an array of this shape; AxisError if it has no such split axis."""
        return canonical_layout(shape, normalize_split(self.split, len(shape)), self.comm.size)

    def put(self, local: np.ndarray[Any, Any], layout: Layout) -> DNDarray:
        """The array of which ``local`` is this rank's part; ValueError if it holds no numbers."""
        try:
            tensor = as_tensor(local)
        except TypeError as error:
            raise ValueError(f"no numbers are stored here: {error}") from error
        return wrap(tensor.to(self.device, self.dtype), layout, self.comm)


def placement(dtype: object, split: int | None, device: object, comm: Any) -> Placement:
    """Arguments as users give them. Collective for "gpu" on its first use."""
    comm = sanitize_comm(comm)
    where = sanitize_device(device, comm).torch_device
    return Placement(
        None if dtype is None else canonical_heat_type(dtype).torch, split, where, comm
    )


def ranges_of(slices: Slices, shape: tuple[int, ...]) -> list[range]:
    """The positions that ``slices`` choose of an array of ``shape``, by axis.

    Raises
    ------
    ValueError
        If there are more slices than axes, or a step is negative.
    """
    given = [slices] if isinstance(slices, slice) else list(slices or ())
    if len(given) > len(shape):
        raise ValueError(f"{len(given)} slices for an array with {len(shape)} axes")
    given += [None] * (len(shape) - len(given))
    ranges = [
        range(*(part or slice(None)).indices(extent))
        for part, extent in zip(given, shape, strict=True)
    ]
    if any(positions.step < 0 for positions in ranges):
        raise ValueError("slices of a stored array need positive steps")
    return ranges


def slab_key(ranges: Sequence[range], part: Sequence[slice]) -> tuple[slice, ...]:
    """The key into the stored array of ``part`` of the positions that were chosen of it."""
    chosen = [positions[one] for positions, one in zip(ranges, part, strict=True)]
    return tuple(
        slice(positions.start, max(positions.start, positions.stop), positions.step)
        for positions in chosen
    )


def read_slab(source: Stored, place: Placement, slices: Slices = None) -> DNDarray:
    """The array of which each rank reads its slab. Local; the ranks call it together."""
    ranges = ranges_of(slices, tuple(source.shape))
    layout = place.layout(tuple(map(len, ranges)))
    block = source[slab_key(ranges, layout.slices(place.comm.rank))]
    return place.put(np.asarray(block), layout)


def read_joined(
    parts: Sequence[Part],
    opened: Callable[[Part], AbstractContextManager[Stored]],
    place: Placement,
    axis: int = 0,
) -> DNDarray:
    """The concatenation of stored arrays, of which each rank reads its slab. Collective.

    Parameters
    ----------
    parts : sequence
        What ``opened`` opens; the same on all ranks.
    opened : callable
        Gives a context manager of a stored array.
    place : Placement
    axis : int
        Along which the arrays follow each other.

    Raises
    ------
    ValueError
        On all ranks, if the shapes differ along other axes.
    """
    comm = place.comm
    with collective(comm):
        mine = [_described(opened, part) for part in parts[comm.rank :: comm.size]]
    found = comm.handle.allgather(mine)
    described = [found[number % comm.size][number // comm.size] for number in range(len(parts))]
    shapes = [shape for shape, _ in described]
    outer = {(len(shape), *shape[:axis], *shape[axis + 1 :]) for shape in shapes}
    if len(outer) > 1 or len(shapes[0]) <= axis:
        listed = ", ".join(f"{part}: {shape}" for part, shape in zip(parts, shapes, strict=True))
        raise ValueError(f"the shapes must agree but for axis {axis}: {listed}")
    extents = [shape[axis] for shape in shapes]
    layout = place.layout((*shapes[0][:axis], sum(extents), *shapes[0][axis + 1 :]))
    local = np.empty(layout.lshape(comm.rank), np.result_type(*(kind for _, kind in described)))
    with collective(comm):
        key = list(layout.slices(comm.rank))
        wanted, start = key[axis], 0
        for part, extent in zip(parts, extents, strict=True):
            low, high = max(wanted.start, start), min(wanted.stop, start + extent)
            if low < high:
                into = [slice(None)] * len(key)
                into[axis] = slice(low - wanted.start, high - wanted.start)
                key[axis] = slice(low - start, high - start)
                with opened(part) as source:
                    local[tuple(into)] = source[tuple(key)]
            start += extent
        return place.put(local, layout)


def _described(
    opened: Callable[[Part], AbstractContextManager[Stored]], part: Part
) -> tuple[tuple[int, ...], Any]:
    with opened(part) as source:
        return tuple(source.shape), source.dtype


def files_in(folder: PathLike, *suffixes: str) -> list[Path]:
    """The files of a folder with one of the suffixes, sorted by name. Local.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    files = sorted(file for file in Path(folder).iterdir() if file.suffix.lower() in suffixes)
    if not files:
        raise FileNotFoundError(f"there are no {' or '.join(suffixes)} files in {folder}")
    return files
