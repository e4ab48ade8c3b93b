"""Type promotion: arrays with arrays, and arrays with weak Python scalars."""

from __future__ import annotations

import builtins
from functools import cache
from typing import Any

from heat_core.config import config
from heat_core.dtypes.dtype import (
    BOOL,
    COMPLEX,
    REAL,
    SIGNED,
    UNSIGNED,
    DType,
    bool_,
    canonical_heat_type,
    complex64,
    complex128,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint64,
)

__all__ = [
    "default_float",
    "float_type",
    "promote_types",
    "result_type",
    "scalar_result_type",
    "set_default_dtype",
]

_SIGNED_BY_SIZE = {1: int8, 2: int16, 4: int32, 8: int64}
_KIND_ORDER = {BOOL: 0, UNSIGNED: 1, SIGNED: 1, REAL: 2, COMPLEX: 3}


def default_float() -> DType:
    """The default real floating-point type: float32 unless changed."""
    return canonical_heat_type(config.default_dtype)


def set_default_dtype(dtype: object) -> None:
    """Make float32 or float64 the default, and with it complex64 or complex128. Local."""
    chosen = canonical_heat_type(dtype)
    if chosen not in (float32, float64):
        raise TypeError(f"the default dtype is float32 or float64, not {chosen.name}")
    config.default_dtype = chosen.name


def _promote_integers(a: DType, b: DType) -> DType:
    if a.kind == b.kind:
        return a if a.itemsize >= b.itemsize else b
    signed, unsigned = (a, b) if a.kind == SIGNED else (b, a)
    if signed.itemsize > unsigned.itemsize:
        return signed
    if unsigned is uint64:
        raise TypeError(f"no common type of {a.name} and {b.name}: cast one of them explicitly")
    return _SIGNED_BY_SIZE[2 * unsigned.itemsize]


def _promote_reals(a: DType, b: DType) -> DType:
    if a.itemsize == b.itemsize:
        return a if a is b else float32  # float16 with bfloat16
    return a if a.itemsize > b.itemsize else b


def _promote_integer_with_real(integer: DType, real: DType) -> DType:
    if integer in (bool_, int8, int16, uint8, uint16):
        return real
    return _promote_reals(real, float32 if integer is int32 else float64)


def _complex_of(real: DType) -> DType:
    return complex128 if real is float64 else complex64


def _real_of(dtype: DType) -> DType:
    return {complex64: float32, complex128: float64}[dtype]


@cache
def _promote(a: DType, b: DType) -> DType:
    if a is b:
        return a
    low, high = sorted((a, b), key=lambda dtype: _KIND_ORDER[dtype.kind])
    if low.kind == BOOL:
        return high
    if _KIND_ORDER[high.kind] == 1:
        return _promote_integers(low, high)
    if high.kind == COMPLEX:
        if low.kind == COMPLEX:
            return low if low.itemsize > high.itemsize else high
        return _complex_of(_promote(low, _real_of(high)))
    if low.kind == REAL:
        return _promote_reals(low, high)
    return _promote_integer_with_real(low, high)


def promote_types(type1: object, type2: object) -> DType:
    """The smallest type to which both types are converted when they meet. Local.

    As in the array API standard, and beyond it: bool with ``t`` is ``t``; an integer with a
    floating-point type is that type if it has enough bits (8 and 16 bits: any; 32 signed bits:
    float32), else float32 or float64; float16 with bfloat16 is float32.

    Raises
    ------
    TypeError
        For uint64 with a signed integer.
    """
    return _promote(canonical_heat_type(type1), canonical_heat_type(type2))


@cache
def _scalar_type(dtype: DType, kind: str, default: DType) -> DType:
    if _KIND_ORDER[kind] <= _KIND_ORDER[dtype.kind]:
        return dtype
    if kind == SIGNED:
        return int64
    real = dtype if dtype.kind == REAL else default
    return real if kind == REAL else _complex_of(real)


def scalar_result_type(dtype: DType, scalar: builtins.complex) -> DType:
    """The type of an array of ``dtype`` after meeting a Python scalar, which is weak.

    Raises
    ------
    OverflowError
        If the scalar is an integer out of the range of the array's integer type.
    """
    if isinstance(scalar, builtins.bool):
        return dtype
    if isinstance(scalar, builtins.int):
        result = _scalar_type(dtype, SIGNED, default_float())
        if result.kind in (SIGNED, UNSIGNED):
            bits = 8 * result.itemsize
            low, high = (
                (-(1 << bits - 1), 1 << bits - 1) if result.kind == SIGNED else (0, 1 << bits)
            )
            if not low <= scalar < high:
                raise OverflowError(f"Python integer {scalar} is out of the range of {result.name}")
        return result
    return _scalar_type(dtype, REAL if isinstance(scalar, float) else COMPLEX, default_float())


def float_type(dtype: DType) -> DType:
    """The floating-point type in which functions such as ``sin`` of this type are computed."""
    if dtype.kind in (REAL, COMPLEX):
        return dtype
    return _promote(dtype, default_float())


def result_type(*operands: Any) -> DType:
    """The type of an expression of arrays, types and Python scalars. Local.

    Raises
    ------
    ValueError
        Without any operand.
    """
    if not operands:
        raise ValueError("result_type() needs at least one operand")
    scalars: list[builtins.complex] = []
    result: DType | None = None
    for operand in operands:
        if isinstance(operand, (builtins.bool, int, float, complex)) and not hasattr(
            operand, "dtype"
        ):
            scalars.append(operand)
            continue
        dtype = canonical_heat_type(getattr(operand, "dtype", operand))
        result = dtype if result is None else _promote(result, dtype)
    if result is None:
        # Only scalars: the default type of the widest kind.
        kinds = (bool, int, float, complex)
        widest = max(kinds.index(type(scalar)) for scalar in scalars)
        real = default_float()
        result = (bool_, int64, real, _complex_of(real))[widest]
    for scalar in scalars:
        result = scalar_result_type(result, scalar)
    return result
