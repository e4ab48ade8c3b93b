"""Searching and choosing elements: nonzero, where, take and their relatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from heat_core.array.axes import normalize_axis
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import replicated, to_layout
from heat_core.dispatch.operands import (
    Operand,
    as_array,
    broadcast_shapes,
    coerce,
    common_comm,
    common_device,
    local_operand,
    target_layout,
)
from heat_core.dispatch.reduce import Reducer, reduce
from heat_core.dtypes import int64, isdtype, result_type
from heat_core.dtypes.unsigned import signed_view
from heat_core.indexing import mask
from heat_core.indexing.access import getitem, setitem
from heat_core.indexing.advanced import coordinates
from heat_core.indexing.choose import choose
from heat_core.indexing.positions import linearized, within
from heat_core.layout import Layout, canonical_layout, replicated_layout

__all__ = [
    "argwhere",
    "compress",
    "count_nonzero",
    "extract",
    "fill_diagonal",
    "flatnonzero",
    "nonzero",
    "put_along_axis",
    "select",
    "take",
    "take_along_axis",
    "where",
]


# -- where elements are not zero -----------------------------------------------------------------
def nonzero(x: DNDarray, *, as_tuple: bool = True) -> Any:
    """Positions of the elements that are not zero, in row-major order. Collective.

    Parameters
    ----------
    x : array_like, of at least one axis
    as_tuple : bool
        False: one matrix as from ``argwhere``.

    Returns
    -------
    tuple of DNDarray, (n,)
        One per axis, int64, in canonical slabs; replicated if ``x`` is.
    """
    array = as_array(x)
    if array.ndim == 0:
        raise ValueError("nonzero() of an array without axes")
    if not as_tuple:
        return mask.nonzero_rows(mask.truth(array))
    return mask.nonzero(mask.truth(array))


def argwhere(x: DNDarray) -> DNDarray:
    """Positions of the elements that are not zero, (n, ndim); laid out like ``nonzero``."""
    return mask.nonzero_rows(mask.truth(as_array(x)))


def flatnonzero(x: DNDarray) -> DNDarray:
    """Row-major positions of the elements that are not zero, (n,). Collective."""
    array = as_array(x)
    rows = argwhere(array)
    layout = Layout(rows.shape[:1], rows.split, rows.layout.counts)
    if array.ndim == 0:
        return wrap(rows.larray.new_zeros(rows.larray.shape[:1]), layout, rows.comm)
    columns = rows.larray.unbind(1)
    return wrap(linearized(columns, array.shape, columns[0].shape), layout, rows.comm)


def _count(local: torch.Tensor, axes: tuple[int, ...], keepdims: bool) -> torch.Tensor:
    return torch.sum(local != 0, axes, keepdim=keepdims)


_COUNT = Reducer("count_nonzero", _count, "sum", lambda dtype: 0, lambda dtype: int64)


def count_nonzero(
    x: DNDarray, axis: int | Sequence[int] | None = None, *, keepdims: bool = False
) -> DNDarray:
    """Number of elements that are not zero, int64. Collective if the split axis is reduced.

    Laid out like any reduction: replicated if the split axis is reduced, else split along it.
    """
    return reduce(_COUNT, as_array(x), axis, keepdims=keepdims)


# -- choosing ------------------------------------------------------------------------------------
def where(cond: Any, x: Any = None, y: Any = None) -> Any:
    """``x`` where the condition holds, ``y`` elsewhere; ``nonzero(cond)`` if neither is given.

    Collective if layouts differ.

    Parameters
    ----------
    cond, x, y : array_like, broadcast against each other
        Elements that are not chosen have no effect, not even NaN.

    Returns
    -------
    DNDarray
        Of the promoted type of ``x`` and ``y``. Laid out like the largest distributed operand.
    """
    if x is None and y is None:
        return nonzero(cond)
    if x is None or y is None:
        raise ValueError("where() takes both x and y, or neither")
    comm = common_comm((cond, x, y))
    device = common_device((cond, x, y))
    operands: list[Operand] = [coerce(operand, comm, device) for operand in (x, y)]
    dtype = result_type(*operands).torch
    condition = mask.truth(as_array(cond, x, y))
    choices = [
        operand
        if isinstance(operand, DNDarray)
        else wrap(torch.tensor(operand, dtype=dtype, device=device), replicated_layout(()), comm)
        for operand in operands
    ]
    arrays = [condition, *choices]
    shape = broadcast_shapes(*(array.shape for array in arrays))
    target = target_layout(arrays, shape)
    chosen = local_operand(condition, target)
    a, b = (signed_view(local_operand(choice, target).to(dtype)) for choice in choices)
    local = choose(chosen, a, b).view(dtype)
    lshape = target.lshape(comm.rank)
    if tuple(local.shape) != lshape:
        local = local.expand(lshape).contiguous()
    return wrap(local, target, comm)


def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> DNDarray:
    """Element-wise the choice of the first condition that holds. Collective if layouts differ.

    Parameters
    ----------
    condlist : sequence of array_like of bool
    choicelist : sequence of array_like
        As many; everything broadcasts.
    default : array_like
        Where no condition holds.
    """
    if len(condlist) != len(choicelist) or not condlist:
        raise ValueError(f"{len(condlist)} conditions for {len(choicelist)} choices")
    conditions = [as_array(condition, *condlist) for condition in condlist]
    for condition in conditions:
        if not isdtype(condition.dtype, "bool"):
            raise TypeError(f"conditions are arrays of bool, not of {condition.dtype.name}")
    result = default
    for condition, choice in zip(reversed(conditions), reversed(choicelist), strict=True):
        result = where(condition, choice, result)
    assert isinstance(result, DNDarray)
    return result


def extract(condition: Any, arr: DNDarray) -> DNDarray:
    """Elements of ``arr`` where the condition holds, row-major, (n,). Collective."""
    truth = mask.truth(as_array(condition, arr))
    if truth.shape == arr.shape and arr.ndim:
        return getitem(arr, truth)
    return take(arr, flatnonzero(truth))


def compress(condition: Any, a: DNDarray, axis: int | None = None) -> DNDarray:
    """The slices of ``a`` along an axis for which the condition holds. Collective.

    Parameters
    ----------
    condition : array_like, (n,)
        May be shorter than the axis.
    a : DNDarray
    axis : int or None
        None: of the flattened array.
    """
    truth = mask.truth(as_array(condition, a))
    if truth.ndim != 1:
        raise ValueError(f"the condition has one axis, not {truth.ndim}")
    return take(a, flatnonzero(truth), axis)


# -- by position ---------------------------------------------------------------------------------
def take(x: DNDarray, indices: Any, axis: int | None = None) -> DNDarray:
    """Elements at positions of an axis. Collective; layout rule of ``x[indices]``.

    Parameters
    ----------
    x : DNDarray
    indices : int or array_like of int
        Negative positions count from the end.
    axis : int or None
        None: of the flattened array.
    """
    if axis is None and x.ndim == 1:
        axis = 0
    if axis is not None:
        return getitem(x, (*(slice(None),) * normalize_axis(axis, x.ndim), indices))
    array = as_array(indices, x)
    if not isdtype(array.dtype, "integral"):
        raise TypeError(f"indices are integers, not {array.dtype.name}")
    array = wrap(array.larray.to(torch.int64), array.layout, array.comm)
    if array.size:
        (array,) = within((0,), [array], (x.size,), x.comm)
    parts = coordinates(array.larray, x.shape)
    key = tuple(wrap(part, array.layout, x.comm) for part in parts)
    return getitem(x, key) if key else getitem(getitem(x, None), array)


def _along_axis_key(x: DNDarray, indices: DNDarray, axis: int) -> tuple[Any, ...]:
    """The key that pairs ``indices`` with all positions of the other axes."""
    if indices.ndim != x.ndim:
        raise ValueError(f"indices have {indices.ndim} axes, the array {x.ndim}")
    if not isdtype(indices.dtype, "integral"):
        raise IndexError(f"indices are integers, not {indices.dtype.name}")
    shape = [1] * x.ndim
    return tuple(
        indices
        if other == axis
        else torch.arange(n, device=indices.larray.device).reshape(
            *shape[:other], n, *shape[other + 1 :]
        )
        for other, n in enumerate(x.shape)
    )


def take_along_axis(x: DNDarray, indices: Any, axis: int = -1) -> DNDarray:
    """Elements at positions of an axis that differ from line to line. Collective.

    Parameters
    ----------
    x : DNDarray
    indices : array_like of int, of as many axes as ``x``
        Broadcast against ``x`` along the other axes.
    axis : int

    Returns
    -------
    DNDarray
        Split like ``x``; with canonical slabs if that is along ``axis``.
    """
    axis = normalize_axis(axis, x.ndim)
    indices = as_array(indices, x)
    key = _along_axis_key(x, indices, axis)
    shape = (*x.shape[:axis], indices.shape[axis], *x.shape[axis + 1 :])
    if indices.size == 0 or broadcast_shapes(indices.shape, shape) != shape:
        return getitem(x, key)
    if x.split == axis:
        if x.ndim == 1:
            return getitem(x, key)
        other = max((a for a in range(x.ndim) if a != axis), key=lambda a: x.shape[a])
        moved = to_layout(x, canonical_layout(x.shape, other, x.comm.size))
        result = take_along_axis(moved, indices, axis)
        return to_layout(result, canonical_layout(shape, axis, x.comm.size))
    as_int64 = wrap(indices.larray.to(torch.int64), indices.layout, x.comm)
    (positions,) = within((axis,), [as_int64], x.shape[axis : axis + 1], x.comm)
    target = Layout(shape, x.split, x.layout.counts)
    local = local_operand(positions, target).expand(target.lshape(x.comm.rank))
    picked = signed_view(x.larray).gather(axis, local).view(x.larray.dtype)
    return wrap(picked, target, x.comm)


def put_along_axis(x: DNDarray, indices: Any, values: Any, axis: int = -1) -> None:
    """Set elements at positions of an axis that differ from line to line. In place. Collective.

    Parameters
    ----------
    x : DNDarray
    indices : array_like of int, of as many axes as ``x``
    values : array_like
        Broadcasts to ``indices``. Of repeated positions the last one counts.
    axis : int
    """
    axis = normalize_axis(axis, x.ndim)
    setitem(x, _along_axis_key(x, as_array(indices, x), axis), values)


def fill_diagonal(a: DNDarray, val: Any, wrap: bool = False) -> None:
    """Set the main diagonal. In place. Local, unless ``val`` is distributed.

    Parameters
    ----------
    a : DNDarray, of at least two axes; of equal extents if more than two
    val : array_like
        Its elements are repeated as often as needed.
    wrap : bool
        Go on after an empty row in tall matrices.
    """
    if a.ndim < 2 or (a.ndim > 2 and len(set(a.shape)) > 1):
        raise ValueError(f"the diagonal of an array of shape {a.shape} is not defined")
    device = a.larray.device
    if a.ndim == 2:
        n_columns = a.shape[1]
        end = a.size if wrap else min(a.size, n_columns * n_columns)
        places = coordinates(torch.arange(0, end, n_columns + 1, device=device), a.shape)
    else:
        places = [torch.arange(a.shape[0], device=device)] * a.ndim
    content = replicated(as_array(val, a, val)).reshape(-1)
    if content.numel() == 0:
        raise ValueError("no values for the diagonal")
    if content.is_complex() and not a.larray.is_complex():
        raise TypeError(f"complex values do not fit an array of {a.dtype.name}")
    numbers = torch.arange(places[0].numel(), device=device)
    if a.split is not None:
        start = a.layout.offset(a.comm.rank)
        here = places[a.split] - start
        numbers = numbers[(here >= 0) & (here < a.lshape[a.split])]
        places = [place - start * (axis == a.split) for axis, place in enumerate(places)]
    local = signed_view(a.larray)
    values = content[numbers % content.numel()].to(a.larray.dtype)
    local[tuple(place[numbers] for place in places)] = signed_view(values)
