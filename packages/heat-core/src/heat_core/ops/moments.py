"""Mean, variance, skewness and kurtosis by one scheme, stable and with two small allreduces.

Each rank sums powers of the deviations from a point near its own mean. Shifted to the global mean,
these sums add up (Chan, Golub, LeVeque 1979; Pébay 2008).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from heat_core.array.axes import normalize_axes
from heat_core.array.conversion import astype, convert
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.config import config
from heat_core.dispatch.exact import exact_sum
from heat_core.dispatch.reduce import store
from heat_core.dtypes import float_type
from heat_core.dtypes.unsigned import CARRIERS
from heat_core.ops.power_sums import centred_sums, double, near_mean, shifted, sum_over

__all__ = ["Moments", "kurtosis", "mean", "moments", "skew", "std", "var"]

Axis = int | Sequence[int] | None


@dataclass(frozen=True, slots=True)
class Moments:
    """Number of elements, mean, and central power sums ``m2``, ``m3``, ``m4`` (None above order).

    All of one layout: replicated if the split axis was reduced. ``m_k`` is the sum of
    ``(x - mean)**k``.
    """

    n: int
    mean: DNDarray
    m2: DNDarray | None = None
    m3: DNDarray | None = None
    m4: DNDarray | None = None


def _floating(x: DNDarray) -> torch.Tensor:
    """The local tensor in the floating-point type of the results; half precision in single."""
    dtype = float_type(x.dtype).torch
    local = x.larray
    if local.dtype in CARRIERS:
        return local.to(torch.float64 if local.dtype is not torch.uint16 else torch.float32)
    return convert(local, torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype)


def _number(x: DNDarray, axes: frozenset[int]) -> int:
    return math.prod(x.shape[axis] for axis in axes)


def _reduced_over_ranks(x: DNDarray, axes: frozenset[int]) -> bool:
    return x.split is not None and x.split in axes and x.comm.size > 1


def _exact_sum(x: DNDarray, local: torch.Tensor, axes: frozenset[int]) -> torch.Tensor:
    comm = x.comm if _reduced_over_ranks(x, axes) else None
    return exact_sum(local, tuple(sorted(axes)), _number(x, axes), comm)


def _mean_of(x: DNDarray, axes: frozenset[int], *, keepdims: bool) -> torch.Tensor:
    """Global mean; NaN of no elements."""
    local, dims = _floating(x), tuple(sorted(axes))
    if config.reproducible:
        total = _exact_sum(x, local, axes)
        total = total if keepdims else total.squeeze(dims)
        return total / (_number(x, axes) or math.nan)
    total = sum_over(local, dims, keepdims) if dims else local
    if _reduced_over_ranks(x, axes):
        total = double(total)
        x.comm.allreduce(total, "sum", out=total)
    number = _number(x, axes)
    return total / number if number else total * math.nan


def _power_sums_of(
    x: DNDarray, axes: frozenset[int], order: int
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Global mean and power sums about it, 2 to ``order``, in double precision, axes kept."""
    local, dims = _floating(x), tuple(sorted(axes))
    if not dims:
        local, dims = local.unsqueeze(0), (0,)
    n = math.prod(local.shape[axis] for axis in dims)
    # About a point near the own mean, so that nothing cancels; then exactly to the global mean.
    centre = near_mean(local, dims)
    sums = centred_sums(local, centre, dims, order)
    if bool((sums[0].abs() ** 2 > n / 2 * sums[1]).any()):  # not near enough
        centre = centre + (sums[0] / n).to(centre.dtype)
        sums = centred_sums(local, centre, dims, order)
    centre = double(centre)
    if not _reduced_over_ranks(x, axes):
        offset = sums[0] / n
        return centre + offset, shifted(n, sums, -offset)
    mean = x.comm.allreduce(n * centre + sums[0], "sum") / max(1, _number(x, axes))
    packed = x.comm.allreduce(torch.stack(shifted(n, sums, centre - mean)), "sum")
    return mean, list(packed)


def _result(
    x: DNDarray, value: torch.Tensor, axes: frozenset[int], keepdims: bool, *, real: bool = False
) -> DNDarray:
    layout = x.layout.reduce(axes, keepdims=keepdims)
    dtype = float_type(x.dtype).torch
    if real and dtype.is_complex:
        dtype = torch.float32 if dtype is torch.complex64 else torch.float64
    value = convert(value, dtype)
    if value.dim() != layout.ndim:
        value = value.reshape(layout.lshape(x.comm.rank))
    return wrap(value, layout, x.comm)


def moments(x: DNDarray, axis: Axis = None, order: int = 4, *, keepdims: bool = False) -> Moments:
    """Number, mean and central power sums up to an order. Collective on the split axis.

    Parameters
    ----------
    x : DNDarray
    axis : int, tuple of int or None
        None: all axes.
    order : {1, 2, 3, 4}
    keepdims : bool
        Keep reduced axes with extent 1.

    Returns
    -------
    Moments
        Of the floating-point type of ``x``, computed in one scheme with at most two small
        messages.
    """
    if order not in (1, 2, 3, 4):
        raise ValueError(f"order is 1, 2, 3 or 4, not {order}")
    if order > 2 and x.larray.is_complex():
        raise TypeError("moments above the second are defined for real arrays")
    axes = normalize_axes(axis, x.ndim)
    if order == 1:
        return Moments(_number(x, axes), mean(x, axis, keepdims))
    centre, sums = _power_sums_of(x, axes, order)
    powers = [_result(x, part, axes, keepdims, real=True) for part in sums]
    return Moments(_number(x, axes), _result(x, centre, axes, keepdims), *powers)


