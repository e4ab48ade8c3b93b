"""Comparisons: rows of the element-wise dispatcher."""

from __future__ import annotations

from collections.abc import Callable

import torch

from heat_core.array.dndarray import DNDarray
from heat_core.dispatch.elementwise import Kernel, binary

__all__ = [
    "eq",
    "equal",
    "ge",
    "greater",
    "greater_equal",
    "gt",
    "le",
    "less",
    "less_equal",
    "lt",
    "ne",
    "not_equal",
]


def _row(
    name: str, kernel: Callable[..., torch.Tensor], summary: str, kinds: str = "biuf"
) -> Callable[..., DNDarray]:
    return binary(Kernel(name, kernel, rule="compare", kinds=kinds, carry="order"), summary)


equal = eq = _row("equal", torch.eq, "Whether equal.", "biufc")
not_equal = ne = _row("not_equal", torch.ne, "Whether different.", "biufc")
less = lt = _row("less", torch.lt, "Whether the first is smaller.")
less_equal = le = _row("less_equal", torch.le, "Whether the first is not larger.")
greater = gt = _row("greater", torch.gt, "Whether the first is larger.")
greater_equal = ge = _row("greater_equal", torch.ge, "Whether the first is not smaller.")
