"""Indexing with integers, slices, Ellipsis and None."""

from __future__ import annotations

from typing import Any

import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import to_layout
from heat_core.config import config
from heat_core.indexing.normalize import IntegerItem, NewAxisItem, SliceItem, normalize
from heat_core.layout import Layout
from heat_core.layout.execute import flip, mirror
from heat_core.layout.layout import progression_in_slab

__all__ = ["getitem", "iterate"]


def getitem(x: DNDarray, key: Any) -> DNDarray:
    """``x[key]``. Local, unless an integer picks from the split axis or a slice reverses it.

    Parameters
    ----------
    x : DNDarray
    key : int, slice, Ellipsis, None, or a tuple of these
        Slices may have any step but 0.

    Returns
    -------
    DNDarray
        Slices leave the data where they are, so that the result may be unbalanced; a slice that
        reverses the split axis mirrors the slabs. An integer on the split axis makes the result
        replicated.
    """
    local, layout, owner = x._local, x._layout, None
    reverse_split = False
    axis = 0  # of the result so far
    for item in normalize(key, layout.gshape):
        if isinstance(item, NewAxisItem):
            local, layout = local.unsqueeze(axis), layout.expand(axis)
            axis += 1
        elif isinstance(item, SliceItem):
            if layout.split == axis:
                local, layout = _slice_split(local, layout, item, x.comm.rank)
                reverse_split = item.is_reversed
            else:
                local, layout = _slice_local(local, layout, item, axis)
            axis += 1
        elif layout.split == axis:
            local, layout, owner = _pick_split(local, layout, item, axis, x.comm.rank)
        else:
            local = local.select(axis, item.position)
            layout = layout.reduce(frozenset((axis,)), keepdims=False)
    if owner is not None and x.comm.size > 1:
        local = x.comm.bcast(local.contiguous(), owner)
    if reverse_split:
        local, layout = mirror(x.comm, local, layout, layout.mirrored()), layout.mirrored()
    return _balanced(wrap(local, layout, x.comm))


def _slice_local(
    local: torch.Tensor, layout: Layout, item: SliceItem, axis: int
) -> tuple[torch.Tensor, Layout]:
    extent = item.extent
    if extent == layout.gshape[axis] and not item.is_reversed:
        return local, layout
    part = local[(*(slice(None),) * axis, slice(item.start, item.stop, item.step))]
    if item.is_reversed:
        part = flip(part, axis)
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


def iterate(x: DNDarray) -> Any:
    """Iterate over axis 0. Collective, one small broadcast per row if split along it."""
    if x.ndim == 0:
        raise TypeError("iteration over a 0-d array")
    return (getitem(x, position) for position in range(x.shape[0]))
