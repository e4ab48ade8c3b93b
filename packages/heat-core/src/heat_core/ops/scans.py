"""Cumulative sums, products and extremes: rows of a table for ``dispatch.scan``."""

from __future__ import annotations

import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.dispatch.operands import Scalar
from heat_core.dispatch.reduce import integer_sum_type
from heat_core.dispatch.scan import Scanner, scan

__all__ = [
    "cummax",
    "cummin",
    "cumprod",
    "cumproduct",
    "cumsum",
    "cumulative_prod",
    "cumulative_sum",
    "nancumprod",
    "nancumsum",
]


def _lowest(dtype: torch.dtype) -> Scalar:
    return float("-inf") if dtype.is_floating_point else torch.iinfo(dtype).min


def _highest(dtype: torch.dtype) -> Scalar:
    return float("inf") if dtype.is_floating_point else torch.iinfo(dtype).max


# Local scans are fresh tensors: sums and products take the part of other ranks in place.
_SUM = Scanner(
    "cumsum", torch.cumsum, lambda before, local: local.add_(before), "sum",
    lambda dtype: 0, integer_sum_type,
)  # fmt: skip
_PROD = Scanner(
    "cumprod", torch.cumprod, lambda before, local: local.mul_(before), "prod",
    lambda dtype: 1, integer_sum_type,
)  # fmt: skip
_MAX = Scanner(
    "cummax", lambda local, axis: torch.cummax(local, axis).values, torch.maximum, "max",
    _lowest, carry_mode="order",
)  # fmt: skip
_MIN = Scanner(
    "cummin", lambda local, axis: torch.cummin(local, axis).values, torch.minimum, "min",
    _highest, carry_mode="order",
)  # fmt: skip


def cumsum(
    a: DNDarray, axis: int | None = None, dtype: object = None, out: DNDarray | None = None
) -> DNDarray:
    """Sums of each element and those before it. Collective if ``axis`` is the split axis.

    Parameters
    ----------
    a : DNDarray
    axis : int or None
        None: of the flattened array.
    dtype : data type, optional
        Of the sums. Default: that of ``a``; 64 bits for integers and bool.
    out : DNDarray, optional
        Takes the result under its own layout.

    Returns
    -------
    DNDarray
        With the slabs of ``a``; one small message per rank.
    """
    return scan(_SUM, a, axis, dtype=dtype, out=out)


def cumprod(
    a: DNDarray, axis: int | None = None, dtype: object = None, out: DNDarray | None = None
) -> DNDarray:
    """Products of each element and those before it; parameters and layout as for ``cumsum``."""
    return scan(_PROD, a, axis, dtype=dtype, out=out)


cumproduct = cumprod


def cumulative_sum(
    x: DNDarray,
    /,
    *,
    axis: int | None = None,
    dtype: object = None,
    include_initial: bool = False,
    out: DNDarray | None = None,
) -> DNDarray:
    """``cumsum`` as in the array API standard.

    ``axis`` may be left out for arrays with one axis only. ``include_initial`` puts a zero first;
    along the split axis the first rank's slab gets it.
    """
    return scan(
        _SUM, x, _standard_axis(x, axis), dtype=dtype, out=out, include_initial=include_initial
    )


def cumulative_prod(
    x: DNDarray,
    /,
    *,
    axis: int | None = None,
    dtype: object = None,
    include_initial: bool = False,
    out: DNDarray | None = None,
) -> DNDarray:
    """``cumprod`` as in the array API standard; see ``cumulative_sum``, with a one first."""
    return scan(
        _PROD, x, _standard_axis(x, axis), dtype=dtype, out=out, include_initial=include_initial
    )


def _standard_axis(x: DNDarray, axis: int | None) -> int:
    if axis is None and x.ndim > 1:
        raise ValueError(f"axis is needed for an array with {x.ndim} axes")
    return 0 if axis is None else axis


def cummax(a: DNDarray, axis: int | None = None, out: DNDarray | None = None) -> DNDarray:
    """Largest of each element and those before it; NaN from the first one on. As ``cumsum``."""
    return scan(_MAX, _ordered(a, "cummax"), axis, out=out)


def cummin(a: DNDarray, axis: int | None = None, out: DNDarray | None = None) -> DNDarray:
    """Smallest of each element and those before it; NaN from the first one on. As ``cumsum``."""
    return scan(_MIN, _ordered(a, "cummin"), axis, out=out)


def _ordered(a: DNDarray, name: str) -> DNDarray:
    if a.larray.is_complex():
        raise TypeError(f"{name} does not take complex numbers, which have no order")
    return a


def nancumsum(
    a: DNDarray, axis: int | None = None, dtype: object = None, out: DNDarray | None = None
) -> DNDarray:
    """``cumsum`` with NaN taken as 0."""
    return scan(_SUM, _without_nan(a, 0), axis, dtype=dtype, out=out)


def nancumprod(
    a: DNDarray, axis: int | None = None, dtype: object = None, out: DNDarray | None = None
) -> DNDarray:
    """``cumprod`` with NaN taken as 1."""
    return scan(_PROD, _without_nan(a, 1), axis, dtype=dtype, out=out)


def _without_nan(a: DNDarray, value: Scalar) -> DNDarray:
    if not (a.larray.is_floating_point() or a.larray.is_complex()):
        return a
    return wrap(a.larray.masked_fill(a.larray.isnan(), value), a.layout, a.comm)
