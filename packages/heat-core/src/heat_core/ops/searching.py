"""Places of values among sorted ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import replicated, to_layout
from heat_core.dispatch.operands import as_array, common_comm
from heat_core.dispatch.order import Array, argsort, from_native, integers, native, order_keys
from heat_core.dispatch.reduce import store
from heat_core.dispatch.routing import to_holders
from heat_core.dispatch.samplesort import Partition

__all__ = ["bucketize", "digitize", "searchsorted"]


def searchsorted(
    x1: Any, x2: Any, /, *, side: str = "left", sorter: Any = None, out: DNDarray | None = None
) -> DNDarray:
    """Where to insert elements into a sorted vector. Collective if ``x1`` is distributed.

    Parameters
    ----------
    x1 : array_like, (n,)
        Ascending.
    x2 : array_like or scalar
        What to insert.
    side : {"left", "right"}
        Before or behind equal elements.
    sorter : array_like of int, (n,), optional
        Indices that sort ``x1``.
    out : DNDarray, optional
        Takes the result under its own layout.

    Returns
    -------
    DNDarray
        Int64, of the shape and layout of ``x2``. If ``x1`` is distributed, each query goes to the
        rank where it belongs, and its answer comes back.
    """
    if side not in ("left", "right"):
        raise ValueError(f"side is left or right, not {side!r}")
    comm = common_comm((x1, x2, sorter))
    table, queries = as_array(x1, x2), as_array(x2, x1)
    if table.ndim != 1:
        raise ValueError(f"x1 has one axis, not {table.ndim}")
    if sorter is not None:
        table = _ordered_by(table, as_array(sorter, table))
    values = native(queries.larray).reshape(-1)
    if table.is_distributed():
        places = _ask(table, values, side)
    else:
        places = _search(native(table.larray), values, side)
    result = integers(places, queries.larray.device).reshape(queries.lshape)
    return store(wrap(result, queries.layout, comm), out)


def _search(table: Array, values: Array, side: str) -> Array:
    return np.searchsorted(table, values, side)  # type: ignore[call-overload, no-any-return]


def _ask(table: DNDarray, values: Array, side: str) -> Array:
    counts = table.layout.counts
    assert counts is not None
    own = native(table.larray)
    order = argsort(order_keys(values))
    moves = to_holders(table.comm, values[order], own, counts, side)
    answers = _search(own, moves.forward(values[order]), side)
    places = np.empty(len(values), dtype=np.int64)
    places[order] = moves.back(answers + table.layout.offset(table.comm.rank))
    return places


def _ordered_by(table: DNDarray, sorter: DNDarray) -> DNDarray:
    """``table[sorter]``, with the slabs of the table."""
    if sorter.shape != table.shape:
        raise ValueError(f"sorter of shape {sorter.shape} for {table.shape} elements")
    if sorter.larray.is_floating_point() or sorter.larray.dtype is torch.bool:
        raise TypeError("sorter holds integers")
    indices = native(to_layout(sorter, table.layout).larray)
    own = native(table.larray)
    if not table.is_distributed():
        return wrap(from_native(own[indices], table.larray), table.layout, table.comm)
    order = np.argsort(indices, kind="stable")
    owners = _search(np.cumsum(table.layout.counts or ()), indices[order], "right")
    moves = Partition(table.comm, np.bincount(owners, minlength=table.comm.size).tolist())
    wanted = moves.forward(indices[order]) - table.layout.offset(table.comm.rank)
    values = np.empty(len(indices), dtype=own.dtype)
    values[order] = moves.back(own[wanted])
    return wrap(from_native(values, table.larray), table.layout, table.comm)


def digitize(x: Any, bins: Any, right: bool = False) -> DNDarray:
    """The bin of each element. Local if ``bins`` is replicated.

    Parameters
    ----------
    x : array_like
    bins : array_like, (n,)
        Monotonic. Replicated by this function if it is distributed and descending.
    right : bool
        Whether a bin contains its upper edge (of ascending bins) instead of its lower one.

    Returns
    -------
    DNDarray
        Int64 from 0 (before the first edge) to n, of the shape and layout of ``x``.
    """
    comm = common_comm((x, bins))
    edges = as_array(bins, x)
    if edges.ndim != 1:
        raise ValueError(f"bins have one axis, not {edges.ndim}")
    # All ranks come to the same verdict from the same edges.
    whole = native(replicated(edges))
    steps = whole[1:] >= whole[:-1]
    side = "left" if right else "right"
    if steps.all():
        return searchsorted(edges, x, side=side)
    if not (whole[1:] <= whole[:-1]).all():
        raise ValueError("bins are monotonically increasing or decreasing")
    queries = as_array(x, bins)
    places = len(whole) - _search(whole[::-1], native(queries.larray).reshape(-1), side)
    result = integers(places, queries.larray.device).reshape(queries.lshape)
    return wrap(result, queries.layout, comm)


def bucketize(
    input: Any,
    boundaries: Any,
    out_int32: bool = False,
    right: bool = False,
    out: DNDarray | None = None,
) -> DNDarray:
    """The interval of each element between ascending boundaries, as in torch.

    Collective if ``boundaries`` is distributed.

    Parameters
    ----------
    input : array_like or scalar
    boundaries : array_like, (n,)
    out_int32 : bool
        Int32 instead of int64.
    right : bool
        Whether an interval contains its lower boundary instead of its upper one.
    out : DNDarray, optional
        Takes the result under its own layout.
    """
    result = searchsorted(boundaries, input, side="right" if right else "left")
    if out_int32:
        result = wrap(result.larray.int(), result.layout, result.comm)
    return store(result, out)
