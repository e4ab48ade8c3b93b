"""Positions put into an axis and taken out of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from heat_core.array.axes import normalize_axis
from heat_core.array.conversion import convert
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import replicated, to_layout
from heat_core.dispatch.operands import broadcast_shapes
from heat_core.dtypes.unsigned import take_positions
from heat_core.indexing.access import getitem
from heat_core.indexing.functions import flatnonzero
from heat_core.layout import Layout
from heat_core.ops.creation import asarray
from heat_core.ops.reshape import ravel

__all__ = ["delete", "edited_counts", "insert", "trim_zeros"]


def edited_counts(
    counts: tuple[int, ...], positions: np.ndarray[Any, Any], each: int
) -> tuple[int, ...]:
    """The slabs after ``each`` elements were added (or -1) at each of the sorted positions.

    A position at the end of the axis belongs to the last rank.
    """
    edges = np.cumsum((0, *counts[:-1]))
    places = np.searchsorted(positions, edges[1:])
    numbers = np.diff([0, *places, len(positions)])
    return tuple((np.asarray(counts) + each * numbers).tolist())


def _positions(obj: Any, extent: int, end: int) -> np.ndarray[Any, Any]:
    """``obj`` as integers in ``[0, end)``, in the given order; IndexError if out of range."""
    if isinstance(obj, slice):
        return np.arange(*obj.indices(extent))
    if isinstance(obj, DNDarray):
        obj = replicated(obj).cpu().numpy()
    values = np.asarray(obj)
    if values.dtype == bool:
        if values.shape != (extent,):
            raise ValueError(f"a mask of shape {values.shape} does not fit extent {extent}")
        return values.nonzero()[0]
    if values.size and values.dtype.kind not in "iu":
        raise IndexError(f"positions are integers, not {values.dtype}")
    values = values.astype(np.int64).reshape(-1)
    if values.size and (values.min() < -extent or values.max() >= end):
        raise IndexError(f"positions {values.min()} to {values.max()} exceed extent {extent}")
    return np.where(values < 0, values + extent, values)


def _mine(x: DNDarray, axis: int, positions: np.ndarray[Any, Any]) -> slice:
    """Which of the sorted positions lie in the slab of this rank."""
    if axis != x.split:
        return slice(0, len(positions))
    rank, counts = x.comm.rank, x.layout.counts
    assert counts is not None
    edges = (x.layout.offset(rank), x.layout.offset(rank) + counts[rank])
    low, high = np.searchsorted(positions, edges).tolist()
    # The end of the axis belongs to the last rank.
    return slice(low, len(positions) if rank == len(counts) - 1 else high)


def _edited(
    x: DNDarray, local: torch.Tensor, axis: int, extent: int, at: Any, each: int
) -> DNDarray:
    shape = (*x.shape[:axis], extent, *x.shape[axis + 1 :])
    if axis != x.split or x.layout.counts is None:
        return wrap(local, Layout(shape, x.split, x.layout.counts), x.comm)
    counts = edited_counts(x.layout.counts, at, each)
    result = wrap(local, Layout(shape, axis, counts), x.comm)
    return to_layout(result, result.layout.canonical())


def delete(arr: DNDarray, obj: Any, axis: int | None = None) -> DNDarray:
    """A copy without some positions of an axis. Collective if that is the split axis.

    Parameters
    ----------
    arr : DNDarray
    obj : int, slice, array_like of int or of bool
        The positions, the same on all ranks; a DNDarray of them is brought to every rank.
    axis : int or None
        None: of the flattened array.

    Returns
    -------
    DNDarray
        With canonical slabs if positions of the split axis go, else with the slabs of ``arr``.
    """
    if axis is None:
        arr, axis = ravel(arr), 0
    axis = normalize_axis(axis, arr.ndim)
    extent = arr.shape[axis]
    gone = np.unique(_positions(obj, extent, extent))
    keep = torch.ones(arr.larray.shape[axis], dtype=torch.bool)
    offset = arr.layout.offset(arr.comm.rank) if axis == arr.split else 0
    keep[torch.from_numpy(gone[_mine(arr, axis, gone)] - offset)] = False
    kept = keep.nonzero().squeeze(1).to(arr.larray.device)
    local = take_positions(arr.larray, axis, kept)
    return _edited(arr, local, axis, extent - len(gone), gone, -1)


def insert(arr: DNDarray, obj: Any, values: Any, axis: int | None = None) -> DNDarray:
    """A copy with values put before some positions of an axis. Collective if distributed.

    Parameters
    ----------
    arr : DNDarray
    obj : int, slice, array_like of int or of bool
        Positions in ``arr``, the same on all ranks; the extent means the end.
    values : array_like
        Broadcast to the inserted part, and brought to every rank; converted to the type of ``arr``.
    axis : int or None
        None: of the flattened array.

    Returns
    -------
    DNDarray
        With canonical slabs if inserted along the split axis, else with the slabs of ``arr``.
    """
    if axis is None:
        arr, axis = ravel(arr), 0
    axis = normalize_axis(axis, arr.ndim)
    extent = arr.shape[axis]
    positions = _positions(obj, extent, extent + 1)
    given = values if isinstance(values, DNDarray) else asarray(values, comm=arr.comm)
    fresh = convert(replicated(given), arr.larray.dtype).to(arr.larray.device)
    fresh = fresh[(None,) * max(0, arr.ndim - fresh.ndim)]
    if np.ndim(obj) == 0 and not isinstance(obj, slice):
        # One position: the values are what stands there, as in x[position] = values.
        fresh = fresh.movedim(0, axis)
    if len(positions) == 1:
        positions = positions.repeat(fresh.shape[axis])
    shape = (*arr.shape[:axis], len(positions), *arr.shape[axis + 1 :])
    if broadcast_shapes(shape, tuple(fresh.shape)) != shape:
        raise ValueError(f"values of shape {given.shape} do not fit the inserted part {shape}")
    fresh = fresh.expand(shape)
    order = np.argsort(positions, kind="stable")
    at = positions[order]
    mine = _mine(arr, axis, at)
    fresh = take_positions(fresh, axis, torch.from_numpy(order[mine]).to(fresh.device))
    if axis != arr.split and arr.split is not None:
        fresh = fresh[(*(slice(None),) * arr.split, arr.layout.slices(arr.comm.rank)[arr.split])]
    offset = arr.layout.offset(arr.comm.rank) if axis == arr.split else 0
    local = _merged(arr.larray, fresh, at[mine] - offset, axis)
    return _edited(arr, local, axis, extent + len(at), at, 1)


def _merged(
    local: torch.Tensor, fresh: torch.Tensor, at: np.ndarray[Any, Any], axis: int
) -> torch.Tensor:
    """``fresh`` put before the sorted local positions ``at``."""
    places = torch.from_numpy(at + np.arange(len(at)))
    is_old = torch.ones(local.shape[axis] + len(at), dtype=torch.bool)
    is_old[places] = False
    source = torch.empty(len(is_old), dtype=torch.int64)
    source[is_old] = torch.arange(local.shape[axis])
    source[places] = torch.arange(len(at)) + local.shape[axis]
    return take_positions(torch.cat((local, fresh), axis), axis, source.to(local.device))


def trim_zeros(filt: DNDarray, trim: str = "fb") -> DNDarray:
    """A 1-D array without its leading (``"f"``) and trailing (``"b"``) zeros. Collective.

    The elements stay on their ranks.
    """
    if filt.ndim != 1:
        raise ValueError(f"trim_zeros takes 1-D arrays, not {filt.ndim}-D ones")
    places = flatnonzero(filt)
    if places.size == 0:
        return getitem(filt, slice(0, 0))
    start = int(places[0]) if "f" in trim.lower() else 0
    stop = int(places[-1]) + 1 if "b" in trim.lower() else filt.size
    return getitem(filt, slice(start, stop))
