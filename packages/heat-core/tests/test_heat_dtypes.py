"""Data types and their promotion, against NumPy where the rules agree."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

import heat_core as ht
from heat_core.dtypes import ALL_DTYPES

INTEGERS = [d for d in ALL_DTYPES if ht.isdtype(d, "integral")]
FLOATS = [ht.float32, ht.float64]


@pytest.mark.parametrize("dtype", ALL_DTYPES, ids=lambda d: d.name)
def test_names_of_a_type(dtype: ht.datatype) -> None:
    assert ht.canonical_heat_type(dtype.name) is dtype
    assert ht.canonical_heat_type(dtype.torch) is dtype
    assert dtype == dtype.torch
    assert dtype == dtype.name
    assert pickle.loads(pickle.dumps(dtype)) is dtype
    if dtype.numpy is not None:
        assert ht.canonical_heat_type(dtype.numpy) is dtype
        assert ht.canonical_heat_type(dtype.numpy.str) is dtype
        assert dtype.itemsize == dtype.numpy.itemsize


def test_codes_are_unique() -> None:
    assert len({dtype.char for dtype in ALL_DTYPES}) == len(ALL_DTYPES)


def test_python_types_and_nonsense() -> None:
    assert ht.canonical_heat_type(int) is ht.int64
    assert ht.canonical_heat_type(float) is ht.float32
    assert ht.canonical_heat_type(complex) is ht.complex64
    for nonsense in ("float31", None, 3, torch.quint8):
        with pytest.raises(TypeError):
            ht.canonical_heat_type(nonsense)


def test_integers_promote_as_in_numpy() -> None:
    for a in INTEGERS:
        for b in INTEGERS:
            if ht.uint64 in (a, b) and "signed integer" in (a.kind, b.kind):
                with pytest.raises(TypeError, match="uint64"):
                    ht.promote_types(a, b)
            else:
                assert ht.promote_types(a, b) == np.promote_types(a.numpy, b.numpy)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("bool", "int8", "int8"),
        ("bool", "complex64", "complex64"),
        ("int32", "float32", "float32"),
        ("int64", "float32", "float64"),
        ("uint32", "float32", "float64"),
        ("uint64", "float32", "float64"),
        ("uint16", "float32", "float32"),
        ("int16", "float16", "float16"),
        ("int32", "float16", "float32"),
        ("int16", "bfloat16", "bfloat16"),
        ("float16", "bfloat16", "float32"),
        ("bfloat16", "float64", "float64"),
        ("int32", "complex64", "complex64"),
        ("int64", "complex64", "complex128"),
        ("float64", "complex64", "complex128"),
        ("float16", "complex64", "complex64"),
    ],
)
def test_mixed_kinds(a: str, b: str, expected: str) -> None:
    assert ht.promote_types(a, b) is ht.canonical_heat_type(expected)
    assert ht.promote_types(b, a) is ht.canonical_heat_type(expected)


def test_scalars_are_weak() -> None:
    assert ht.result_type(ht.int8, 1) is ht.int8
    assert ht.result_type(ht.int8, 1.0) is ht.float32
    assert ht.result_type(ht.float16, 1.0) is ht.float16
    assert ht.result_type(ht.float64, 1j) is ht.complex128
    assert ht.result_type(ht.bool, 1) is ht.int64
    assert ht.result_type(ht.uint8, True) is ht.uint8
    assert ht.result_type(1, 2.0) is ht.float32
    with pytest.raises(OverflowError):
        ht.result_type(ht.int8, 128)
    with pytest.raises(OverflowError):
        ht.result_type(ht.uint64, -1)


def test_default_type() -> None:
    with ht.config(default_dtype="float64"):
        assert ht.result_type(ht.int8, 1.0) is ht.float64
    ht.set_default_dtype(ht.float64)
    try:
        assert ht.result_type(2.0) is ht.float64
    finally:
        ht.set_default_dtype("float32")
    with pytest.raises(TypeError):
        ht.set_default_dtype(ht.int32)
    with pytest.raises(TypeError, match="no such settings"), ht.config(nonsense=1):
        pass


def test_can_cast_follows_numpy_where_it_is_safe() -> None:
    for a in INTEGERS + FLOATS:
        for b in INTEGERS + FLOATS:
            assert ht.can_cast(a, b, "safe") == np.can_cast(a.numpy, b.numpy, "safe")
    assert ht.can_cast(ht.int32, ht.float32)
    assert not ht.can_cast(ht.int32, ht.float32, "safe")
    assert ht.can_cast(ht.float64, ht.float32, "same_kind")
    assert not ht.can_cast(ht.float64, ht.int64, "same_kind")
    assert ht.can_cast(ht.complex64, ht.bool, "unsafe")
    with pytest.raises(ValueError, match="casting"):
        ht.can_cast(ht.int8, ht.int8, "maybe")


def test_limits() -> None:
    assert ht.finfo(ht.float32).eps == np.finfo(np.float32).eps
    assert ht.finfo(ht.complex128).dtype is ht.float64
    assert ht.iinfo("uint16").max == 65535
    with pytest.raises(TypeError):
        ht.finfo(ht.int8)
    with pytest.raises(TypeError):
        ht.iinfo(ht.float32)


def test_kinds() -> None:
    assert ht.isdtype(ht.uint8, "integral")
    assert ht.isdtype(ht.float32, ("integral", ht.float32))
    assert not ht.isdtype(ht.bool, "numeric")
    with pytest.raises(ValueError, match="unknown kind"):
        ht.isdtype(ht.bool, "number")
