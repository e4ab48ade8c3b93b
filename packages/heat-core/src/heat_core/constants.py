"""Mathematical constants, and further names of data types."""

from __future__ import annotations

import math

from heat_core.dtypes import (
    bool_,
    complex64,
    complex128,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
)

__all__ = [
    "Euler",
    "Inf",
    "Infinity",
    "Infty",
    "NaN",
    "bool",
    "byte",
    "cdouble",
    "cfloat",
    "csingle",
    "double",
    "e",
    "euler_gamma",
    "float",
    "float_",
    "half",
    "inf",
    "int",
    "int_",
    "long",
    "nan",
    "newaxis",
    "pi",
    "short",
    "ubyte",
]

pi = math.pi
e = math.e
inf = Inf = Infinity = Infty = math.inf
nan = NaN = math.nan
Euler = math.e
euler_gamma = 0.5772156649015329
newaxis = None
bool = bool_  # noqa: A001 - names that NumPy users know; star-import leaves these three out
int = int_ = int32  # noqa: A001
float = float_ = float32  # noqa: A001
byte, short, long, ubyte = int8, int16, int64, uint8
half, double = float16, float64
cfloat = csingle = complex64
cdouble = complex128
