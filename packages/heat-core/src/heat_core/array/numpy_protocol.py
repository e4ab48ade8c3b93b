"""NumPy's functions on distributed arrays: ``np.sin(x)`` is ``ht.sin(x)``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import torch

from heat_core.array.dndarray import DNDarray
from heat_core.array.relayout import replicated, to_numpy
from heat_core.config import config

__all__ = ["array_function", "array_ufunc", "to_array"]

_REDUCTIONS = {
    "add": "sum",
    "logical_and": "all",
    "logical_or": "any",
    "maximum": "max",
    "minimum": "min",
    "multiply": "prod",
}
_SCANS = {"add": "cumsum", "maximum": "cummax", "minimum": "cummin", "multiply": "cumprod"}
# Here the same names have other arguments.
_UNLIKE = frozenset({"load", "save", "savetxt", "savez", "savez_compressed"})
_SUBMODULES = frozenset({"fft", "linalg"})


def to_array(
    x: DNDarray, dtype: Any = None, copy: bool | None = None
) -> np.ndarray[Any, np.dtype[Any]]:
    """The whole array for ``numpy.asarray``. Collective, local if replicated.

    Raises
    ------
    ValueError
        If it is distributed and larger than ``config.implicit_gather_bytes``, or a copy is
        forbidden that cannot be avoided.
    """
    if x.is_distributed() and x.nbytes > config.implicit_gather_bytes:
        raise ValueError(
            f"this would gather {x.nbytes} bytes on every rank, more than "
            f"config.implicit_gather_bytes: say so with x.numpy(), or take the own part, x.larray"
        )
    is_shared = not x.is_distributed() and x.larray.device.type == "cpu"
    is_shared = is_shared and x.larray.dtype is not torch.bfloat16
    if copy is False and not is_shared:
        raise ValueError("this array cannot be given to NumPy without a copy")
    whole = x.larray.numpy() if is_shared and not copy else to_numpy(replicated(x))
    if dtype is None or whole.dtype == dtype:
        return whole
    if copy is False:
        raise ValueError(f"an array of {whole.dtype} is not one of {dtype} without a copy")
    return whole.astype(dtype)


def _namesake(module: str, name: str) -> Callable[..., Any] | None:
    """The function of this library for NumPy's of a module; None if there is none."""
    space: ModuleType | None = sys.modules["heat_core"]
    last = module.rpartition(".")[2]
    if last in _SUBMODULES:
        space = getattr(space, last, None)
    function = getattr(space, name, None) if name not in _UNLIKE else None
    return function if callable(function) else None


def array_function(
    x: DNDarray, function: Any, types: Any, args: Any, kwargs: dict[str, Any]
) -> Any:
    """``numpy.f(x)`` as ``heat_core.f(x)``, with this function's arguments.

    Raises
    ------
    TypeError
        If there is no such function here.
    """
    del x
    if not all(issubclass(kind, (DNDarray, np.ndarray, torch.Tensor)) for kind in types):
        return NotImplemented
    namesake = _namesake(function.__module__, function.__name__)
    if namesake is None:
        raise TypeError(
            f"heat_core has no {function.__module__}.{function.__name__}: "
            "pass x.numpy(), or the own part, x.larray"
        )
    return namesake(*args, **kwargs)


def array_ufunc(x: DNDarray, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """``numpy.add(x, y)`` and the like, and its methods reduce, accumulate and outer."""
    del x
    out = kwargs.pop("out", None)
    if out is not None:
        if not all(target is None or isinstance(target, DNDarray) for target in out):
            return NotImplemented
        if any(target is not None for target in out):
            kwargs["out"] = out[0] if len(out) == 1 else out
    if method == "reduce":
        name = _REDUCTIONS.get(ufunc.__name__)
        kwargs.setdefault("axis", 0)
    elif method == "accumulate":
        name = _SCANS.get(ufunc.__name__)
        kwargs.setdefault("axis", 0)
    else:
        name = ufunc.__name__ if method in ("__call__", "outer") else None
    function = None if name is None else _namesake("numpy", name)
    if function is None:
        return NotImplemented
    if method == "outer":
        space = sys.modules["heat_core"]
        first, second = (space.asarray(operand) for operand in inputs)
        inputs = (first[(..., *(None,) * second.ndim)], second)
    return function(*inputs, **kwargs)
