"""Kinds of data types: the abstract classes above them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from heat_core.dtypes.dtype import DType, canonical_heat_type

__all__ = [
    "Kind",
    "complexfloating",
    "flexible",
    "floating",
    "generic",
    "integer",
    "issubdtype",
    "number",
    "signedinteger",
    "unsignedinteger",
]


@dataclass(frozen=True, slots=True)
class Kind:
    """A set of data types, for ``issubdtype``."""

    name: str
    kinds: frozenset[str]

    def __repr__(self) -> str:
        return f"ht.{self.name}"


signedinteger = Kind("signedinteger", frozenset({"signed integer"}))
unsignedinteger = Kind("unsignedinteger", frozenset({"unsigned integer"}))
integer = Kind("integer", signedinteger.kinds | unsignedinteger.kinds)
floating = Kind("floating", frozenset({"real floating"}))
complexfloating = Kind("complexfloating", frozenset({"complex floating"}))
number = Kind("number", integer.kinds | floating.kinds | complexfloating.kinds)
generic = Kind("generic", number.kinds | {"bool"})
flexible = Kind("flexible", frozenset())  # NumPy's strings and records: there are none


def issubdtype(arg1: Any, arg2: Any) -> bool:
    """Whether a data type or kind is, or belongs to, another.

    Parameters
    ----------
    arg1, arg2 : data type or kind
        As ``ht.float32``, ``"f4"`` or ``ht.floating``.
    """
    if isinstance(arg2, Kind):
        if isinstance(arg1, Kind):
            return arg1.kinds <= arg2.kinds and (bool(arg1.kinds) or arg1 is arg2)
        return canonical_heat_type(arg1).kind in arg2.kinds
    if isinstance(arg1, Kind):
        return False
    found: DType = canonical_heat_type(arg1)
    return found is canonical_heat_type(arg2)
