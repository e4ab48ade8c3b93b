"""Keys with arrays: which axes they index, and where the new axes go; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from operator import index
from typing import Any, TypeAlias

import numpy as np
import torch

from heat_core.array.dndarray import DNDarray
from heat_core.dispatch.operands import as_tensor
from heat_core.indexing.normalize import (
    BasicKey,
    NewAxisItem,
    SliceItem,
    check_counts,
    full_slice,
    integer_item,
    slice_item,
)
from heat_core.layout import Layout, displacements

__all__ = ["AdvancedKey", "Entry", "coordinates", "owners", "parse", "selection_layout"]

IndexArray: TypeAlias = torch.Tensor | DNDarray


@dataclass(frozen=True, slots=True)
class Entry:
    """An array in a key.

    Parameters
    ----------
    axes : tuple of int
        The axes that it indexes, after the basic part of the key: one, or as many as a mask has.
    array : torch.Tensor or DNDarray
        Positions, or a mask.
    """

    axes: tuple[int, ...]
    array: IndexArray

    @property
    def is_mask(self) -> bool:
        """Whether the array is boolean."""
        return _torch_type(self.array) is torch.bool


@dataclass(frozen=True, slots=True)
class AdvancedKey:
    """A key with arrays, in two steps: slices and new axes, then the arrays.

    Parameters
    ----------
    basic : BasicKey
        Slices and new axes only; everything of the axes that arrays index.
    entries : tuple of Entry
    place : int
        Axis of the result at which those of the arrays start: where the arrays stood if they
        stood side by side, else 0.
    """

    basic: BasicKey
    entries: tuple[Entry, ...]
    place: int
    is_pure: bool


def _torch_type(array: IndexArray) -> torch.dtype:
    return array.larray.dtype if isinstance(array, DNDarray) else array.dtype


def _index_array(part: Any) -> IndexArray | bool | int:
    """An array in a key as a tensor or DNDarray; of no axes, as a Python scalar."""
    if isinstance(part, (bool, np.bool_)):
        return bool(part)
    is_list = isinstance(part, (list, tuple))
    if not is_list and not isinstance(part, (DNDarray, torch.Tensor, np.ndarray)):
        if hasattr(part, "__index__"):
            return index(part)
        raise IndexError(
            "indices are integers, slices, Ellipsis, None, and arrays of integers or bool, "
            f"not {type(part).__name__}"
        )
    try:
        array = part if isinstance(part, DNDarray) else as_tensor(part)
    except TypeError as error:
        raise IndexError(f"not an array of integers or bool: {error}") from None
    dtype = _torch_type(array)
    if is_list and prod(array.shape) == 0 and dtype is torch.float64:
        return torch.empty(array.shape, dtype=torch.int64)
    if dtype.is_floating_point or dtype.is_complex:
        raise IndexError(f"arrays used as indices are of integers or bool, not of {dtype}")
    if array.ndim == 0:
        local = array.larray if isinstance(array, DNDarray) else array
        return bool(local) if dtype is torch.bool else int(local)
    return array


def parse(parts: tuple[Any, ...], shape: tuple[int, ...]) -> AdvancedKey:
    """The two steps of a key of which `normalize.is_basic` does not hold.

    Raises
    ------
    IndexError
        Too many indices, a scalar out of range, a mask of the wrong shape, or no index at all.
    ValueError
        Nested lists of unequal lengths.
    """
    parts = tuple(
        part if part is None or part is Ellipsis or isinstance(part, slice) else _index_array(part)
        for part in parts
    )
    n_axes = sum(_n_consumed(part) for part in parts)
    n_ellipses = sum(part is Ellipsis for part in parts)
    check_counts(n_axes, n_ellipses, len(shape))
    if not n_ellipses:
        parts = (*parts, Ellipsis)
    builder = _Builder(shape, len(shape) - n_axes)
    for part in parts:
        builder.add(part)
    place = builder.place if builder.n_runs == 1 else 0
    return AdvancedKey(tuple(builder.basic), tuple(builder.entries), place, builder.is_pure)


def _n_consumed(part: Any) -> int:
    if part is None or part is Ellipsis or isinstance(part, bool):
        return 0
    if isinstance(part, (int, slice)) or _torch_type(part) is not torch.bool:
        return 1
    n_axes: int = part.ndim
    return n_axes


class _Builder:
    """The parts of a key, one after the other."""

    def __init__(self, shape: tuple[int, ...], missing: int) -> None:
        self.shape, self.missing = shape, missing
        self.basic: list[SliceItem | NewAxisItem] = []
        self.entries: list[Entry] = []
        self.axis = 0  # of the array
        self.place = 0
        self.n_runs = 0  # of arrays that stand side by side
        self.is_pure = True
        self._in_run = False

    def add(self, part: Any) -> None:
        if part is None:
            self._add_axis()
        elif part is Ellipsis:
            for _ in range(self.missing):
                self._consume_all()
        elif isinstance(part, slice):
            item = slice_item(part, self.axis, self.shape[self.axis])
            self.is_pure &= item.extent == self.shape[self.axis] and not item.is_reversed
            self.basic.append(item)
            self.axis += 1
        else:
            self._add_array(part)
            return
        self._in_run = False

    def _consume_all(self) -> None:
        self.basic.append(full_slice(self.axis, self.shape[self.axis]))
        self.axis += 1

    def _add_axis(self) -> None:
        self.basic.append(NewAxisItem())
        self.is_pure = False

    def _add_array(self, part: Any) -> None:
        if not self._in_run:
            self.n_runs += 1
            self.place = len(self.basic)
        self._in_run = True
        first = len(self.basic)
        if isinstance(part, bool):
            # True is the only position of a new axis, False is none.
            self._add_axis()
            self.entries.append(Entry((first,), torch.zeros(int(part), dtype=torch.int64)))
            return
        if isinstance(part, int):
            position = integer_item(part, self.axis, self.shape[self.axis]).position
            part = torch.tensor(position)
        n_axes = _n_consumed(part)
        covered = self.shape[self.axis : self.axis + n_axes]
        for _ in range(n_axes):
            self._consume_all()
        entry = Entry(tuple(range(first, first + n_axes)), part)
        if entry.is_mask and tuple(part.shape) != covered:
            if any(n not in (0, extent) for n, extent in zip(part.shape, covered, strict=True)):
                raise IndexError(f"a mask of shape {tuple(part.shape)} for axes of shape {covered}")
            # As in NumPy, a mask without elements selects nothing of any extent.
            nothing = torch.zeros(0, dtype=torch.int64)
            self.entries += [Entry((axis,), nothing) for axis in entry.axes]
            return
        self.entries.append(entry)


def selection_layout(
    source: Layout, axes: Sequence[int], index_layout: Layout, place: int
) -> Layout:
    """The layout of a selection by arrays on ``axes``, whose own layout is ``index_layout``.

    The split axis of ``source``, where no array indexes it, stays; the index arrays must then be
    replicated.
    """
    rest = [axis for axis in range(source.ndim) if axis not in axes]
    n_new = index_layout.ndim
    extents = [source.gshape[axis] for axis in rest]
    shape = (*extents[:place], *index_layout.gshape, *extents[place:])
    if index_layout.split is not None:
        return Layout(shape, place + index_layout.split, index_layout.counts)
    if source.split is None or source.split in axes:
        return Layout(shape)
    number = rest.index(source.split)
    return Layout(shape, number if number < place else number + n_new, source.counts)


def owners(layout: Layout, positions: torch.Tensor) -> torch.Tensor:
    """The ranks that hold positions of the split axis; empty ranks never own."""
    assert layout.counts is not None
    starts = torch.tensor(displacements(layout.counts), device=positions.device)
    # Among ranks that start at the same position all but the last are empty.
    return torch.bucketize(positions, starts, right=True) - 1


def coordinates(linear: torch.Tensor, extents: Sequence[int]) -> list[torch.Tensor]:
    """Row-major positions in an array of some extents, as one tensor per axis."""
    result = []
    for extent in reversed(extents):
        result.append(linear % extent if extent else linear)
        linear = linear // extent if extent else linear
    return result[::-1]
