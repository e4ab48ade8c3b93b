"""torch's functions on distributed arrays: ``torch.sin(x)`` is ``ht.sin(x)``."""

from __future__ import annotations

import sys
from typing import Any

import torch

from heat_core.array.dndarray import DNDarray

__all__ = ["torch_function", "torch_proxy"]

_KEYWORDS = {"dim": "axis", "dims": "axis", "keepdim": "keepdims"}
_RENAMED = {"cat": "concatenate", "clamp": "clip", "mm": "matmul", "mv": "matmul", "bmm": "matmul"}
# Here the same names mean other things: one result instead of two, biased moments, other arguments.
_UNLIKE = frozenset(
    {"chunk", "equal", "gather", "median", "nonzero", "norm", "quantile", "repeat", "scatter"}
    | {"sort", "split", "std", "take", "transpose", "unique", "var"}
)


def torch_function(
    cls: type[DNDarray],
    function: Any,
    types: Any,
    args: tuple[Any, ...] = (),
    kwargs: dict[str, Any] | None = None,
) -> Any:
    """``torch.f(x, dim=0)`` as ``heat_core.f(x, axis=0)``, where both mean the same.

    Raises
    ------
    TypeError
        If there is no such function here, or it means something else.
    """
    del cls
    if not all(issubclass(kind, (DNDarray, torch.Tensor)) for kind in types):
        return NotImplemented
    given = dict(kwargs or {})
    name = function.__name__.strip("_")
    arguments = [given.pop(key) for key in ("input", "tensors") if key in given]
    arguments += [*args, *(given.pop(key) for key in ("other",) if key in given)]
    keywords = {_KEYWORDS.get(key, key): value for key, value in given.items()}
    pairs = name in ("max", "min") and (len(arguments) > 1 or "axis" in keywords)
    namesake = getattr(sys.modules["heat_core"], _RENAMED.get(name, name), None)
    if name in _UNLIKE or pairs or not callable(namesake):
        what = "means something else in" if callable(namesake) else "is not in"
        raise TypeError(
            f"torch.{name} {what} heat_core: call a function of heat_core, or take x.larray"
        )
    return namesake(*arguments, **keywords)


def torch_proxy(x: DNDarray) -> torch.Tensor:
    """A tensor of the global shape that takes the memory of one element. Local."""
    return torch.ones(1, dtype=torch.int8, device=x.larray.device).expand(x.shape)
