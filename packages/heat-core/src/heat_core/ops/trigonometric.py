"""Circular and hyperbolic functions: rows of the element-wise dispatcher."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from heat_core.array.dndarray import DNDarray
from heat_core.dispatch.elementwise import Kernel, binary, unary
from heat_core.ops.complex_numbers import numpy_on_complex

__all__ = [
    "acos",
    "acosh",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cos",
    "cosh",
    "deg2rad",
    "degrees",
    "rad2deg",
    "radians",
    "sin",
    "sinc",
    "sinh",
    "tan",
    "tanh",
]


def _row(
    name: str, kernel: Callable[..., torch.Tensor], summary: str, kinds: str = "biufc"
) -> Callable[..., DNDarray]:
    return unary(Kernel(name, kernel, rule="float", kinds=kinds), summary)


sin = _row("sin", torch.sin, "Sine of an angle in radians.")
cos = _row("cos", torch.cos, "Cosine of an angle in radians.")
tan = _row("tan", torch.tan, "Tangent of an angle in radians.")
sinh = _row("sinh", torch.sinh, "Hyperbolic sine.")
cosh = _row("cosh", torch.cosh, "Hyperbolic cosine.")
tanh = _row("tanh", torch.tanh, "Hyperbolic tangent.")
asin = arcsin = _row("asin", torch.asin, "Inverse sine, in radians.")
acos = arccos = _row("acos", numpy_on_complex(np.arccos, torch.acos), "Inverse cosine, in radians.")
atan = arctan = _row("atan", torch.atan, "Inverse tangent, in radians.")
asinh = arcsinh = _row("asinh", torch.asinh, "Inverse hyperbolic sine.")
acosh = arccosh = _row("acosh", torch.acosh, "Inverse hyperbolic cosine.")
atanh = arctanh = _row("atanh", torch.atanh, "Inverse hyperbolic tangent.")
sinc = _row("sinc", torch.sinc, "sin(pi x) / (pi x).")
deg2rad = radians = _row("deg2rad", torch.deg2rad, "Degrees to radians.", "biuf")
rad2deg = degrees = _row("rad2deg", torch.rad2deg, "Radians to degrees.", "biuf")
atan2 = arctan2 = binary(
    Kernel("atan2", torch.atan2, rule="float", kinds="biuf", takes_scalar=False),
    "Angle of the point (x2, x1), in radians.",
)
