"""Exponentials and logarithms: rows of the element-wise dispatcher."""

from __future__ import annotations

import numpy as np
import torch

from heat_core.dispatch.elementwise import Kernel, binary, unary
from heat_core.ops.complex_numbers import numpy_on_complex

__all__ = [
    "exp",
    "exp2",
    "expm1",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logaddexp2",
]

exp = unary(Kernel("exp", torch.exp, rule="float"), "e to the element.")
exp2 = unary(Kernel("exp2", torch.exp2, rule="float"), "2 to the element.")
expm1 = unary(Kernel("expm1", torch.expm1, rule="float"), "exp(x) - 1, exact for small x.")
log = unary(Kernel("log", torch.log, rule="float"), "Natural logarithm.")
log2 = unary(Kernel("log2", torch.log2, rule="float"), "Logarithm to base 2.")
log10 = unary(Kernel("log10", torch.log10, rule="float"), "Logarithm to base 10.")
log1p = unary(
    Kernel("log1p", numpy_on_complex(np.log1p, torch.log1p), rule="float"),
    "log(1 + x), exact for small x.",
)
logaddexp = binary(
    Kernel("logaddexp", torch.logaddexp, rule="float", kinds="biuf", takes_scalar=False),
    "log(exp(x1) + exp(x2)) without overflow.",
)
logaddexp2 = binary(
    Kernel("logaddexp2", torch.logaddexp2, rule="float", kinds="biuf", takes_scalar=False),
    "log2(2**x1 + 2**x2) without overflow.",
)
