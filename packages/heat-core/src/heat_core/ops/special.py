"""Less common element-wise functions: rows of the element-wise dispatcher, and pairs of them."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from heat_core.array.dndarray import DNDarray
from heat_core.dispatch.elementwise import Kernel, apply, binary, unary

__all__ = [
    "angle",
    "bitwise_count",
    "cbrt",
    "fmax",
    "fmin",
    "frexp",
    "heaviside",
    "i0",
    "iscomplex",
    "isreal",
    "ldexp",
    "modf",
    "nan_to_num",
]


def _cbrt(x: torch.Tensor) -> torch.Tensor:
    root = torch.copysign(x.abs().pow(1 / 3), x)
    # One step of Newton's method: pow is a rounding error off for perfect cubes.
    better = root - (root * root * root - x) / (3 * root * root)
    return torch.where(torch.isfinite(better) & (x != 0), better, torch.where(x == 0, x, root))


def _bitwise_count(x: torch.Tensor) -> torch.Tensor:
    # Of the absolute value, as in NumPy; each step adds neighbours of 1, 2, 4, ... bits.
    bits = x.to(torch.int64).abs()
    for shift, mask in ((1, 0x55), (2, 0x33), (4, 0x0F)):
        pattern = int.from_bytes(bytes([mask]) * 8, "big")
        bits = (bits & pattern) + ((bits >> shift) & pattern)
    return sum((bits >> shift) & 0xFF for shift in range(0, 64, 8)).to(torch.uint8)  # type: ignore[union-attr]


def _imaginary(x: torch.Tensor) -> torch.Tensor:
    return x.imag != 0 if x.is_complex() else torch.zeros_like(x, dtype=torch.bool)


def _real(x: torch.Tensor) -> torch.Tensor:
    return x.imag == 0 if x.is_complex() else torch.ones_like(x, dtype=torch.bool)


cbrt = unary(Kernel("cbrt", _cbrt, rule="float", kinds="biuf"), "Cube root.")
i0 = unary(
    Kernel("i0", torch.special.i0, rule="float", kinds="biuf"),
    "Modified Bessel function of the first kind of order 0.",
)
iscomplex = unary(
    Kernel("iscomplex", _imaginary, rule="logical", carry="wrap"),
    "Whether the imaginary part is not zero.",
)
isreal = unary(
    Kernel("isreal", _real, rule="logical", carry="wrap"), "Whether the imaginary part is zero."
)
bitwise_count = unary(
    Kernel("bitwise_count", _bitwise_count, kinds="iu"), "Number of 1-bits of the absolute value."
)
fmax = binary(
    Kernel("fmax", torch.fmax, kinds="biuf", takes_scalar=False, carry="order"),
    "The larger; if one is NaN, the other.",
)
fmin = binary(
    Kernel("fmin", torch.fmin, kinds="biuf", takes_scalar=False, carry="order"),
    "The smaller; if one is NaN, the other.",
)
heaviside = binary(
    Kernel("heaviside", torch.heaviside, rule="float", kinds="biuf", takes_scalar=False),
    "0 below zero, 1 above, and the second argument at zero.",
)


def angle(x: Any, deg: bool = False, out: DNDarray | None = None) -> DNDarray:
    """Argument of complex numbers, in (-pi, pi], or in degrees. Element-wise, local.

    Parameters
    ----------
    x : array_like
    deg : bool
        Whether in degrees.
    out : DNDarray, optional
        Takes the result under its own layout.
    """
    function = (lambda z: torch.rad2deg(torch.angle(z))) if deg else torch.angle
    return apply(Kernel("angle", function, rule="float"), x, out=out)


def nan_to_num(
    x: Any,
    /,
    nan: float = 0.0,
    posinf: float | None = None,
    neginf: float | None = None,
    out: DNDarray | None = None,
) -> DNDarray:
    """NaN and infinities replaced by numbers. Element-wise, local.

    Parameters
    ----------
    x : array_like
    nan : float
        Instead of NaN.
    posinf, neginf : float, optional
        Instead of infinities; None: the largest and the smallest number of the type.
    out : DNDarray, optional
        Takes the result under its own layout.
    """
    function = partial(torch.nan_to_num, nan=nan, posinf=posinf, neginf=neginf)
    return apply(Kernel("nan_to_num", function, carry="wrap"), x, out=out)


ldexp = binary(
    Kernel("ldexp", torch.ldexp, rule="float", kinds="biuf", takes_scalar=False),
    "The first times two to the power of the second.",
)


def modf(x: Any, /) -> tuple[DNDarray, DNDarray]:
    """Fractional and integral parts, both with the sign of the element. Element-wise, local.

    Parameters
    ----------
    x : array_like
    """
    fraction = Kernel("modf", _fraction, rule="float", kinds="biuf")
    return apply(fraction, x), apply(Kernel("modf", torch.trunc, rule="float", kinds="biuf"), x)


def frexp(x: Any, /) -> tuple[DNDarray, DNDarray]:
    """Mantissas in ``[0.5, 1)``, with sign, and int32 exponents of two. Element-wise, local.

    Parameters
    ----------
    x : array_like
    """
    mantissa = Kernel("frexp", lambda t: torch.frexp(t).mantissa, rule="float", kinds="biuf")
    exponent = Kernel("frexp", lambda t: torch.frexp(t).exponent, rule="float", kinds="biuf")
    return apply(mantissa, x), apply(exponent, x)


def _fraction(x: torch.Tensor) -> torch.Tensor:
    # torch.frac makes NaN of infinities, and loses the sign of whole numbers.
    fraction = torch.where(torch.isinf(x), 0, torch.frac(x))
    return torch.copysign(fraction, x)
