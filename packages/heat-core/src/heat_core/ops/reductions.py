"""Reductions: rows of a table that the one driver in ``dispatch.reduce`` carries out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from heat_core.array.dndarray import DNDarray
from heat_core.config import config
from heat_core.dispatch.argreduce import argreduce
from heat_core.dispatch.operands import Scalar
from heat_core.dispatch.reduce import Reducer, integer_sum_type, reduce
from heat_core.dispatch.rows import over_rows
from heat_core.dtypes import bool_

__all__ = ["all", "any", "argmax", "argmin", "max", "min", "prod", "sum"]

Axis = int | Sequence[int] | None


def _is_everything(local: torch.Tensor, axes: tuple[int, ...]) -> bool:
    return len(axes) == local.dim()


@over_rows
def _sum(local: torch.Tensor, axes: tuple[int, ...], keepdims: bool) -> torch.Tensor:
    return torch.sum(local, axes, keepdim=keepdims)


@over_rows
def _prod(local: torch.Tensor, axes: tuple[int, ...], keepdims: bool) -> torch.Tensor:
    if not keepdims and _is_everything(local, axes):
        return torch.prod(local)
    for axis in reversed(axes):
        local = torch.prod(local, axis, keepdim=keepdims)
    return local


def _limit(dtype: torch.dtype, largest: bool) -> Scalar:
    if dtype is torch.bool:
        return largest
    if dtype.is_floating_point:
        return float("inf") if largest else float("-inf")
    limits = torch.iinfo(dtype)
    return limits.max if largest else limits.min


@over_rows
def _all(local: torch.Tensor, axes: tuple[int, ...], keepdims: bool) -> torch.Tensor:
    return torch.all(local, axes, keepdim=keepdims).bool()


@over_rows
def _any(local: torch.Tensor, axes: tuple[int, ...], keepdims: bool) -> torch.Tensor:
    return torch.any(local, axes, keepdim=keepdims).bool()


_SUM = Reducer("sum", _sum, "sum", lambda dtype: 0, integer_sum_type, accumulates=True)
_PROD = Reducer("prod", _prod, "prod", lambda dtype: 1, integer_sum_type, accumulates=True)
_MIN = Reducer("min", over_rows(torch.amin), "min", lambda dtype: _limit(dtype, True), orders=True)
_MAX = Reducer("max", over_rows(torch.amax), "max", lambda dtype: _limit(dtype, False), orders=True)
_ALL = Reducer("all", _all, "land", lambda dtype: True, lambda dtype: bool_)
_ANY = Reducer("any", _any, "lor", lambda dtype: False, lambda dtype: bool_)


def sum(  # noqa: A001 - the name of the array API standard
    x: DNDarray,
    axis: Axis = None,
    dtype: object = None,
    out: DNDarray | None = None,
    keepdims: bool | None = False,
    initial: Scalar | None = None,
    where: Any = True,
    *,
    reproducible: bool | None = None,
) -> DNDarray:
    """Sum of the elements. Collective if the split axis is reduced.

    Parameters
    ----------
    x : DNDarray
    axis : int, tuple of int or None
        None: all axes.
    dtype : data type, optional
        Of the sum. Default: that of ``x``; 64 bits for integers and bool.
    out : DNDarray, optional
        Takes the result under its own layout.
    keepdims : bool
        Keep reduced axes with extent 1.
    initial : scalar, optional
        Added to the result.
    where : array_like of bool
        The elements to sum.
    reproducible : bool, optional
        The same bits for every number of ranks and every layout. Default:
        ``config.reproducible``.

    Returns
    -------
    DNDarray
        Replicated if the split axis is reduced, else split along it. float16 and bfloat16 are
        summed in float32; float32 parts of the ranks are combined in float64.
    """
    exact = config.reproducible if reproducible is None else reproducible
    options: dict[str, Any] = {"keepdims": bool(keepdims), "dtype": dtype, "out": out}
    return reduce(_SUM, x, axis, initial=initial, where=where, exact=exact, **options)


def prod(
    x: DNDarray,
    axis: Axis = None,
    dtype: object = None,
    out: DNDarray | None = None,
    keepdims: bool | None = False,
    initial: Scalar | None = None,
    where: Any = True,
) -> DNDarray:
    """Product of the elements; parameters and layout as for ``sum``."""
    return reduce(
        _PROD, x, axis, keepdims=bool(keepdims), dtype=dtype, out=out, initial=initial, where=where
    )


def min(  # noqa: A001
    x: DNDarray,
    axis: Axis = None,
    out: DNDarray | None = None,
    keepdims: bool | None = False,
    initial: Scalar | None = None,
    where: Any = True,
) -> DNDarray:
    """Smallest element; NaN if there is one. Collective if the split axis is reduced.

    Parameters and layout as for ``sum``; ValueError without elements and ``initial``.
    """
    return reduce(_MIN, x, axis, keepdims=bool(keepdims), out=out, initial=initial, where=where)


def max(  # noqa: A001
    x: DNDarray,
    axis: Axis = None,
    out: DNDarray | None = None,
    keepdims: bool | None = False,
    initial: Scalar | None = None,
    where: Any = True,
) -> DNDarray:
    """Largest element; NaN if there is one. Collective if the split axis is reduced.

    Parameters and layout as for ``sum``; ValueError without elements and ``initial``.
    """
    return reduce(_MAX, x, axis, keepdims=bool(keepdims), out=out, initial=initial, where=where)


def all(  # noqa: A001
    x: DNDarray,
    axis: Axis = None,
    out: DNDarray | None = None,
    keepdims: bool | None = False,
    where: Any = True,
) -> DNDarray:
    """Whether all elements are true; parameters and layout as for ``sum``."""
    return reduce(_ALL, x, axis, keepdims=bool(keepdims), out=out, where=where)


def any(  # noqa: A001
    x: DNDarray,
    axis: Axis = None,
    out: DNDarray | None = None,
    keepdims: bool | None = False,
    where: Any = True,
) -> DNDarray:
    """Whether any element is true; parameters and layout as for ``sum``."""
    return reduce(_ANY, x, axis, keepdims=bool(keepdims), out=out, where=where)


def argmax(
    x: DNDarray,
    axis: int | None = None,
    out: DNDarray | None = None,
    keepdims: bool = False,
) -> DNDarray:
    """Position of the largest element, the lowest among equals. Collective on the split axis.

    Parameters
    ----------
    x : DNDarray
    axis : int or None
        None: the position in the flattened array.
    out : DNDarray, optional
    keepdims : bool

    Returns
    -------
    DNDarray
        Global positions, int64. Replicated if the split axis is searched, else split along it.
    """
    return argreduce(x, axis, "max", keepdims=keepdims, out=out)


def argmin(
    x: DNDarray,
    axis: int | None = None,
    out: DNDarray | None = None,
    keepdims: bool = False,
) -> DNDarray:
    """Position of the smallest element; parameters and layout as for ``argmax``."""
    return argreduce(x, axis, "min", keepdims=keepdims, out=out)
