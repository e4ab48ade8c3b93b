"""Scans, differences, gradients and integrals against NumPy, in every layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import heat_core as ht
from mpi_utils import traffic

RANKS = [1, 3]


@pytest.mark.parallel(RANKS)
def test_every_axis(every_layout: Any, check: Any) -> None:
    rng = np.random.default_rng(5)
    data = rng.integers(-3, 4, (5, 2, 3))
    floats = rng.normal(size=(5, 2, 3)).astype("f4")
    floats[3, 1, 1] = np.nan
    for x, y in zip(every_layout(data), every_layout(floats), strict=True):
        for axis in (None, 0, 1, -1):
            check(ht.cumsum(x, axis), np.cumsum(data, axis))
            check(ht.cumprod(x, axis), np.cumprod(data, axis))
            check(ht.cumsum(y, axis), np.cumsum(floats, axis))
            check(ht.nancumsum(y, axis), np.nancumsum(floats, axis))
            check(ht.nancumprod(y, axis), np.nancumprod(floats, axis), rtol=1e-4)
            flat, along = (floats.ravel(), 0) if axis is None else (floats, axis)
            check(ht.cummax(y, axis), np.maximum.accumulate(flat, along))
            check(ht.cummin(y, axis), np.minimum.accumulate(flat, along))
        for axis in (0, 1, 2):
            result = ht.cumulative_sum(x, axis=axis, include_initial=True)
            check(result, np.cumulative_sum(data, axis=axis, include_initial=True))
            result = ht.cumulative_prod(x, axis=axis, include_initial=True)
            check(result, np.cumulative_prod(data, axis=axis, include_initial=True))
            assert ht.cumsum(x, axis).layout == x.layout
        check(x, data)
        check(y, floats)


@pytest.mark.parallel(RANKS)
def test_types(every_layout: Any, check: Any) -> None:
    for dtype in ("bool", "uint8", "int16", "uint32", "uint64", "float16", "complex64"):
        data = np.random.default_rng(5).integers(0, 3, 11).astype(dtype)
        for x in every_layout(data):
            result = ht.cumsum(x)
            check(result, np.cumsum(data))
            assert result.numpy().dtype == np.cumsum(data).dtype
            if dtype != "complex64":
                check(ht.cummax(x), np.maximum.accumulate(data))
                check(ht.cummin(x), np.minimum.accumulate(data))
            check(
                ht.cumsum(x, dtype=ht.float64),
                np.cumsum(data, dtype="c16" if "c" in dtype else "f8"),
            )
    check(ht.cumsum(ht.array(3)), [3])
    check(ht.cumsum(ht.zeros((0,), split=0)), [])
    with pytest.raises(ValueError, match="axis is needed"):
        ht.cumulative_sum(ht.ones((2, 2)))
    with pytest.raises(TypeError, match="order"):
        ht.cummax(ht.ones(2, dtype=ht.complex64))


@pytest.mark.parallel(RANKS)
def test_one_small_message(check: Any) -> None:
    x = ht.ones((1000, 3), split=0)
    with traffic(x.comm) as counted:
        ht.cumsum(x, 0)
    assert counted.bytes() <= 3 * 8
    with traffic(x.comm) as counted:
        ht.diff(x, axis=0)
    assert counted.bytes("exchange") <= 3 * 8
    assert counted.bytes() == counted.bytes("exchange")


@pytest.mark.parallel(RANKS)
def test_differences(every_layout: Any, check: Any) -> None:
    data = np.random.default_rng(5).integers(0, 9, (6, 2, 4))
    for x in every_layout(data):
        for axis in (0, 1, -1):
            for n in (0, 1, 2):
                check(ht.diff(x, n, axis), np.diff(data, n, axis))
            ends: dict[str, Any] = {"prepend": 7, "append": data[:1].repeat(2, 0)[:, :, ::-1]}
            if axis != 0:
                ends["append"] = 1.5
            if axis == 0:
                ends["append"] = np.ascontiguousarray(ends["append"])
            check(ht.diff(x, 2, axis, **ends), np.diff(data, 2, axis, **ends))
        check(ht.ediff1d(x), np.ediff1d(data))
        check(ht.ediff1d(x, 5, [1, 2]), np.ediff1d(data, 5, [1, 2]))
        check(ht.diff(x > 4, axis=0), np.diff(data > 4, axis=0))
        check(x, data)
    check(ht.diff(ht.ones(1, split=0)), [])
    check(ht.diff(ht.ones(2, split=0), 5), [])
    with pytest.raises(ValueError, match="at least 0"):
        ht.diff(ht.ones(3), -1)
    with pytest.raises(ValueError, match="does not fit"):
        ht.diff(ht.ones((3, 2)), prepend=np.ones((2, 2, 2)))


@pytest.mark.parallel(RANKS)
def test_gradients_and_integrals(every_layout: Any, check: Any) -> None:
    rng = np.random.default_rng(5)
    data = rng.normal(size=(7, 5))
    points = [np.cumsum(rng.uniform(0.5, 1.5, n)) for n in data.shape]
    for x in every_layout(data):
        for order in (1, 2):
            for args in ((), (0.5,), tuple(points), (2.0, points[1])):
                expected = np.gradient(data, *args, edge_order=order)
                for got, want in zip(
                    ht.gradient(x, *args, edge_order=order), expected, strict=True
                ):
                    check(got, want)
                    assert got.layout == x.layout
        check(ht.gradient(x, axis=1), np.gradient(data, axis=1))
        for axis in (0, 1):
            check(ht.trapezoid(x, axis=axis), np.trapezoid(data, axis=axis))
            expected = np.trapezoid(data, points[axis], axis=axis)
            check(ht.trapezoid(x, points[axis], axis=axis), expected)
            check(ht.trapezoid(x, ht.array(points[axis], split=0), axis=axis), expected)
        check(ht.trapezoid(x, x, axis=0), np.trapezoid(data, data, axis=0))
    with pytest.raises(ValueError, match="at least 3"):
        ht.gradient(ht.ones(2), edge_order=2)
