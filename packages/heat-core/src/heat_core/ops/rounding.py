"""Rounding: rows of the element-wise dispatcher."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from heat_core.array.dndarray import DNDarray
from heat_core.dispatch.elementwise import Kernel, apply, unary
from heat_core.ops.arithmetic import maximum, minimum, positive

__all__ = ["around", "ceil", "clip", "fix", "floor", "rint", "round", "trunc"]

# Integers of all types, uint64 among them, stay as they are.
floor = unary(
    Kernel("floor", torch.floor, kinds="iuf", of_uint64=torch.clone), "Largest integer not above."
)
ceil = unary(
    Kernel("ceil", torch.ceil, kinds="iuf", of_uint64=torch.clone), "Smallest integer not below."
)
trunc = fix = unary(
    Kernel("trunc", torch.trunc, kinds="iuf", of_uint64=torch.clone), "Integer towards zero."
)


def _rounded(x: torch.Tensor, decimals: int = 0) -> torch.Tensor:
    if x.is_complex():  # real and imaginary part by themselves, as the standard wants
        return torch.view_as_complex(_rounded(torch.view_as_real(x.resolve_conj()), decimals))
    if x.is_floating_point():
        return torch.round(x, decimals=decimals)
    if decimals >= 0:
        return x.clone()
    unit = 10**-decimals
    wide = x.long()
    rest = wide.remainder(unit)
    below = wide - rest
    is_odd = below.div(unit, rounding_mode="floor").bitwise_and(1).bool()
    goes_up: torch.Tensor = (2 * rest > unit) | ((2 * rest == unit) & is_odd)
    below += goes_up * unit
    return below.to(x.dtype)


rint = unary(
    Kernel("rint", _rounded, kinds="iufc", of_uint64=torch.clone),
    "Nearest integer, even at ties.",
)


def round(  # noqa: A001 - the name of the array API standard
    x: Any, /, decimals: int = 0, out: DNDarray | None = None
) -> DNDarray:
    """Round to a number of decimals, to even at ties. Local; same type and layout.

    Parameters
    ----------
    x : array_like
    decimals : int
        Negative: to tens, hundreds and so on.
    out : DNDarray, optional
        Takes the result under its own layout.
    """
    if decimals == 0:
        return rint(x, out=out)
    kernel = Kernel("round", partial(_rounded, decimals=decimals), kinds="iufc")
    return apply(kernel, x, out=out)


def clip(
    x: Any,
    /,
    min: Any = None,
    max: Any = None,
    out: DNDarray | None = None,
) -> DNDarray:
    """Limit the elements to an interval. Element-wise; collective if layouts differ.

    Parameters
    ----------
    x : array_like
    min, max : array_like, optional
        Limits, broadcast against ``x``; None: no limit.
    out : DNDarray, optional
        Takes the result under its own layout.
    """
    if min is None and max is None:
        return positive(x, out=out)
    if min is None:
        return minimum(x, max, out=out)
    if max is None:
        return maximum(x, min, out=out)
    return minimum(maximum(x, min), max, out=out)


around = round