def mean(
    x: DNDarray,
    axis: Axis = None,
    keepdims: bool = False,
    dtype: object = None,
    out: DNDarray | None = None,
) -> DNDarray:
    """Arithmetic mean; NaN of no elements. Collective if the split axis is reduced.

    Parameters
    ----------
    x : DNDarray
        Integers are averaged in floating point.
    axis : int, tuple of int or None
        None: all axes.
    keepdims : bool
        Keep reduced axes with extent 1.
    dtype : data type, optional
        Of the result.
    out : DNDarray, optional
        Takes the result under its own layout.

    Returns
    -------
    DNDarray
        Replicated if the split axis is reduced, else split along it.
    """
    axes = normalize_axes(axis, x.ndim)
    result = _result(x, _mean_of(x, axes, keepdims=keepdims), axes, keepdims)
    return store(result if dtype is None else astype(result, dtype, copy=False), out)


def _correction(ddof: float, correction: float | None) -> float:
    if correction is not None and ddof:
        raise TypeError("ddof and correction are the same; pass one of them")
    return ddof if correction is None else correction


def var(
    x: DNDarray,
    axis: Axis = None,
    ddof: float = 0,
    keepdims: bool = False,
    out: DNDarray | None = None,
    *,
    correction: float | None = None,
) -> DNDarray:
    """Variance: the sum of squared deviations over ``n - ddof``. Collective on the split axis.

    Parameters
    ----------
    x : DNDarray
    axis : int, tuple of int or None
        None: all axes.
    ddof, correction : float
        Two names of what is subtracted from the number of elements.
    keepdims : bool
        Keep reduced axes with extent 1.
    out : DNDarray, optional
        Takes the result under its own layout.

    Returns
    -------
    DNDarray
        Replicated if the split axis is reduced, else split along it. Computed about the mean,
        with sums over blocks and ranks in float64.
    """
    divisor_shift = _correction(ddof, correction)
    axes = normalize_axes(axis, x.ndim)
    value = _variance(x, axes, divisor_shift)
    return store(_result(x, value, axes, keepdims, real=True), out)


def _variance(x: DNDarray, axes: frozenset[int], ddof: float) -> torch.Tensor:
    if config.reproducible:
        deviation = double(_floating(x)) - _mean_of(x, axes, keepdims=True)
        m2 = _exact_sum(x, deviation.abs() ** 2, axes)
    else:
        _, (m2,) = _power_sums_of(x, axes, 2)
    return m2 / max(0.0, _number(x, axes) - ddof)


def std(
    x: DNDarray,
    axis: Axis = None,
    ddof: float = 0,
    keepdims: bool = False,
    out: DNDarray | None = None,
    *,
    correction: float | None = None,
) -> DNDarray:
    """Standard deviation, the square root of ``var``; parameters and layout as there."""
    divisor_shift = _correction(ddof, correction)
    axes = normalize_axes(axis, x.ndim)
    value = _variance(x, axes, divisor_shift).sqrt()
    return store(_result(x, value, axes, keepdims, real=True), out)


def skew(
    x: DNDarray, axis: Axis = None, unbiased: bool = True, *, keepdims: bool = False
) -> DNDarray:
    """Skewness. Collective on the split axis.

    Parameters
    ----------
    x : DNDarray
        Real.
    axis : int, tuple of int or None
        None: all axes.
    unbiased : bool
        Correct for the bias of samples: ``G1 = g1 sqrt(n (n - 1)) / (n - 2)``.
    keepdims : bool
        Keep reduced axes with extent 1.
    """
    axes, n, (m2, m3, _) = _standardised(x, axis, 3)
    value = math.sqrt(n) * m3 / m2**1.5
    if unbiased:
        value = value * (math.sqrt(n * (n - 1)) / (n - 2) if n > 2 else math.nan)
    return _result(x, value, axes, keepdims)


def kurtosis(
    x: DNDarray,
    axis: Axis = None,
    unbiased: bool = True,
    fisher: bool = True,
    *,
    fischer: bool | None = None,
    keepdims: bool = False,
) -> DNDarray:
    """Kurtosis. Collective on the split axis.

    Parameters
    ----------
    x : DNDarray
        Real.
    axis : int, tuple of int or None
        None: all axes.
    unbiased : bool
        Correct for the bias of samples:
        ``G2 = ((n + 1) g2 + 6) (n - 1) / ((n - 2) (n - 3))``.
    fisher, fischer : bool
        Two spellings of one choice: 0 for a normal distribution (True) or 3 (False).
    keepdims : bool
        Keep reduced axes with extent 1.
    """
    axes, n, (m2, _, m4) = _standardised(x, axis, 4)
    excess = n * m4 / (m2 * m2) - 3
    if unbiased:
        scale = (n - 1) / ((n - 2) * (n - 3)) if n > 3 else math.nan
        excess = ((n + 1) * excess + 6) * scale
    is_excess = fisher if fischer is None else fischer
    return _result(x, excess if is_excess else excess + 3, axes, keepdims)


def _standardised(
    x: DNDarray, axis: Axis, order: int
) -> tuple[frozenset[int], int, tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    if x.larray.is_complex():
        raise TypeError("skewness and kurtosis are defined for real arrays")
    axes = normalize_axes(axis, x.ndim)
    _, sums = _power_sums_of(x, axes, order)
    return axes, _number(x, axes), (sums[0], sums[1], sums[-1])
