"""The modules by which the original HeAT groups its functions, as attributes: ``ht.manipulations``.

They only gather what is defined elsewhere, and are made when they are first asked for.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

__all__ = ["TOPICS", "topic"]

TOPICS: dict[str, tuple[str, ...]] = {
    "arithmetics": (
        *("ops.arithmetic", "ops.bitwise", "ops.differences", "ops.nanreductions"),
        *("ops.reductions", "ops.scans", "ops.special"),
    ),
    "communication": ("comm.communicator",),
    "complex_math": ("ops.complex_numbers", "ops.special"),
    "dndarray": ("array.methods",),
    "exponential": ("ops.exponential", "ops.arithmetic"),
    "factories": (*("array.dlpack", "array.partition", "ops.creation", "ops.grids", "ops.ranges"),),
    "logical": ("ops.logical", "ops.reductions"),
    "manipulations": (
        *("array.relayout", "array.sanitation", "ops.diagonals", "ops.editing", "ops.joining"),
        *("ops.padding", "ops.rearrange", "ops.repeat", "ops.reshape", "ops.shape"),
        *("ops.sorting", "ops.splitting", "ops.unique", "ops.windows"),
    ),
    "printing": ("array.printing",),
    "relational": ("ops.relational",),
    "rounding": ("ops.arithmetic", "ops.rounding", "ops.special"),
    "sanitation": ("array.sanitation",),
    "statistics": (
        *("ops.arithmetic", "ops.histogram", "ops.moments", "ops.nanreductions", "ops.quantile"),
        *("ops.reductions", "ops.searching", "ops.statistics"),
    ),
    "stride_tricks": ("array.sanitation", "dispatch.operands", "ops.shape"),
    "trigonometrics": ("ops.trigonometric",),
    "types": ("dtypes",),
}


def topic(name: str) -> ModuleType:
    """The module of a topic: what is public in the modules that it is made of."""
    import heat_core

    full = f"heat_core.{name}"
    if full not in sys.modules:
        made = ModuleType(full, f"Functions that the original HeAT has in its module {name!r}.")
        for source in TOPICS[name]:
            module = import_module(f"heat_core.{source}")
            names = [n for n in module.__all__ if n in heat_core.__all__]
            made.__dict__.update({n: getattr(module, n) for n in names})
        sys.modules[full] = made
    return sys.modules[full]
