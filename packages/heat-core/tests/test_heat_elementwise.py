"""Element-wise functions against NumPy, in every layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import heat_core as ht

UNARY = [
    *[
        "abs",
        "absolute",
        "negative",
        "positive",
        "sign",
        "square",
        "ceil",
        "floor",
        "trunc",
        "rint",
    ],
    *[
        "exp",
        "exp2",
        "expm1",
        "log1p",
        "sin",
        "cos",
        "tan",
        "sinh",
        "cosh",
        "tanh",
        "atan",
        "asinh",
        "deg2rad",
        "rad2deg",
    ],
    *["isfinite", "isinf", "isnan", "signbit", "logical_not", "sinc", "reciprocal"],
]
UNIT_INTERVAL = [
    "sqrt",
    "log",
    "log2",
    "log10",
    "asin",
    "acos",
    "atanh",
    "arcsin",
    "arccos",
    "arctanh",
]
BINARY = [
    *[
        "add",
        "subtract",
        "multiply",
        "divide",
        "floor_divide",
        "remainder",
        "fmod",
        "maximum",
        "minimum",
        "hypot",
    ],
    *[
        "copysign",
        "atan2",
        "logaddexp",
        "logaddexp2",
        "equal",
        "not_equal",
        "less",
        "less_equal",
        "greater",
    ],
    *["greater_equal", "logical_and", "logical_or", "logical_xor", "nextafter"],
]
BITWISE = ["bitwise_and", "bitwise_or", "bitwise_xor", "gcd", "lcm"]
NUMPY_NAMES = {
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "asinh": "arcsinh",
    "atanh": "arctanh",
    "atan2": "arctan2",
}


def numpy_function(name: str) -> Callable[..., Any]:
    return getattr(np, NUMPY_NAMES.get(name, name))


def sample(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape) * 3


@pytest.mark.parallel([1, 3])
@pytest.mark.parametrize("name", UNARY)
def test_unary(name: str, every_layout: Any, check: Any) -> None:
    data = sample(1, 5, 3)
    for x in every_layout(data):
        result = getattr(ht, name)(x)
        check(result, numpy_function(name)(data))
        assert result.layout == x.layout


@pytest.mark.parallel([1, 3])
@pytest.mark.parametrize("name", UNIT_INTERVAL)
def test_unary_of_the_unit_interval(name: str, every_layout: Any, check: Any) -> None:
    data = np.linspace(0.05, 0.95, 7)
    for x in every_layout(data):
        check(getattr(ht, name)(x), numpy_function(name)(data))


@pytest.mark.parallel([1, 3])
@pytest.mark.parametrize("name", BINARY)
def test_binary_in_all_pairs_of_layouts(name: str, every_layout: Any, check: Any) -> None:
    a, b = sample(1, 5, 3), sample(2, 5, 3)
    expected = numpy_function(name)(a, b)
    for x in every_layout(a):
        for y in every_layout(b, unbalanced=False):
            check(getattr(ht, name)(x, y), expected)


@pytest.mark.parallel([1, 3])
def test_binary_in_unbalanced_pairs(every_layout: Any, check: Any) -> None:
    a, b = sample(1, 5, 3), sample(2, 5, 3)
    for x in every_layout(a):
        for y in every_layout(b):
            before = x.layout, y.layout
            check(x - y, a - b)
            assert (x.layout, y.layout) == before


@pytest.mark.parallel([1, 3])
@pytest.mark.parametrize("dtype", ["int8", "int64", "uint8", "uint16", "uint32", "uint64"])
@pytest.mark.parametrize("name", BITWISE)
def test_integers(name: str, dtype: str, every_layout: Any, check: Any) -> None:
    a, b = np.arange(1, 7, dtype=dtype) * 3, np.arange(7, 1, -1).astype(dtype)
    for x in every_layout(a, unbalanced=False):
        result = getattr(ht, name)(x, ht.array(b))
        assert result.dtype == dtype
        check(result, getattr(np, name)(a, b))


@pytest.mark.parallel([1, 3])
@pytest.mark.parametrize("dtype", ["uint16", "uint32", "uint64"])
def test_wide_unsigned_arithmetic_wraps_and_orders(dtype: str, check: Any) -> None:
    largest = np.iinfo(dtype).max
    a = np.array([0, 1, largest // 2, largest - 1, largest], dtype=dtype)
    b = a[::-1].copy()
    x, y = ht.array(a, split=0), ht.array(b, split=0)
    for name in ("add", "subtract", "multiply", "less", "greater_equal", "equal", "maximum"):
        check(getattr(ht, name)(x, y), getattr(np, name)(a, b))
    check(ht.less(x, int(largest)), a < largest)
    check(x + 1, a + a.dtype.type(1))
    check(x.max(), a.max())
    check(x.argmax(), a.argmax())
    check(x.min(), a.min())
    check(x.sum(), a.sum(dtype=np.uint64))
    for name in ("floor_divide", "remainder", "gcd", "sign", "abs", "floor", "bitwise_right_shift"):
        others = () if name in ("sign", "abs", "floor") else (3,)
        check(getattr(ht, name)(x, *others), getattr(np, name)(a, *map(a.dtype.type, others)))
    with np.errstate(divide="ignore"):
        check(x // y, a // b)


@pytest.mark.parallel([1, 3])
def test_broadcasting(every_layout: Any, check: Any) -> None:
    for shape_a, shape_b in [((4, 3), (3,)), ((4, 1), (1, 5)), ((1,), (6,)), ((2, 3, 4), (3, 1))]:
        a, b = sample(1, *shape_a), sample(2, *shape_b)
        for x in every_layout(a):
            for y in every_layout(b):
                check(x * y, a * b)
    with pytest.raises(ValueError, match="broadcast"):
        ht.add(ht.ones(3, split=0), ht.ones(4, split=0))


@pytest.mark.parallel([1, 2])
def test_other_operands_are_taken_as_replicated(check: Any) -> None:
    """Pitfall 13: NumPy operands raised."""
    data = np.arange(6.0)
    x = ht.array(data, split=0)
    check(x + data, data + data)
    check(data + x, data + data)
    check(x + torch.from_numpy(data), data + data)
    check(ht.sin(data), np.sin(data))
    check(ht.add(1, 2), 3)
    with pytest.raises(TypeError):
        ht.add(x, "one")
    with pytest.raises(TypeError):
        x + [1, 2]  # noqa: RUF005


@pytest.mark.parallel([1, 3])
def test_operators(every_layout: Any, check: Any) -> None:
    a = np.arange(1, 8)
    for x in every_layout(a, unbalanced=False):
        check(x + 1, a + 1)
        check(1 + x, 1 + a)
        check(10 - x, 10 - a)
        check(x * 2.5, (a * 2.5).astype(np.float32))
        check(2 / x, 2 / a)
        check(x // 2, a // 2)
        check(-7 // x, -7 // a)
        check(-7 % x, -7 % a)
        check(x**2, a**2)
        check(2**x, 2**a)
        check(-x, -a)
        check(abs(-x), a)
        check(~x, ~a)
        check(x & 3, a & 3)
        check(3 | x, 3 | a)
        check(x ^ x, a ^ a)
        check(x << 1, a << 1)
        check(x >> 1, a >> 1)
        check(divmod(x, 3)[1], a % 3)
        check((x > 2) & (x <= 5), (a > 2) & (a <= 5))
        check(x == a, a == a)
        check(x != 3, a != 3)


@pytest.mark.parallel([1, 3])
def test_in_place_keeps_type_and_layout(every_layout: Any, check: Any) -> None:
    data, other = np.arange(6.0), np.arange(6.0)[::-1].copy()
    for x in every_layout(data):
        for y in every_layout(other):
            target, layout = x.copy(), x.layout
            alias = target
            target += y
            target *= 2
            assert alias is target
            assert target.layout == layout
            check(target, (data + other) * 2)
    integers = ht.arange(4, split=0)
    with pytest.raises(TypeError, match="does not fit"):
        integers += 0.5


@pytest.mark.parallel([1, 3])
def test_out_and_where(every_layout: Any, check: Any) -> None:
    a, mask = np.arange(6.0), np.arange(6) % 2 == 0
    for x in every_layout(a):
        for out in every_layout(np.full(6, -1.0)):
            target, layout = out.copy(), out.layout
            assert ht.multiply(x, 2, out=target, where=mask) is target
            assert target.layout == layout
            check(target, np.where(mask, a * 2, -1))
            ht.exp(x, out=target)
            check(target, np.exp(a))
    with pytest.raises(ValueError, match="out has shape"):
        ht.add(ht.ones(3), 1, out=ht.ones(4))


@pytest.mark.parallel([1, 2])
def test_types_of_results() -> None:
    def dtype_of(function: Any, *dtypes: Any) -> Any:
        return function(*(ht.ones(3, dtype=d, split=0) for d in dtypes)).dtype

    assert dtype_of(ht.add, ht.int8, ht.uint8) is ht.int16
    assert dtype_of(ht.add, ht.int64, ht.float32) is ht.float64
    assert dtype_of(ht.divide, ht.int32, ht.int32) is ht.float32
    assert dtype_of(ht.divide, ht.int64, ht.int64) is ht.float64
    assert dtype_of(ht.sin, ht.int32) is ht.float32
    assert dtype_of(ht.sin, ht.bfloat16) is ht.bfloat16
    assert dtype_of(ht.floor, ht.int32) is ht.int32
    assert dtype_of(ht.less, ht.int8, ht.float64) is ht.bool
    assert dtype_of(ht.abs, ht.complex64) is ht.float32
    with pytest.raises(TypeError, match="bitwise_and"):
        dtype_of(ht.bitwise_and, ht.float32, ht.float32)
    with pytest.raises(TypeError, match="uint64"):
        dtype_of(ht.add, ht.uint64, ht.int64)
    with pytest.raises(OverflowError):
        ht.ones(3, dtype=ht.int8) + 300


@pytest.mark.parallel([1, 2])
def test_integer_division_by_zero_is_zero_on_every_rank(check: Any) -> None:
    x = ht.array([7, 7, 7, 7], split=0)
    y = ht.array([2, 2, 2, 0], split=0)
    check(x // y, [3, 3, 3, 0])
    check(x % y, [1, 1, 1, 0])
    check(x // 0, [0, 0, 0, 0])


@pytest.mark.parallel([1, 3])
def test_rounding_and_clipping(every_layout: Any, check: Any) -> None:
    data = sample(3, 9)
    for x in every_layout(data):
        check(ht.round(x, 1), np.round(data, 1))
        check(ht.clip(x, -1, 1), np.clip(data, -1, 1))
        check(ht.clip(x, max=ht.zeros(9, dtype=ht.float64, split=0)), np.clip(data, None, 0))
        check(ht.clip(x), data)  # as in the array API standard: no limit, a copy


@pytest.mark.parallel([1, 3])
def test_closeness(every_layout: Any, check: Any) -> None:
    data = np.array([1.0, np.nan, np.inf, 2.0])
    for x in every_layout(data):
        check(ht.isclose(x, data + 1e-10), np.isclose(data, data + 1e-10))
        assert ht.allclose(x, data, equal_nan=True) is True
        assert ht.allclose(x, data) is False
        assert ht.array_equal(x, x, equal_nan=True)
        assert not ht.array_equal(x, x)
        check(ht.isposinf(x), np.isposinf(data))


@pytest.mark.parallel([1, 3])
@given(
    shape=st.lists(st.integers(0, 4), min_size=1, max_size=3),
    stretched=st.lists(st.booleans(), min_size=3, max_size=3),
    splits=st.tuples(st.integers(-1, 2), st.integers(-1, 2)),
)
def test_any_broadcast_and_split(
    shape: list[int], stretched: list[bool], splits: tuple[int, int], check: Any
) -> None:
    a = np.arange(np.prod(shape), dtype=np.int64).reshape(shape)
    other = [1 if stretch else n for n, stretch in zip(shape, stretched, strict=False)]
    b = np.arange(np.prod(other), dtype=np.int64).reshape(other)
    first, second = (None if s < 0 else s % len(shape) for s in splits)
    check(ht.array(a, split=first) - ht.array(b, split=second), a - b)


@pytest.mark.parallel(2)
def test_equal_layouts_need_no_messages() -> None:
    from mpi_utils import traffic

    x, y = ht.ones(10, split=0), ht.ones(10, split=0)
    with traffic(ht.get_comm()) as counted:
        x + y
        ht.sqrt(x) * 2 - y
    assert sum(counted.messages(op) for op in ("allreduce", "allgather", "exchange", "bcast")) == 0
