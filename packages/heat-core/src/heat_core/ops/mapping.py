"""Functions of the user's, applied to slabs, slices and elements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from heat_core.array.axes import normalize_axis
from heat_core.array.conversion import astype
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import to_layout, to_numpy
from heat_core.dispatch.operands import (
    as_array,
    as_tensor,
    broadcast_shapes,
    coerce,
    common_comm,
    common_device,
    local_operand,
    target_layout,
)
from heat_core.layout import Layout
from heat_core.ops.creation import array, zeros_like
from heat_core.ops.shape import expand_dims
from mpi_utils import collective

__all__ = ["apply_along_axis", "apply_over_axes", "piecewise", "vectorize", "vmap"]


def vmap(
    func: Callable[..., Any],
    out_dims: int | tuple[int, ...] = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """A function on arrays that applies ``func`` to each slice along their split axes.

    Parameters
    ----------
    func : callable
        Takes tensors, one for each array and without its split axis, and returns a tensor or a
        tuple of tensors; ``torch.vmap`` must be able to follow it.
    out_dims : int or tuple of int
        Where the mapped axis is in the results, one for each.
    randomness : {"error", "different", "same"}
        Whether random numbers in ``func`` are allowed, and differ between slices.
    chunk_size : int, optional
        Slices that are computed at once. Default: all of a rank.

    Returns
    -------
    callable
        Collective if the slabs of its arguments differ, otherwise local. Distributed arguments
        have the same extent along their split axes; replicated ones go whole into each call.
        Results are split along ``out_dims``.
    """

    def mapped(*arrays: DNDarray) -> Any:
        first = next((x for x in arrays if x.split is not None), None)
        if first is None or first.split is None or first.layout.counts is None:
            raise ValueError("vmap maps over split axes, and no argument has one")
        counts, extent = first.layout.counts, first.shape[first.split]
        locals_ = []
        for x in arrays:
            if x.split is not None and x.shape[x.split] != extent:
                raise ValueError(f"extents of the split axes differ: {extent}, {x.shape[x.split]}")
            target = x.layout if x.split is None else Layout(x.shape, x.split, counts)
            local = to_layout(x, target).larray
            if x.split is not None and not counts[x.comm.rank]:
                # torch maps over one slice at least: it tells the shape of the results.
                one = list(x.shape)
                one[x.split] = 1
                local = local.new_zeros(one)
            locals_.append(local)
        in_dims = tuple(x.split for x in arrays)
        apply = torch.vmap(func, in_dims, out_dims, randomness, chunk_size=chunk_size)
        results = apply(*locals_)
        several = isinstance(results, tuple)
        outputs = results if several else (results,)
        dims = out_dims if isinstance(out_dims, tuple) else (out_dims,) * len(outputs)
        wrapped = tuple(
            _split_result(local, dim, counts, first)
            for local, dim in zip(outputs, dims, strict=True)
        )
        return wrapped if several else wrapped[0]

    return mapped


def _split_result(local: torch.Tensor, dim: int, counts: tuple[int, ...], x: DNDarray) -> DNDarray:
    axis = normalize_axis(dim, local.ndim)
    shape = (*local.shape[:axis], sum(counts), *local.shape[axis + 1 :])
    local = local.narrow(axis, 0, counts[x.comm.rank])
    return wrap(local, Layout(shape, axis, counts), x.comm)


def apply_along_axis(
    func1d: Callable[..., Any], axis: int, arr: DNDarray, *args: Any, **kwargs: Any
) -> DNDarray:
    """Apply a function to the vectors along an axis, as in NumPy. Collective.

    Parameters
    ----------
    func1d : callable
        Takes a NumPy vector and the further arguments, and returns a scalar or an array.
    axis : int
    arr : DNDarray
        If split along ``axis``, it is resplit along the longest other one; a vector is replicated.

    Returns
    -------
    DNDarray
        ``axis`` is replaced by the axes of what ``func1d`` returns.
    """
    axis = normalize_axis(axis, arr.ndim)
    if arr.size == 0:
        raise ValueError(f"there are no vectors along axis {axis} of an array of {arr.shape}")
    if arr.split == axis:
        others = [other for other in range(arr.ndim) if other != axis]
        longest = max(others, key=lambda other: arr.shape[other], default=None)
        arr = to_layout(arr, arr.layout.with_split(longest, arr.comm.size))
    found: Any = None
    with collective(arr.comm):
        if arr.lnumel:
            local = to_numpy(arr.larray)
            found = np.apply_along_axis(func1d, axis, local, *args, **kwargs)
    split = arr.split
    if split is None:
        return array(found, comm=arr.comm, device=arr.device)
    known = None if found is None else (found.shape, found.dtype)
    shape, dtype = next(one for one in arr.comm.handle.allgather(known) if one is not None)
    where = split if split < axis else split + len(shape) - arr.ndim
    if found is None:
        empty = list(shape)
        empty[where] = 0
        found = np.empty(empty, dtype)
    return array(found, is_split=where, comm=arr.comm, device=arr.device)


def apply_over_axes(
    func: Callable[[DNDarray, int], DNDarray], a: DNDarray, axes: int | Sequence[int]
) -> DNDarray:
    """Apply ``func(a, axis)`` for one axis after another, as in NumPy; axes stay.

    Parameters
    ----------
    func : callable
        A reduction, with or without the axis in its result.
    a : DNDarray
    axes : int or sequence of int
    """
    for axis in (axes,) if isinstance(axes, int) else axes:
        number = normalize_axis(axis, a.ndim)
        result = func(a, number)
        a = result if result.ndim == a.ndim else expand_dims(result, number)
    return a


def vectorize(
    pyfunc: Callable[..., Any], otypes: str | Sequence[Any] | None = None
) -> Callable[..., DNDarray]:
    """A function on arrays that calls a Python function for each element, as in NumPy.

    Parameters
    ----------
    pyfunc : callable
        Takes scalars and returns one.
    otypes : data type or list of one, optional
        Type of the result; otherwise that of the first one.

    Returns
    -------
    callable
        Collective. It broadcasts its arguments; each rank computes its part.
    """
    elementwise = np.vectorize(pyfunc, otypes=otypes)

    def function(*arrays: Any) -> DNDarray:
        comm = common_comm(arrays)
        device = common_device(arrays)
        operands = [coerce(x, comm, device) for x in arrays]
        given = [x for x in operands if isinstance(x, DNDarray)]
        target = target_layout(given, broadcast_shapes(*(x.shape for x in given)))
        parts = [
            to_numpy(local_operand(x, target)) if isinstance(x, DNDarray) else x for x in operands
        ]
        shape, found = target.lshape(comm.rank), None
        with collective(comm):
            if np.prod(shape, dtype=int) or otypes is not None:
                found = np.broadcast_to(elementwise(*parts), shape)
        kinds = [kind for kind in comm.handle.allgather(getattr(found, "dtype", None)) if kind]
        if not kinds:
            raise ValueError("the type of a result without elements is otypes: pass them")
        kind = np.result_type(*kinds)
        local = np.empty(shape, kind) if found is None else found.astype(kind)
        return wrap(as_tensor(local).to(device), target, comm)

    return function


def piecewise(
    x: DNDarray, condlist: Sequence[Any], funclist: Sequence[Any], *args: Any, **kw: Any
) -> DNDarray:
    """A function that is defined piece by piece, as in NumPy. Collective.

    Parameters
    ----------
    x : DNDarray
    condlist : sequence of DNDarray of bool
        Where each function holds; the last one counts where several do.
    funclist : sequence of callable or scalar
        One for each condition, and optionally one for the rest, whose default is 0.
    *args, **kw
        For the functions.

    Returns
    -------
    DNDarray
        With the type of ``x``.
    """
    conditions = [astype(as_array(condition, x), "bool") for condition in condlist]
    if len(funclist) == len(conditions) + 1:
        rest = zeros_like(x, dtype="bool")
        for condition in conditions:
            rest = rest | condition
        conditions.append(~rest)
    elif len(funclist) != len(conditions):
        raise ValueError(f"{len(conditions)} conditions with {len(funclist)} functions")
    result = zeros_like(x)
    for condition, function in zip(conditions, funclist, strict=True):
        chosen = function(x[condition], *args, **kw) if callable(function) else function
        result[condition] = chosen
    return result
