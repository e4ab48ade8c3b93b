"""Weighted means and covariances."""

from __future__ import annotations

from typing import Any

import torch

from heat_core.array.axes import normalize_axes
from heat_core.array.conversion import astype
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import to_layout
from heat_core.dispatch.operands import broadcast_shapes, coerce
from heat_core.dtypes import float_type
from heat_core.layout import Layout, replicated_layout
from heat_core.ops.arithmetic import divide, multiply
from heat_core.ops.moments import Axis, mean
from heat_core.ops.reductions import any as any_
from heat_core.ops.reductions import sum as sum_
from heat_core.ops.relational import equal
from heat_core.ops.shape import expand_dims, transpose

__all__ = ["average", "corrcoef", "cov"]


def average(
    x: DNDarray,
    axis: Axis = None,
    weights: Any = None,
    returned: bool = False,
    *,
    keepdims: bool = False,
) -> DNDarray | tuple[DNDarray, DNDarray]:
    """Weighted mean. Collective if the split axis is reduced.

    Parameters
    ----------
    x : DNDarray
    axis : int, tuple of int or None
        None: all axes.
    weights : array_like, optional
        Of the shape of ``x``, or one weight per position of one ``axis``. Default: equal weights.
    returned : bool
        Return the sum of weights, too.
    keepdims : bool
        Keep reduced axes with extent 1.

    Raises
    ------
    ZeroDivisionError
        If weights sum up to 0.
    """
    if weights is None:
        result = mean(x, axis, keepdims)
        number = x.size // max(1, result.size)
        total = wrap(torch.full_like(result.larray, number), result.layout, x.comm)
        return (result, total) if returned else result
    factors = _weights_like(x, axis, weights)
    total = sum_(multiply(factors, _ones_of(x)), axis, keepdims=keepdims)
    if any_(equal(total, 0)).item():
        raise ZeroDivisionError("the weights sum up to zero")
    result = divide(sum_(multiply(x, factors), axis, keepdims=keepdims), total)
    return (result, total) if returned else result


def _ones_of(x: DNDarray) -> DNDarray:
    """Ones of the shape and layout of ``x`` in one byte each, so that weights are stretched."""
    return wrap(torch.ones(x.lshape, dtype=torch.bool, device=x.larray.device), x.layout, x.comm)


def _weights_like(x: DNDarray, axis: Axis, weights: Any) -> DNDarray:
    """The weights with as many axes as ``x``."""
    factors = coerce(weights, x.comm, x.larray.device)
    if not isinstance(factors, DNDarray):
        raise TypeError("weights are an array")
    if factors.shape == x.shape:
        return factors
    axes = sorted(normalize_axes(axis, x.ndim))
    if len(axes) != 1 or factors.shape != (x.shape[axes[0]],):
        raise ValueError(f"weights of shape {factors.shape} do not fit {x.shape} along {axis}")
    others = [a for a in range(x.ndim) if a != axes[0]]
    shaped = expand_dims(factors, others) if others else factors
    assert broadcast_shapes(shaped.shape, x.shape) == x.shape
    return shaped


def cov(
    m: DNDarray,
    y: DNDarray | None = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: float | None = None,
) -> DNDarray:
    """Covariance matrix. Collective.

    Parameters
    ----------
    m : DNDarray, (variables, observations) or (observations,)
    y : DNDarray, optional
        More variables, of the same observations.
    rowvar : bool
        False: variables are columns.
    bias : bool
        Divide by the number of observations instead of one less.
    ddof : float, optional
        Divide by the number of observations less this; overrides ``bias``.

    Returns
    -------
    DNDarray, (variables, variables) or ()
        Replicated: one pass over the data and one sum over the ranks if the observations are
        split; variables that are split are redistributed by observations first.
    """
    if m.larray.is_complex():
        raise TypeError("cov takes real arrays")
    sets = [_observations(x, rowvar) for x in ((m,) if y is None else (m, y))]
    n = sets[0].shape[0]
    if any(x.shape[0] != n for x in sets):
        raise ValueError("m and y have different numbers of observations")
    centred = [_centred(x, sets[0].layout) for x in sets]
    table = torch.cat(centred, dim=1)
    gram = (table.T @ table).double()
    if sets[0].is_distributed():
        gram = m.comm.allreduce(gram, "sum")
    freedom = n - ((0 if bias else 1) if ddof is None else ddof)
    result = (gram / max(0.0, freedom)).to(table.dtype)
    result = result.reshape(()) if result.numel() == 1 else result
    return wrap(result, replicated_layout(tuple(result.shape)), m.comm)


def _observations(x: DNDarray, rowvar: bool) -> DNDarray:
    """(observations, variables), floating-point, not split along the variables."""
    if x.ndim not in (1, 2):
        raise ValueError(f"cov takes arrays with one or two axes, not {x.ndim}")
    table = expand_dims(x, 1) if x.ndim == 1 else transpose(x) if rowvar else x
    table = astype(table, float_type(x.dtype), copy=False)
    return to_layout(table, table.layout.with_split(0, x.comm.size)) if table.split == 1 else table


def _centred(x: DNDarray, like: Layout) -> torch.Tensor:
    """Deviations from the mean of each variable, with the slabs of ``like``."""
    target = Layout(x.shape, like.split, like.counts)
    return to_layout(x, target).larray - mean(x, axis=0).larray


def corrcoef(x: DNDarray, y: DNDarray | None = None, rowvar: bool = True) -> DNDarray:
    """Matrix of Pearson correlation coefficients. Collective; replicated.

    Parameters
    ----------
    x : DNDarray, (variables, observations) or (observations,)
    y : DNDarray, optional
        More variables, of the same observations.
    rowvar : bool
        False: variables are columns.
    """
    covariance = cov(x, y, rowvar)
    table = covariance.larray
    if table.ndim == 0:
        return divide(covariance, covariance)
    deviation = table.diagonal().sqrt()
    scaled = (table / deviation[:, None] / deviation[None, :]).clamp(-1, 1)
    return wrap(scaled, covariance.layout, x.comm)
