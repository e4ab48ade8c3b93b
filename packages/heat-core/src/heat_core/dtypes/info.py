"""Questions about data types: their kinds, their limits, and which casts are allowed."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from heat_core.dtypes.dtype import (
    BOOL,
    COMPLEX,
    REAL,
    SIGNED,
    UNSIGNED,
    DType,
    canonical_heat_type,
    float32,
    float64,
)
from heat_core.dtypes.promotion import promote_types, result_type

__all__ = [
    "FInfo",
    "IInfo",
    "can_cast",
    "finfo",
    "heat_type_is_complexfloating",
    "heat_type_is_exact",
    "heat_type_is_inexact",
    "heat_type_is_realfloating",
    "heat_type_of",
    "iinfo",
    "isdtype",
]

_KINDS: dict[str, tuple[str, ...]] = {
    "bool": (BOOL,),
    "signed integer": (SIGNED,),
    "unsigned integer": (UNSIGNED,),
    "integral": (SIGNED, UNSIGNED),
    "real floating": (REAL,),
    "complex floating": (COMPLEX,),
    "numeric": (SIGNED, UNSIGNED, REAL, COMPLEX),
}


@dataclass(frozen=True, slots=True)
class FInfo:
    """Limits of a floating-point type (of its real part, if complex)."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: DType

    @property
    def tiny(self) -> float:
        """NumPy's name of ``smallest_normal``."""
        return self.smallest_normal


@dataclass(frozen=True, slots=True)
class IInfo:
    """Limits of an integer type."""

    bits: int
    max: int
    min: int
    dtype: DType


def finfo(dtype: object) -> FInfo:
    """Limits of a floating-point type. Local."""
    chosen = canonical_heat_type(getattr(dtype, "dtype", dtype))
    if chosen.kind not in (REAL, COMPLEX):
        raise TypeError(f"{chosen.name} is not a floating-point type")
    info = torch.finfo(chosen.torch)
    real = {8: float32, 16: float64}[chosen.itemsize] if chosen.kind == COMPLEX else chosen
    return FInfo(info.bits, info.eps, info.max, info.min, info.smallest_normal, real)


def iinfo(dtype: object) -> IInfo:
    """Limits of an integer type. Local."""
    chosen = canonical_heat_type(getattr(dtype, "dtype", dtype))
    if chosen.kind not in (SIGNED, UNSIGNED):
        raise TypeError(f"{chosen.name} is not an integer type")
    info = torch.iinfo(chosen.torch)
    return IInfo(info.bits, info.max, info.min, chosen)


def isdtype(dtype: object, kind: object) -> builtins.bool:
    """Whether a type is of a kind: a name of the array API, a type, or a tuple of these. Local."""
    chosen = canonical_heat_type(dtype)
    if isinstance(kind, tuple):
        return builtins.any(isdtype(chosen, member) for member in kind)
    if isinstance(kind, str) and kind in _KINDS:
        return chosen.kind in _KINDS[kind]
    if isinstance(kind, str):
        raise ValueError(  # noqa: TRY004 - a string is the right type
            f"unknown kind {kind!r}; kinds are {', '.join(_KINDS)}"
        )
    return chosen is canonical_heat_type(kind)


def heat_type_of(obj: Any) -> DType:
    """The type that an array made of ``obj`` has. Local."""
    if hasattr(obj, "dtype"):
        return canonical_heat_type(obj.dtype)
    if isinstance(obj, (list, tuple)):
        leaves = list(_leaves(obj))
        return result_type(*leaves) if leaves else float32
    return result_type(obj)


def _leaves(obj: Any) -> Iterator[Any]:
    """What nested lists contain; Python scalars stay weak beside each other."""
    for item in obj:
        if isinstance(item, (list, tuple)):
            yield from _leaves(item)
        else:
            yield item


def heat_type_is_exact(dtype: object) -> builtins.bool:
    """Whether it is an integer type. Local."""
    return isdtype(dtype, "integral")


def heat_type_is_inexact(dtype: object) -> builtins.bool:
    """Whether it is a floating-point type, real or complex. Local."""
    return isdtype(dtype, ("real floating", "complex floating"))


def heat_type_is_realfloating(dtype: object) -> builtins.bool:
    """Whether it is a real floating-point type. Local."""
    return isdtype(dtype, "real floating")


def heat_type_is_complexfloating(dtype: object) -> builtins.bool:
    """Whether it is a complex type. Local."""
    return isdtype(dtype, "complex floating")


def can_cast(from_: Any, to: object, casting: str = "intuitive") -> builtins.bool:
    """Whether a cast is allowed under a rule. Local.

    Parameters
    ----------
    from_ : type, array or Python scalar
    to : type
    casting : {"intuitive", "safe", "same_kind", "unsafe", "no"}
        ``"safe"``: every value survives. ``"intuitive"``: safe, or the type to which promotion
        with ``to`` leads, as int32 to float32. ``"same_kind"``: safe, or within the kind, or from
        integers to floats. ``"no"``: equal types only.
    """
    source, target = heat_type_of(from_), canonical_heat_type(to)
    if casting not in ("intuitive", "safe", "same_kind", "unsafe", "no"):
        raise ValueError(f"unknown casting rule {casting!r}")
    if casting == "no" or source is target:
        return source is target
    if casting == "unsafe" or (casting == "same_kind" and _same_kind(source, target)):
        return True
    try:
        widened = promote_types(source, target) is target
    except TypeError:
        return False
    return widened and (casting == "intuitive" or _keeps_every_value(source, target))


def _same_kind(source: DType, target: DType) -> builtins.bool:
    order = {BOOL: 0, UNSIGNED: 1, SIGNED: 2, REAL: 3, COMPLEX: 4}
    return order[source.kind] <= order[target.kind]


def _keeps_every_value(source: DType, target: DType) -> builtins.bool:
    if source.kind not in (SIGNED, UNSIGNED) or target.kind not in (REAL, COMPLEX):
        return True
    if torch.finfo(target.torch).bits == 64:
        return True  # as NumPy has it, although float64 rounds integers above 2**53
    mantissa_bits = torch.finfo(target.torch).eps.as_integer_ratio()[1].bit_length()
    return 8 * source.itemsize - (source.kind == SIGNED) <= mantissa_bits
