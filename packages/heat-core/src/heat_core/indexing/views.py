"""Indexing with integers, slices, Ellipsis and None: views of the local tensor, few messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import to_layout
from heat_core.config import config
from heat_core.indexing.normalize import BasicKey, IntegerItem, NewAxisItem, SliceItem
from heat_core.layout import Layout
from heat_core.layout.execute import flip, mirror
from heat_core.layout.layout import progression_in_slab

__all__ = ["View", "reverse", "select", "view"]


@dataclass(slots=True)
class View:
    """The part of an array that a basic key selects, before anything is sent.

    Parameters
    ----------
    local : torch.Tensor
        A view of the local tensor in ascending order of positions; with an ``owner``, an
        uninitialised tensor of the same shape on the other ranks.
    layout : Layout
        Of the selection; replicated if there is an owner.
    owner : int or None
        The rank that holds the position of the split axis that an integer picks.
    reversed_axes : list of int
        Axes of the selection that the key asks for in descending order.
    """

    local: torch.Tensor
    layout: Layout
    owner: int | None
    reversed_axes: list[int]


def view(x: DNDarray, key: BasicKey) -> View:
    """What a basic key selects. Local."""
    local, layout, owner = x._local, x._layout, None
    rank = x._comm.rank
    reversed_axes: list[int] = []
    axis = 0  # of the result so far
    for item in key:
        if isinstance(item, SliceItem):
            if layout.split == axis:
                local, layout = _slice_split(local, layout, item, rank)
            else:
                local, layout = _slice_local(local, layout, item, axis)
            if item.is_reversed:
                reversed_axes.append(axis)
            axis += 1
        elif isinstance(item, NewAxisItem):
            local, layout = local.unsqueeze(axis), layout.expand(axis)
            axis += 1
        elif layout.split == axis:
            local, layout, owner = _pick_split(local, layout, item, axis, rank)
        else:
            local = local.select(axis, item.position)
            layout = layout.reduce(frozenset((axis,)), keepdims=False)
    return View(local, layout, owner, reversed_axes)


def select(x: DNDarray, key: BasicKey) -> DNDarray:
    """The elements that a basic key selects.

    Local, unless an integer picks from the split axis or a slice reverses it.
    """
    part = view(x, key)
    local, layout = part.local, part.layout
    if part.owner is not None and x._comm.size > 1:
        local = x._comm.bcast(local.contiguous(), part.owner)
    result = wrap(local, layout, x._comm)
    return _balanced(reverse(result, part.reversed_axes) if part.reversed_axes else result)


def reverse(x: DNDarray, axes: Sequence[int]) -> DNDarray:
    """The array in reverse order along some axes. Collective if the split axis is among them."""
    local, layout = x._local, x._layout
    for axis in axes:
        if axis != layout.split:
            local = flip(local, axis)
    if layout.split in axes:
        local, layout = mirror(x._comm, local, layout, layout.mirrored()), layout.mirrored()
    return wrap(local, layout, x._comm)


def _slice_local(
    local: torch.Tensor, layout: Layout, item: SliceItem, axis: int
) -> tuple[torch.Tensor, Layout]:
    extent = item.extent
    if extent == layout.gshape[axis]:
        return local, layout
    part = local[(*(slice(None),) * axis, slice(item.start, item.stop, item.step))]
    return part, layout.resize(axis, extent)


def _slice_split(
    local: torch.Tensor, layout: Layout, item: SliceItem, rank: int
) -> tuple[torch.Tensor, Layout]:
    """The ascending progression; reversing it comes last, as it needs messages."""
    assert layout.split is not None and layout.counts is not None
    axis = layout.split
    if item.extent == layout.gshape[axis]:
        return local, layout
    first, number = progression_in_slab(
        item.start, item.stop, item.step, layout.offset(rank), layout.counts[rank]
    )
    end = first + (number - 1) * item.step + 1 if number else first
    part = local[(*(slice(None),) * axis, slice(first, end, item.step))]
    return part, layout.slice(item.start, item.stop, item.step)


def _pick_split(
    local: torch.Tensor, layout: Layout, item: IntegerItem, axis: int, rank: int
) -> tuple[torch.Tensor, Layout, int]:
    """The sub-block on its owner, and a place for it on the other ranks."""
    owner = layout.owner(item.position)
    reduced = layout.reduce(frozenset((axis,)), keepdims=False)
    if rank == owner:
        return local.select(axis, item.position - layout.offset(rank)), reduced, owner
    # Later entries of the key slice this tensor as they slice the owner's.
    return local.new_empty(reduced.gshape), reduced, owner


def _balanced(x: DNDarray) -> DNDarray:
    threshold = config.auto_balance_threshold
    counts = x._layout.counts
    if threshold is None or not counts or max(counts) * len(counts) <= threshold * sum(counts):
        return x
    return to_layout(x, x._layout.canonical())
