"""Local kernels that treat long arrays in another way than short ones, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import heat_core as ht
from heat_core.dispatch.bins import count_in_bins
from heat_core.dispatch.rows import over_rows, rows_together
from heat_core.indexing.choose import choose

SHAPES = [(5000,), (4, 5001), (70_001, 9), (2, 4501, 2)]


def numbers(shape: tuple[int, ...], kind: str) -> Any:
    rng = np.random.default_rng(sum(shape))
    values = rng.integers(-50, 50, shape)  # with many equal extremes
    if kind == "bool":
        return values > 20
    if kind == "int64":
        return values
    values = values.astype(np.float32)
    values[rng.random(shape) < (1e-4 if kind == "NaN" else 0)] = np.nan
    return values


@pytest.mark.parallel([1, 2])
@pytest.mark.parametrize("kind", ["int64", "NaN", "bool"])
@pytest.mark.parametrize("shape", SHAPES)
def test_long_axes(shape: tuple[int, ...], kind: str, check: Any) -> None:
    data = numbers(shape, kind)
    for x in (ht.array(data, split=0), ht.array(data, split=len(shape) - 1)):
        for axis in (None, 0, len(shape) - 1):
            for name in ("argmax", "argmin", "max", "all", "sum"):
                check(getattr(ht, name)(x, axis=axis), getattr(np, name)(data, axis=axis))


def test_rows_are_joined_where_it_pays() -> None:
    assert rows_together(18, 1_000_000) == 32  # 576 elements
    assert [rows_together(*given) for given in ((18, 100), (600, 10**6), (2000, 10**6))] == [
        1,
        1,
        1,
    ]
    total = over_rows(lambda x, axes, keepdims: torch.sum(x, axes, keepdim=keepdims))
    x = torch.arange(50_003 * 3).reshape(-1, 3)
    assert total(x, (0,), True).tolist() == x.sum(0, keepdim=True).tolist()
    assert total(x.T, (0,), False).tolist() == x.T.sum(0).tolist()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("low", "high", "n"), [(0, 1, 100), (-3, 3, 7), (1e4, 1e4 + 1, 10), (0, 1, 3000), (-1, 0.3, 10)]
)
def test_elements_beside_edges_are_counted_where_numpy_does(
    dtype: str, low: float, high: float, n: int
) -> None:
    rng = np.random.default_rng(n)
    edges = np.linspace(low, high, n + 1, dtype=dtype)
    around = [np.nextafter(edges, to, dtype=dtype) for to in (-np.inf, np.inf)]
    spread = (rng.random(200_000) * 1.2 - 0.1) * (high - low) + low
    values = np.concatenate([edges, *around, spread.astype(dtype), [np.nan, np.inf, -np.inf]])
    values = values.astype(dtype)
    np.testing.assert_array_equal(count_in_bins(values, edges), np.histogram(values, edges)[0])


@pytest.mark.parametrize("dtype", ["bool", "int8", "int16", "int64", "float32", "float64"])
def test_choosing_by_bits(dtype: str) -> None:
    rng = np.random.default_rng(2)
    n = (1 << 17) + 5
    mask = torch.from_numpy(rng.random(n) < 0.5)
    a, b = (torch.from_numpy(rng.normal(size=n) * 9).to(getattr(torch, dtype)) for _ in range(2))
    if a.is_floating_point():
        a[::5], b[::7] = torch.nan, -0.0
    for first, second in ((a, b), (a, b[3]), (a[0], b)):
        expected = torch.where(mask, first, second).numpy().tobytes()
        assert choose(mask, first, second).numpy().tobytes() == expected
    square, row = mask[: 1 << 16].reshape(256, 256), torch.arange(256)
    assert torch.equal(choose(square, row, -row), torch.where(square, row, -row))


@pytest.mark.parallel([1, 2])
@pytest.mark.parametrize("dtype", ["int8", "int64", "uint16", "uint64"])
def test_integers_close_together_are_counted(dtype: str, every_layout: Any, check: Any) -> None:
    rng = np.random.default_rng(3)
    low = {"int8": -128, "int64": -(2**63), "uint16": 0, "uint64": 2**63}[dtype]
    data = np.array([low + int(n) for n in rng.integers(0, 50, 400)], dtype=dtype)
    expected = np.unique(data, return_index=True, return_inverse=True, return_counts=True)
    for x in every_layout(data):
        found = ht.unique(x, return_index=True, return_inverse=True, return_counts=True)
        for part, wanted in zip(found, expected, strict=True):
            check(part, wanted)


@pytest.mark.parallel([1, 2])
@pytest.mark.parametrize("dtype", ["uint16", "uint32", "uint64"])
def test_arrays_without_elements_are_repeated(dtype: str, check: Any) -> None:
    for split in (None, 0):
        empty = ht.zeros(0, dtype=dtype, split=split)
        check(ht.tile(empty, 3), np.zeros(0))
        line = ht.zeros(1, dtype=dtype, split=split)
        check(ht.take_along_axis(line, ht.zeros(0, dtype=ht.int64, split=split)), np.zeros(0))
        check(ht.delete(line, 0), np.zeros(0))
