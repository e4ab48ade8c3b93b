"""Reductions that leave NaN out; on types without NaN, the plain ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from heat_core.array.axes import normalize_axes, normalize_axis
from heat_core.array.conversion import astype
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import to_layout
from heat_core.dispatch.reduce import store
from heat_core.dtypes import float_type
from heat_core.layout import Layout
from heat_core.ops.arithmetic import abs as abs_
from heat_core.ops.arithmetic import divide, sqrt, square, subtract
from heat_core.ops.logical import isnan, logical_not
from heat_core.ops.moments import Axis
from heat_core.ops.quantile import quantile
from heat_core.ops.reductions import all as all_
from heat_core.ops.reductions import any as any_
from heat_core.ops.reductions import argmax, argmin, prod
from heat_core.ops.reductions import max as max_
from heat_core.ops.reductions import min as min_
from heat_core.ops.reductions import sum as sum_

__all__ = [
    "nanargmax",
    "nanargmin",
    "nanmax",
    "nanmean",
    "nanmedian",
    "nanmin",
    "nanpercentile",
    "nanprod",
    "nanquantile",
    "nanstd",
    "nansum",
    "nanvar",
    "ptp",
]


def _has_nan_type(x: DNDarray) -> bool:
    return x.larray.is_floating_point() or x.larray.is_complex()


def _numbers(x: DNDarray) -> Any:
    """Where the elements are numbers, as a ``where`` argument."""
    return logical_not(isnan(x)) if _has_nan_type(x) else True


def nansum(
    a: DNDarray,
    axis: Axis = None,
    dtype: object = None,
    out: DNDarray | None = None,
    keepdims: bool | None = False,
) -> DNDarray:
    """``sum`` of the elements that are not NaN. Collective as ``sum``."""
    return sum_(a, axis, dtype, out, keepdims, where=_numbers(a))


def nanprod(
    a: DNDarray,
    axis: Axis = None,
    dtype: object = None,
    out: DNDarray | None = None,
    keepdims: bool | None = False,
) -> DNDarray:
    """``prod`` of the elements that are not NaN. Collective as ``sum``."""
    return prod(a, axis, dtype, out, keepdims, where=_numbers(a))


def _extreme(
    of: Callable[..., DNDarray],
    a: DNDarray,
    axis: Axis,
    out: DNDarray | None,
    keepdims: bool | None,
) -> DNDarray:
    if not _has_nan_type(a):
        return of(a, axis, out, keepdims)
    found = of(a, axis, None, keepdims, where=_numbers(a))
    nothing = all_(isnan(a), axis, None, keepdims)
    local = found.larray.masked_fill(nothing.larray, float("nan"))
    return store(wrap(local, found.layout, a.comm), out)


def nanmin(
    a: DNDarray, axis: Axis = None, out: DNDarray | None = None, keepdims: bool | None = False
) -> DNDarray:
    """Smallest element that is not NaN; NaN where all are. Collective as ``min``."""
    return _extreme(min_, a, axis, out, keepdims)


def nanmax(
    a: DNDarray, axis: Axis = None, out: DNDarray | None = None, keepdims: bool | None = False
) -> DNDarray:
    """Largest element that is not NaN; NaN where all are. Collective as ``max``."""
    return _extreme(max_, a, axis, out, keepdims)


def _count(a: DNDarray, axis: Axis, keepdims: bool | None) -> DNDarray:
    if _has_nan_type(a):
        return sum_(_numbers(a), axis, keepdims=keepdims)
    axes = normalize_axes(axis, a.ndim)
    number = 1
    for i in axes:
        number *= a.shape[i]
    layout = a.layout.reduce(axes, keepdims=bool(keepdims))
    return wrap(
        a.larray.new_full(layout.lshape(a.comm.rank), number, dtype=torch.int64), layout, a.comm
    )


def nanmean(
    a: DNDarray,
    axis: Axis = None,
    dtype: object = None,
    out: DNDarray | None = None,
    keepdims: bool | None = False,
) -> DNDarray:
    """Mean of the elements that are not NaN; NaN where all are. Collective as ``mean``."""
    x = astype(a, float_type(a.dtype) if dtype is None else dtype, copy=False)
    mean = divide(nansum(x, axis, keepdims=keepdims), _count(x, axis, keepdims))
    return store(astype(mean, x.dtype, copy=False), out)


def nanvar(
    a: DNDarray,
    axis: Axis = None,
    dtype: object = None,
    out: DNDarray | None = None,
    ddof: float = 0,
    keepdims: bool | None = False,
) -> DNDarray:
    """Variance of the elements that are not NaN. Collective as ``var``.

    NaN where there are no more than ``ddof`` elements.
    """
    x = astype(a, float_type(a.dtype) if dtype is None else dtype, copy=False)
    deviation = subtract(x, nanmean(x, axis, keepdims=True))
    squares = square(abs_(deviation) if deviation.larray.is_complex() else deviation)
    total = nansum(squares, axis, keepdims=keepdims)
    freedom = _count(x, axis, keepdims).larray.to(total.larray.dtype) - ddof
    local = torch.where(freedom > 0, total.larray / freedom, float("nan"))
    return store(wrap(local, total.layout, x.comm), out)


def nanstd(
    a: DNDarray,
    axis: Axis = None,
    dtype: object = None,
    out: DNDarray | None = None,
    ddof: float = 0,
    keepdims: bool | None = False,
) -> DNDarray:
    """Standard deviation of the elements that are not NaN; see ``nanvar``."""
    return store(sqrt(nanvar(a, axis, dtype, None, ddof, keepdims)), out)


def nanargmin(a: DNDarray, axis: int | None = None, keepdims: bool = False) -> DNDarray:
    """Position of the smallest element that is not NaN. Collective as ``argmin``.

    Raises
    ------
    ValueError
        If all elements of a slice are NaN; this is found out collectively.
    """
    return argmin(_replaced(a, axis, float("inf")), axis, keepdims=keepdims)


def nanargmax(a: DNDarray, axis: int | None = None, keepdims: bool = False) -> DNDarray:
    """Position of the largest element that is not NaN; see ``nanargmin``."""
    return argmax(_replaced(a, axis, float("-inf")), axis, keepdims=keepdims)


def _replaced(a: DNDarray, axis: int | None, value: float) -> DNDarray:
    if not a.larray.is_floating_point():
        return a
    if any_(all_(isnan(a), axis)).item():
        raise ValueError("a slice has nothing but NaN")
    return wrap(a.larray.masked_fill(a.larray.isnan(), value), a.layout, a.comm)


def nanmedian(
    a: DNDarray, axis: int | None = None, out: DNDarray | None = None, keepdims: bool = False
) -> DNDarray:
    """Median of the elements that are not NaN; see ``nanquantile``."""
    return nanquantile(a, 0.5, axis, out, keepdims=keepdims)


def nanpercentile(
    a: DNDarray,
    q: Any,
    axis: int | None = None,
    out: DNDarray | None = None,
    interpolation: str = "linear",
    keepdims: bool = False,
) -> DNDarray:
    """``nanquantile`` with ``q`` in percent."""
    levels = torch.as_tensor(q.numpy() if isinstance(q, DNDarray) else q, dtype=torch.float64)
    return nanquantile(a, levels / 100, axis, out, interpolation, keepdims)


def nanquantile(
    a: DNDarray,
    q: Any,
    axis: int | None = None,
    out: DNDarray | None = None,
    interpolation: str = "linear",
    keepdims: bool = False,
) -> DNDarray:
    """Quantiles of the elements that are not NaN; NaN where all are. Collective as ``quantile``.

    Parameters and layout as for ``quantile``. Of all elements, NaN are dropped where they are.
    Along an axis, lines have different numbers of elements: each is handled by itself, as
    positions in its sorted order, on arrays split along another axis.
    """
    if not a.larray.is_floating_point():
        return quantile(a, q, axis, out, interpolation, keepdims)
    if axis is None or a.ndim == 1:
        if axis is not None:
            normalize_axis(axis, a.ndim)
        return store(_of_everything(a, q, interpolation, keepdims), out)
    dim = normalize_axis(axis, a.ndim)
    if a.split == dim and a.comm.size > 1:
        others = [i for i in range(a.ndim) if i != dim]
        longest = max(others, key=lambda i: a.shape[i])
        a = to_layout(a, a.layout.with_split(longest, a.comm.size))
    return store(_along(a, dim, q, interpolation, keepdims), out)


def _of_everything(a: DNDarray, q: Any, interpolation: str, keepdims: bool) -> DNDarray:
    values = a.larray[~a.larray.isnan()]
    if a.split is None:
        layout = Layout((len(values),))
    else:
        mine = torch.tensor(len(values))
        lengths = tuple(a.comm.allgather(mine).tolist())
        layout = Layout((sum(lengths),), 0, lengths)
    numbers = wrap(values, layout, a.comm)
    if numbers.size == 0:
        numbers = wrap(a.larray.new_full((1,), float("nan")), Layout((1,)), a.comm)
    result = quantile(numbers, q, None, None, interpolation)
    if not keepdims:
        return result
    shape = (*result.shape, *(1,) * a.ndim)
    return wrap(result.larray.reshape(shape), Layout(shape), a.comm)


def _along(a: DNDarray, dim: int, q: Any, interpolation: str, keepdims: bool) -> DNDarray:
    # Lines with the same number of numbers are sorted lines of that length: one call for each
    # length, as NaN come last.
    ordered = a.larray.sort(dim=dim).values
    lengths = (~ordered.isnan()).sum(dim)
    lines, comm = ordered.movedim(dim, -1), a.comm
    like = quantile(_local(lines.new_zeros(1), comm), q, 0, None, interpolation)
    result = lines.new_full((*like.shape, *lengths.shape), float("nan"), dtype=like.larray.dtype)
    for n in lengths.unique().tolist():
        if n:
            chosen = lengths == n
            result[..., chosen] = quantile(
                _local(lines[chosen][:, :n], comm), q, 1, None, interpolation
            ).larray
    layout = a.layout.reduce(frozenset((dim,)), keepdims=keepdims)
    result = result.reshape(*like.shape, *layout.lshape(comm.rank))
    for _ in range(like.ndim):
        layout = layout.expand(0)
    shape = (*like.shape, *layout.gshape[like.ndim :])
    return wrap(result, Layout(shape, layout.split, layout.counts), comm)


def _local(tensor: torch.Tensor, comm: Any) -> DNDarray:
    """Numbers of one rank alone, for functions that do not communicate on replicated arrays."""
    return wrap(tensor, Layout(tuple(tensor.shape)), comm)


def ptp(
    a: DNDarray, axis: Axis = None, out: DNDarray | None = None, keepdims: bool = False
) -> DNDarray:
    """Largest minus smallest element. Collective as ``max``."""
    return store(subtract(max_(a, axis, None, keepdims), min_(a, axis, None, keepdims)), out)
