"""Arrays joined to one: every element goes straight to its place in the result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from heat_core.array.axes import normalize_axis
from heat_core.array.conversion import convert
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.dispatch.operands import common_comm, common_device
from heat_core.dtypes import result_type
from heat_core.layout import Layout, Segment, canonical_layout
from heat_core.layout.execute import assemble
from heat_core.ops.creation import asarray
from heat_core.ops.reshape import ravel
from heat_core.ops.shape import atleast_1d, atleast_2d, atleast_3d, expand_dims

__all__ = [
    "append",
    "block",
    "column_stack",
    "concat",
    "concatenate",
    "dstack",
    "hstack",
    "row_stack",
    "stack",
    "vstack",
]


def operands_of(arrays: Sequence[Any]) -> list[DNDarray]:
    """What users pass as arrays; everything but arrays is taken as replicated."""
    items = list(arrays)
    if not items:
        raise ValueError("there must be at least one array to join")
    comm, device = common_comm(items), common_device(items)
    return [
        item if isinstance(item, DNDarray) else asarray(item, device=device, comm=comm)
        for item in items
    ]


def concatenate(arrays: Sequence[Any], axis: int | None = 0) -> DNDarray:
    """Join arrays along an axis. Collective if data change rank, in one exchange.

    Parameters
    ----------
    arrays : sequence of array_like
        Of equal shape but along ``axis``. They may be split differently; what is no DNDarray is
        taken as replicated.
    axis : int or None
        None: join the flattened arrays.

    Returns
    -------
    DNDarray
        Of the promoted type. Split as the first distributed array: with canonical slabs along
        ``axis``, else with the slabs of this array. Replicated if all are.

    Raises
    ------
    ValueError
        If there is no array, shapes do not match, or an array has no axes.
    """
    items = operands_of(arrays)
    if axis is None:
        items, axis = [ravel(item) for item in items], 0
    first = items[0]
    axis = normalize_axis(axis, first.ndim) if first.ndim else 0
    if not first.ndim or any(
        item.ndim != first.ndim
        or item.shape[:axis] != first.shape[:axis]
        or item.shape[axis + 1 :] != first.shape[axis + 1 :]
        for item in items
    ):
        shapes = ", ".join(str(item.shape) for item in items)
        raise ValueError(f"cannot join arrays of shapes {shapes} along axis {axis}")
    dtype = result_type(*items).torch
    locals_ = [convert(item.larray, dtype) for item in items]
    target = _joined_layout(items, axis)
    if all(_stays(item.layout, target, axis) for item in items):
        return wrap(torch.cat(locals_, axis), target, first.comm)
    layouts = [item.layout for item in items]
    segments = [Segment(number, 0, item.shape[axis]) for number, item in enumerate(items)]
    return wrap(assemble(first.comm, locals_, layouts, target, axis, segments), target, first.comm)


def _joined_layout(items: Sequence[DNDarray], axis: int) -> Layout:
    first = items[0]
    extent = sum(item.shape[axis] for item in items)
    shape = (*first.shape[:axis], extent, *first.shape[axis + 1 :])
    leader = next((item for item in items if item.split is not None), first)
    if leader.split is None or leader.split == axis:
        return canonical_layout(shape, leader.split, first.comm.size)
    return Layout(shape, leader.split, leader.layout.counts)


def _stays(source: Layout, target: Layout, axis: int) -> bool:
    """Whether the result is the local parts side by side."""
    one_rank = target.counts is None or len(target.counts) == 1
    return one_rank or (
        source.split == target.split and source.counts == target.counts and source.split != axis
    )


concat = concatenate


def stack(arrays: Sequence[Any], axis: int = 0) -> DNDarray:
    """Join arrays of one shape along a new axis. Layout and communication as ``concatenate``.

    Parameters
    ----------
    arrays : sequence of array_like
        ValueError if their shapes differ.
    axis : int
        Place of the new axis in the result.
    """
    items = operands_of(arrays)
    if any(item.shape != items[0].shape for item in items):
        raise ValueError(f"stacked arrays have one shape, not {[item.shape for item in items]}")
    axis = normalize_axis(axis, items[0].ndim + 1)
    return concatenate([expand_dims(item, axis) for item in items], axis)


def hstack(arrays: Sequence[Any]) -> DNDarray:
    """Join along axis 1, or axis 0 of arrays with one axis; see ``concatenate``."""
    items = [atleast_1d(item) for item in operands_of(arrays)]
    return concatenate(items, 0 if items[0].ndim == 1 else 1)


def vstack(arrays: Sequence[Any]) -> DNDarray:
    """Join rows along axis 0; arrays with one axis are rows. See ``concatenate``."""
    return concatenate([atleast_2d(item) for item in operands_of(arrays)], 0)


row_stack = vstack


def dstack(arrays: Sequence[Any]) -> DNDarray:
    """Join along axis 2 after ``atleast_3d``; see ``concatenate``."""
    return concatenate([atleast_3d(item) for item in operands_of(arrays)], 2)


def column_stack(arrays: Sequence[Any]) -> DNDarray:
    """Join columns along axis 1; arrays with one axis are columns. See ``concatenate``."""
    items = operands_of(arrays)
    columns = [expand_dims(atleast_1d(a), 1) if a.ndim < 2 else a for a in items]
    return concatenate(columns, 1)


def block(arrays: Any) -> DNDarray:
    """Join nested lists of arrays: the innermost along the last axis, outer ones before it.

    Layout and communication as ``concatenate``, once per list.

    Raises
    ------
    ValueError
        If the lists are not equally deep, or one is empty.
    """
    depths = set(_depths(arrays))
    if len(depths) != 1:
        raise ValueError("block needs lists that are equally deep and not empty")
    leaves = operands_of(_leaves(arrays))
    ndim = max(depths.pop(), *(leaf.ndim for leaf in leaves))
    padded = iter(expand_dims(leaf, tuple(range(ndim - leaf.ndim))) for leaf in leaves)

    def join(part: Any, axis: int) -> DNDarray:
        if not isinstance(part, list):
            return next(padded)
        return concatenate([join(item, axis + 1) for item in part], axis)

    return join(arrays, ndim - _depth(arrays))


def _depth(arrays: Any) -> int:
    return 1 + _depth(arrays[0]) if isinstance(arrays, list) else 0


def _depths(arrays: Any) -> list[int]:
    if not isinstance(arrays, list):
        return [0]
    return [1 + depth for item in arrays for depth in _depths(item)] or [-1, 0]


def _leaves(arrays: Any) -> list[Any]:
    if not isinstance(arrays, list):
        return [arrays]
    return [leaf for item in arrays for leaf in _leaves(item)]


def append(arr: Any, values: Any, axis: int | None = None) -> DNDarray:
    """``concatenate((arr, values), axis)``; without an axis, both are flattened."""
    return concatenate(operands_of((arr, values)), axis)
