"""The positions that the arrays of a key mean, as they lie on the ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.comm import Communicator
from heat_core.dispatch.operands import broadcast_shapes, common_comm, local_operand, target_layout
from heat_core.indexing.advanced import Entry
from heat_core.indexing.mask import nonzero
from heat_core.layout import Layout, canonical_layout, replicated_layout

__all__ = ["Positions", "linearized", "positions_of", "within"]


@dataclass(frozen=True, slots=True)
class Positions:
    """Index arrays that broadcast against each other.

    Parameters
    ----------
    axes : tuple of int
        The axes that they index.
    arrays : tuple of DNDarray
        Of int64, one per axis, within ``extents``.
    extents : tuple of int
        Of the axes.
    shape : tuple of int
        To which the arrays broadcast.
    """

    axes: tuple[int, ...]
    arrays: tuple[DNDarray, ...]
    extents: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def is_replicated(self) -> bool:
        """Whether every rank knows all positions."""
        return all(array.split is None for array in self.arrays)

    def layout(self, source: Layout, n_ranks: int) -> Layout:
        """How the work on the positions of an array of layout ``source`` is divided."""
        if source.split is not None and source.split not in self.axes:
            return replicated_layout(self.shape)
        layout = target_layout(self.arrays, self.shape)
        if layout.split is None and source.split is not None:
            return canonical_layout(self.shape, 0, n_ranks)
        return layout

    def local(self, layout: Layout) -> list[torch.Tensor]:
        """The rank's part of the arrays under ``layout``, not yet broadcast. Collective."""
        return [local_operand(array, layout) for array in self.arrays]

    def linear(self, layout: Layout) -> torch.Tensor:
        """The rank's row-major positions within ``extents``, (n,). Collective."""
        shape = layout.lshape(self.arrays[0].comm.rank)
        return linearized(self.local(layout), self.extents, shape)


def linearized(
    arrays: Sequence[torch.Tensor], extents: Sequence[int], shape: Sequence[int]
) -> torch.Tensor:
    """Row-major positions of coordinates that broadcast to ``shape``, (n,). Local."""
    linear, *others = arrays
    for array, extent in zip(others, extents[1:], strict=True):
        linear = linear * extent + array
    return linear.expand(shape).reshape(-1)


def positions_of(
    entries: Sequence[Entry], shape: tuple[int, ...], comm: Communicator, device: torch.device
) -> Positions:
    """The positions that the arrays of a key mean in an array of ``shape``.

    Collective if an array is distributed.

    Raises
    ------
    IndexError
        On all ranks, if a position is out of range or the arrays do not broadcast.
    """
    common_comm([wrap(torch.empty(0), replicated_layout((0,)), comm), *(e.array for e in entries)])
    axes: list[int] = []
    arrays: list[DNDarray] = []
    for entry in entries:
        axes.extend(entry.axes)
        array = entry.array
        if not isinstance(array, DNDarray):
            array = wrap(array.to(device), replicated_layout(tuple(array.shape)), comm)
        if entry.is_mask:
            arrays.extend(nonzero(array))
        else:
            arrays.append(wrap(array.larray.to(torch.int64), array.layout, comm))
    try:
        target = broadcast_shapes(*(array.shape for array in arrays))
    except ValueError as error:
        raise IndexError(f"index arrays: {error}") from None
    extents = tuple(shape[axis] for axis in axes)
    if prod(target):
        arrays = within(axes, arrays, extents, comm)
    return Positions(tuple(axes), tuple(arrays), extents, target)


def within(
    axes: Sequence[int], arrays: Sequence[DNDarray], extents: Sequence[int], comm: Communicator
) -> list[DNDarray]:
    """The arrays without negative positions; IndexError on all ranks if one is out of range."""
    result = []
    wrong = torch.full((1,), -1)  # the last axis of which a position is out of range
    for number, (array, extent) in enumerate(zip(arrays, extents, strict=True)):
        local = array.larray
        if local.numel():
            low, high = local.aminmax()
            if low < -extent or high >= extent:
                wrong[0] = number
            if low < 0:
                local = torch.where(local < 0, local + extent, local)
        result.append(wrap(local, array.layout, comm))
    if comm.size > 1 and any(array.split is not None for array in arrays):
        wrong = comm.allreduce(wrong, "max")
    number = int(wrong)
    if number >= 0:
        raise IndexError(
            f"an index is out of bounds for axis {axes[number]} with extent {extents[number]}"
        )
    return result
