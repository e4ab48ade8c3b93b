"""Methods that end in an underscore: ``x.add_(y)`` is ``x += y``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from heat_core.array.dndarray import DNDarray
from heat_core.ops import arithmetic, bitwise, scans, special

__all__ = ["IN_PLACE"]


def _written(function: Callable[..., Any], name: str) -> Callable[..., DNDarray]:
    def method(self: DNDarray, *arguments: Any, **keywords: Any) -> DNDarray:
        function(self, *arguments, out=self, **keywords)
        return self

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"``{name[:-1]}`` of which the array takes the result; returns the array."
    return method


IN_PLACE: dict[str, Callable[..., DNDarray]] = {
    f"{name}_": _written(getattr(module, name), f"{name}_")
    for module, names in (
        (arithmetic, ("abs", "add", "copysign", "div", "divide", "floor_divide", "floordiv")),
        (arithmetic, ("fmod", "gcd", "hypot", "lcm", "mod", "mul", "multiply", "neg")),
        (arithmetic, ("negative", "pow", "power", "remainder", "sub", "subtract")),
        (bitwise, ("bitwise_and", "bitwise_not", "bitwise_or", "bitwise_xor", "invert")),
        (bitwise, ("left_shift", "right_shift")),
        (scans, ("cumprod", "cumproduct", "cumsum")),
        (special, ("nan_to_num",)),
    )
    for name in names
}
