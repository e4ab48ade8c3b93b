"""Logic and tests of elements: rows of the element-wise dispatcher."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from heat_core.array.conversion import item
from heat_core.array.dndarray import DNDarray
from heat_core.dispatch.elementwise import Kernel, apply, binary, unary
from heat_core.dispatch.operands import broadcast_shapes
from heat_core.ops.reductions import all

__all__ = [
    "allclose",
    "array_equal",
    "array_equiv",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "signbit",
]


def _row(
    name: str, kernel: Callable[..., torch.Tensor], summary: str, kinds: str = "biufc"
) -> Callable[..., DNDarray]:
    return unary(Kernel(name, kernel, rule="logical", kinds=kinds, carry="wrap"), summary)


def _binary_row(
    name: str, kernel: Callable[..., torch.Tensor], summary: str
) -> Callable[..., DNDarray]:
    return binary(Kernel(name, kernel, rule="logical", takes_scalar=False, carry="wrap"), summary)


logical_and = _binary_row("logical_and", torch.logical_and, "Whether both are true.")
logical_or = _binary_row("logical_or", torch.logical_or, "Whether one is true.")
logical_xor = _binary_row("logical_xor", torch.logical_xor, "Whether exactly one is true.")
logical_not = _row("logical_not", torch.logical_not, "Whether false.")
isnan = _row("isnan", torch.isnan, "Whether NaN.")
isinf = _row("isinf", torch.isinf, "Whether infinite.")
isfinite = _row("isfinite", torch.isfinite, "Whether neither infinite nor NaN.")
isposinf = _row("isposinf", torch.isposinf, "Whether +inf.", "biuf")
isneginf = _row("isneginf", torch.isneginf, "Whether -inf.", "biuf")
signbit = _row("signbit", torch.signbit, "Whether the sign bit is set.", "bif")


def isclose(
    x: Any, y: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: builtins.bool = False
) -> DNDarray:
    """Whether ``|x - y| <= atol + rtol * |y|``. Element-wise; collective if layouts differ.

    Parameters
    ----------
    x, y : array_like
        Broadcast against each other.
    rtol, atol : float
    equal_nan : bool
        Whether NaN is close to NaN.
    """
    close = partial(torch.isclose, rtol=rtol, atol=atol, equal_nan=equal_nan)
    return apply(Kernel("isclose", close, rule="compare", takes_scalar=False), x, y)


def allclose(
    x: Any, y: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: builtins.bool = False
) -> builtins.bool:
    """Whether all elements are close; parameters as for ``isclose``. Collective."""
    return builtins.bool(item(all(isclose(x, y, rtol, atol, equal_nan))))


def array_equal(x: DNDarray, y: DNDarray, equal_nan: builtins.bool = False) -> builtins.bool:
    """Whether shapes and all elements are equal. Collective."""
    return x.shape == y.shape and _all_same(x, y, _same_or_nan if equal_nan else torch.eq)


def array_equiv(x: DNDarray, y: DNDarray) -> builtins.bool:
    """Whether shapes broadcast to each other and all elements are equal. Collective."""
    try:
        broadcast_shapes(x.shape, y.shape)
    except ValueError:
        return False
    return _all_same(x, y, torch.eq)


def _all_same(x: DNDarray, y: DNDarray, same: Callable[..., torch.Tensor]) -> builtins.bool:
    kernel = Kernel("array_equal", same, rule="compare", takes_scalar=False, carry="order")
    return builtins.bool(item(all(apply(kernel, x, y))))


def _same_or_nan(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (x == y) | ((x != x) & (y != y))
