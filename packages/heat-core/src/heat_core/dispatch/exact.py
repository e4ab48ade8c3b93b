"""Sums that do not depend on the order of their terms, hence neither on ranks nor on slabs.

Numbers are rounded to a common unit, so large that sums of the rounded numbers are exact; what
rounding left over is summed in the same way with a smaller unit (Demmel and Nguyen, "Fast
reproducible floating-point summation", 2013).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from heat_core.comm import Communicator

__all__ = ["exact_sum"]

_DIGITS = 52  # of the fraction of double precision


def exact_sum(
    local: torch.Tensor, axes: tuple[int, ...], n: int, comm: Communicator | None
) -> torch.Tensor:
    """The sum over ``axes``, which are kept, in double precision. Collective if there is ``comm``.

    Parameters
    ----------
    local : torch.Tensor
        Of floating-point or complex numbers.
    axes : tuple of int
    n : int
        Number of terms of each sum, over all ranks; up to 2**40.
    comm : Communicator or None
        Whose ranks hold the other terms.
    """
    if local.is_complex():
        parts = (exact_sum(part, axes, n, comm) for part in (local.real, local.imag))
        return torch.complex(*parts)
    rest = local.double()
    top = _largest(rest, axes, comm)
    if not bool(torch.isfinite(top).all()):
        return _sum(rest, axes, comm)  # infinity or NaN, whatever the order
    growth = max(1, n - 1).bit_length()  # of a sum of n terms, in digits
    gained = _DIGITS - 1 - growth  # digits that a fold takes off
    exponent = torch.frexp(top).exponent
    # Far from the largest exponent, which the units would pass.
    shift = torch.where(exponent > 900, -128, 0)
    rest, exponent = torch.ldexp(rest, shift), exponent + shift
    total = torch.zeros_like(top)
    for _ in range(math.ceil((60 if local.dtype is torch.float64 else 30) / gained)):
        unit = torch.ldexp(torch.full_like(top, 1.5), exponent + growth + 1)
        rounded = (rest + unit) - unit
        total += _sum(rounded, axes, comm)
        rest -= rounded
        exponent = exponent - gained
    return torch.ldexp(total, -shift)


def _largest(x: torch.Tensor, axes: tuple[int, ...], comm: Communicator | None) -> torch.Tensor:
    if all(x.shape[axis] for axis in axes):
        top = x.abs().amax(axes, keepdim=True) if axes else x.abs()
    else:
        top = x.new_zeros([1 if axis in axes else extent for axis, extent in enumerate(x.shape)])
    return top if comm is None else comm.allreduce(top, "max", out=top)


def _sum(x: torch.Tensor, axes: tuple[int, ...], comm: Communicator | None) -> torch.Tensor:
    total = x.sum(axes, keepdim=True) if axes else x.clone()
    return total if comm is None else comm.allreduce(total, "sum", out=total)
