"""The data types: one unique object each, and what counts as a name of it."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch

__all__ = [
    "ALL_DTYPES",
    "DType",
    "canonical_heat_type",
    "from_torch",
]


class DType:
    """A data type. Calling it casts: ``ht.float32(x)``.

    Parameters
    ----------
    name : str
        Name in NumPy and the array API standard.
    char : str
        Array-protocol code such as ``"f4"``; unique.
    kind : str
        ``"bool"``, ``"signed integer"``, ``"unsigned integer"``, ``"real floating"`` or
        ``"complex floating"``, the names of the array API standard.
    torch_dtype : torch.dtype
        The type of the local tensors.
    numpy_dtype : numpy.dtype or None
        None for bfloat16, which NumPy does not have.
    """

    __slots__ = ("char", "itemsize", "kind", "name", "numpy", "torch")

    factory: ClassVar[Callable[..., Any]]
    """Makes an array of anything; set where arrays are created, further up in the package."""

    def __init__(
        self,
        name: str,
        char: str,
        kind: str,
        torch_dtype: torch.dtype,
        numpy_dtype: np.dtype[Any] | None,
    ) -> None:
        self.name = name
        self.char = char
        self.kind = kind
        self.itemsize = torch_dtype.itemsize
        self.torch = torch_dtype
        self.numpy = numpy_dtype

    def __call__(self, value: object = 0, **placement: Any) -> Any:
        """An array of this type made of ``value``; keywords are those of ``array``."""
        return DType.factory(value, dtype=self, **placement)

    def torch_type(self) -> torch.dtype:
        """The type of the local tensors."""
        return self.torch

    def __repr__(self) -> str:
        return f"ht.{self.name}"

    __str__ = __repr__

    def __eq__(self, other: object) -> builtins.bool:
        if isinstance(other, DType):
            return self is other
        try:
            return canonical_heat_type(other) is self
        except TypeError:
            return False

    def __hash__(self) -> builtins.int:
        return hash(self.name)

    def __reduce__(self) -> tuple[Callable[[object], DType], tuple[str]]:
        # Unpickled types must be the unique objects.
        return canonical_heat_type, (self.name,)


BOOL, SIGNED, UNSIGNED = "bool", "signed integer", "unsigned integer"
REAL, COMPLEX = "real floating", "complex floating"

bool_ = DType("bool", "b1", BOOL, torch.bool, np.dtype(np.bool_))
int8 = DType("int8", "i1", SIGNED, torch.int8, np.dtype(np.int8))
int16 = DType("int16", "i2", SIGNED, torch.int16, np.dtype(np.int16))
int32 = DType("int32", "i4", SIGNED, torch.int32, np.dtype(np.int32))
int64 = DType("int64", "i8", SIGNED, torch.int64, np.dtype(np.int64))
uint8 = DType("uint8", "u1", UNSIGNED, torch.uint8, np.dtype(np.uint8))
uint16 = DType("uint16", "u2", UNSIGNED, torch.uint16, np.dtype(np.uint16))
uint32 = DType("uint32", "u4", UNSIGNED, torch.uint32, np.dtype(np.uint32))
uint64 = DType("uint64", "u8", UNSIGNED, torch.uint64, np.dtype(np.uint64))
float16 = DType("float16", "f2", REAL, torch.float16, np.dtype(np.float16))
bfloat16 = DType("bfloat16", "bf2", REAL, torch.bfloat16, None)
float32 = DType("float32", "f4", REAL, torch.float32, np.dtype(np.float32))
float64 = DType("float64", "f8", REAL, torch.float64, np.dtype(np.float64))
complex64 = DType("complex64", "c8", COMPLEX, torch.complex64, np.dtype(np.complex64))
complex128 = DType("complex128", "c16", COMPLEX, torch.complex128, np.dtype(np.complex128))

ALL_DTYPES: tuple[DType, ...] = (
    *(bool_, int8, int16, int32, int64, uint8, uint16, uint32, uint64),
    *(float16, bfloat16, float32, float64, complex64, complex128),
)

from_torch: dict[torch.dtype, DType] = {dtype.torch: dtype for dtype in ALL_DTYPES}
"""The type of a torch type; a dictionary, because every operation asks."""

_ALIASES: dict[str, DType] = {
    **dict.fromkeys(("bool_", "?", "b1"), bool_),
    **dict.fromkeys(("ubyte",), uint8),
    **dict.fromkeys(("byte",), int8),
    **dict.fromkeys(("short",), int16),
    **dict.fromkeys(("int", "int_"), int32),
    **dict.fromkeys(("long",), int64),
    **dict.fromkeys(("half",), float16),
    **dict.fromkeys(("float", "float_"), float32),
    **dict.fromkeys(("double",), float64),
    **dict.fromkeys(("cfloat", "csingle"), complex64),
    **dict.fromkeys(("cdouble",), complex128),
}
_BY_NAME: dict[str, DType] = (
    {dtype.name: dtype for dtype in ALL_DTYPES}
    | {dtype.char: dtype for dtype in ALL_DTYPES}
    | _ALIASES
)
_PYTHON_TYPES: dict[object, DType] = {
    builtins.bool: bool_,
    builtins.int: int64,
    builtins.float: float32,
    builtins.complex: complex64,
}


def canonical_heat_type(obj: object) -> DType:
    """The data type that ``obj`` names. Local.

    Parameters
    ----------
    obj : DType, torch.dtype, anything that NumPy takes as a dtype, or a Python scalar type
        Python's ``int`` is int64, ``float`` float32 and ``complex`` complex64.

    Raises
    ------
    TypeError
        If there is no such data type.
    """
    if isinstance(obj, DType):
        return obj
    if isinstance(obj, torch.dtype) and obj in from_torch:
        return from_torch[obj]
    if isinstance(obj, str) and obj in _BY_NAME:
        return _BY_NAME[obj]
    if isinstance(obj, type) and obj in _PYTHON_TYPES:
        return _PYTHON_TYPES[obj]
    if obj is not None:
        try:
            return _BY_NAME[np.dtype(obj).name]  # type: ignore[call-overload]
        except (TypeError, KeyError, ValueError, SyntaxError):  # the last for ",n6", say
            pass
    raise TypeError(f"{obj!r} is not a data type of heat_core")
