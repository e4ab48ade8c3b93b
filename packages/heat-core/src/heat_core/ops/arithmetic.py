"""Arithmetic: rows of the element-wise dispatcher."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from heat_core.array.dndarray import DNDarray
from heat_core.dispatch.elementwise import Kernel, binary, unary
from heat_core.dtypes.unsigned import numpy_on_uint64

__all__ = [
    "abs",
    "absolute",
    "add",
    "copysign",
    "div",
    "divide",
    "divmod",
    "fabs",
    "float_power",
    "floor_divide",
    "floordiv",
    "fmod",
    "gcd",
    "hypot",
    "lcm",
    "maximum",
    "minimum",
    "mod",
    "mul",
    "multiply",
    "neg",
    "negative",
    "nextafter",
    "pos",
    "positive",
    "pow",
    "power",
    "reciprocal",
    "remainder",
    "sgn",
    "sign",
    "sqrt",
    "square",
    "sub",
    "subtract",
    "true_divide",
]


def _nonzero_divisor(
    divisor: torch.Tensor | int,
) -> tuple[torch.Tensor | int, torch.Tensor | bool]:
    """A divisor without zeros, and where it had them."""
    if not isinstance(divisor, torch.Tensor):
        return (divisor or 1), divisor == 0
    if bool(divisor.all()):
        return divisor, False
    zeros = divisor == 0
    return torch.where(zeros, 1, divisor), zeros


def _integer_division(divide: Any, x1: torch.Tensor, x2: torch.Tensor | int) -> torch.Tensor:
    # torch raises for an integer divisor 0, on the ranks that hold one; NumPy gives 0 everywhere.
    if x1.dtype.is_floating_point:
        return divide(x1, x2)  # type: ignore[no-any-return]
    divisor, zeros = _nonzero_divisor(x2)
    quotient: torch.Tensor = divide(x1, divisor)
    return (
        quotient
        if zeros is False
        else quotient.masked_fill(torch.as_tensor(zeros, device=quotient.device), 0)
    )


def _floor_divide(x1: torch.Tensor, x2: torch.Tensor | int) -> torch.Tensor:
    return _integer_division(torch.floor_divide, x1, x2)


def _remainder(x1: torch.Tensor, x2: torch.Tensor | int) -> torch.Tensor:
    remainder = _integer_division(torch.remainder, x1, x2)
    if not remainder.dtype.is_floating_point:
        return remainder
    # Zero has the sign of the divisor, too.
    return torch.where(remainder == 0, torch.copysign(remainder, x2), remainder)


def _fmod(x1: torch.Tensor, x2: torch.Tensor | int) -> torch.Tensor:
    return _integer_division(torch.fmod, x1, x2)


def _sign(x: torch.Tensor) -> torch.Tensor:
    sign = torch.sgn(x)
    return torch.where(torch.isnan(x), x, sign) if x.dtype.is_floating_point else sign


def _square(x: torch.Tensor) -> torch.Tensor:
    return x * x


def _positive(x: torch.Tensor) -> torch.Tensor:
    return x.clone()


add = binary(Kernel("add", torch.add, carry="wrap"), "Sum.")
subtract = binary(Kernel("subtract", torch.sub, kinds="iufc", carry="wrap"), "Difference.")
multiply = binary(Kernel("multiply", torch.mul, carry="wrap"), "Product.")
divide = binary(Kernel("divide", torch.div, rule="float"), "Quotient.")
floor_divide = binary(
    Kernel("floor_divide", _floor_divide, kinds="iuf", of_uint64=numpy_on_uint64(np.floor_divide)),
    "Quotient rounded towards -inf.",
)
remainder = binary(
    Kernel("remainder", _remainder, kinds="iuf", of_uint64=numpy_on_uint64(np.remainder)),
    "Remainder with the sign of the divisor.",
)
fmod = binary(
    Kernel("fmod", _fmod, kinds="iuf", of_uint64=numpy_on_uint64(np.fmod)),
    "Remainder with the sign of the dividend.",
)
power = binary(
    Kernel("power", torch.pow, kinds="iufc", of_uint64=numpy_on_uint64(np.power)),
    "First to the second.",
)
float_power = binary(
    Kernel("float_power", torch.pow, rule="float"), "First to the second, in floating point."
)
gcd = binary(
    Kernel("gcd", torch.gcd, kinds="iu", takes_scalar=False, of_uint64=numpy_on_uint64(np.gcd)),
    "Greatest common divisor.",
)
lcm = binary(
    Kernel("lcm", torch.lcm, kinds="iu", takes_scalar=False, of_uint64=numpy_on_uint64(np.lcm)),
    "Least common multiple.",
)
hypot = binary(
    Kernel("hypot", torch.hypot, rule="float", kinds="biuf", takes_scalar=False),
    "Square root of the sum of squares.",
)
copysign = binary(
    Kernel("copysign", torch.copysign, rule="float", kinds="biuf"),
    "Magnitude of the first with the sign of the second.",
)
nextafter = binary(
    Kernel("nextafter", torch.nextafter, kinds="f", takes_scalar=False),
    "Next representable number after the first, towards the second.",
)
maximum = binary(
    Kernel("maximum", torch.maximum, kinds="biuf", takes_scalar=False, carry="order"),
    "The larger; NaN if one is NaN.",
)
minimum = binary(
    Kernel("minimum", torch.minimum, kinds="biuf", takes_scalar=False, carry="order"),
    "The smaller; NaN if one is NaN.",
)

negative = unary(Kernel("negative", torch.neg, kinds="iufc", carry="wrap"), "Negative.")
positive = unary(Kernel("positive", _positive, kinds="iufc", carry="wrap"), "A copy.")
absolute = unary(
    Kernel("absolute", torch.abs, kinds="iufc", of_uint64=torch.clone), "Absolute value."
)
sign = unary(
    Kernel("sign", _sign, kinds="iufc", of_uint64=numpy_on_uint64(np.sign)),
    "-1, 0 or 1 by sign; of a complex z, z/|z|.",
)
square = unary(Kernel("square", _square, carry="wrap"), "Square.")
sqrt = unary(Kernel("sqrt", torch.sqrt, rule="float"), "Square root.")
reciprocal = unary(Kernel("reciprocal", torch.reciprocal, rule="float"), "One over the element.")


def divmod(  # noqa: A001 - the name of the Python function it extends
    x1: Any, x2: Any, /
) -> tuple[DNDarray, DNDarray]:
    """``(floor_divide(x1, x2), remainder(x1, x2))``. Collective if layouts differ."""
    return floor_divide(x1, x2), remainder(x1, x2)


abs = fabs = absolute  # noqa: A001
sgn = sign
sub, mul, div, true_divide = subtract, multiply, divide, divide
floordiv, mod, pow, neg, pos = floor_divide, remainder, power, negative, positive  # noqa: A001
