"""The MPI datatypes that carry elements of arrays, and the MPI operations that combine them."""

from __future__ import annotations

import functools
import math
import re
from typing import Any

from mpi_utils.runtime import load_mpi

_DTYPES = re.compile(r"bool|u?int(8|16|32|64)|b?float16|float(32|64)|complex(64|128)")
_SIXTEEN_BIT = {"float16", "bfloat16"}

#: reduction -> kinds of dtype that it is defined for, as NumPy abbreviates them, and what it is on
#: bool. MPI's own LAND and LOR differ on integers between one rank and several.
_REDUCTIONS = {
    "sum": ("biufc", "LOR"),
    "prod": ("biufc", "LAND"),
    "min": ("biuf", "LAND"),
    "max": ("biuf", "LOR"),
    "land": ("b", "LAND"),
    "lor": ("b", "LOR"),
    "band": ("biu", "LAND"),
    "bor": ("biu", "LOR"),
}


@functools.cache
def dtype_name(dtype: Any) -> str:
    """Name of a torch or NumPy dtype, such as ``"float32"``; TypeError if MPI can't carry it."""
    name = str(getattr(dtype, "name", dtype)).removeprefix("torch.")  # ">i4" is an int32, too
    if not _DTYPES.fullmatch(name):
        raise TypeError(
            f"dtype {dtype} can't be sent; convert to bool, an integer of 8 to 64 bits, "
            "float16, bfloat16, float32, float64, complex64 or complex128"
        )
    return name


@functools.cache
def datatype(dtype: Any) -> Any:
    """The MPI datatype that carries elements of a dtype; of a 16-bit float, its bit pattern."""
    import numpy as np

    name = dtype_name(dtype)
    code = np.dtype("uint16" if name in _SIXTEEN_BIT else name).str
    return load_mpi().Datatype.fromcode(code[1:])  # without the byte order


def reduction(dtype: Any, op: Any) -> tuple[Any, bool]:
    """The MPI operation for `op` on a dtype, and whether it needs the data widened to float32.

    Raises
    ------
    ValueError
        If `op` is not the name of an operation.
    TypeError
        If the operation has no meaning for the dtype.
    """
    if isinstance(op, str):
        return _named_reduction(dtype, op)
    if not isinstance(op, load_mpi().Op):
        raise TypeError(f"op must be one of {', '.join(_REDUCTIONS)} or an MPI.Op, got {op!r}")
    return op, dtype_name(dtype) in _SIXTEEN_BIT


@functools.cache
def _named_reduction(dtype: Any, op: str) -> tuple[Any, bool]:
    import numpy as np

    if op not in _REDUCTIONS:
        known = ", ".join(_REDUCTIONS)
        raise ValueError(f"Unknown reduction {op!r}; choose from {known} or pass an MPI.Op")
    name, (kinds, on_bool) = dtype_name(dtype), _REDUCTIONS[op]
    wide = name in _SIXTEEN_BIT
    computed = np.dtype("float32" if wide else name)
    if computed.kind not in kinds:
        raise TypeError(f"The reduction {op!r} is not defined for {name}")
    if computed.kind == "f" and op in {"max", "min"}:
        return _nan_aware(op, computed), wide
    return getattr(load_mpi(), on_bool if computed.kind == "b" else op.upper()), wide


@functools.cache
def _nan_aware(op: str, dtype: Any) -> Any:
    """MPI's own maximum and minimum may drop a NaN; NumPy's propagate it."""
    import numpy as np

    ufunc = np.maximum if op == "max" else np.minimum

    def combine(incoming: Any, result: Any, _: Any) -> None:
        target = np.frombuffer(result, dtype)
        ufunc(np.frombuffer(incoming, dtype), target, out=target)

    return load_mpi().Op.Create(combine, commute=True)


def identity(dtype: Any, op: Any) -> Any:
    """The neutral element of `op`, what an exclusive scan gives on rank 0; 0 for an MPI.Op."""
    import numpy as np

    name = dtype_name(dtype)
    if name == "bool":
        return op in {"prod", "min", "land", "band"}
    if op in {"min", "max"}:
        if "float" in name:
            return math.inf if op == "min" else -math.inf
        limits = np.iinfo(name)
        return limits.max if op == "min" else limits.min
    if op == "band":
        return int(np.invert(np.zeros((), name)))
    return int(op == "prod")
