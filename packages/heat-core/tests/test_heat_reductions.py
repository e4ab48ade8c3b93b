"""Reductions, positions of extremes, moments and covariances against NumPy, in every layout."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import scipy.stats

import heat_core as ht

RANKS = [1, 3]
SHAPE = (5, 3, 4)
AXES: list[Any] = [
    None,
    *range(3),
    -1,
    *(pair for n in (0, 2, 3) for pair in combinations(range(3), n)),
]


def sample(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).normal(size=shape)


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("name", ["sum", "prod", "min", "max", "mean", "var", "std"])
def test_every_axis_and_layout(name: str, every_layout: Any, check: Any) -> None:
    data = sample(*SHAPE)
    for x in every_layout(data):
        for axis in AXES:
            result = getattr(ht, name)(x, axis=axis)
            check(result, getattr(np, name)(data, axis=axis))
            reduced = range(3) if axis is None else {a % 3 for a in np.atleast_1d(axis)}
            assert (result.split is None) == (x.split is None or x.split in reduced)
        check(
            getattr(ht, name)(x, axis=1, keepdims=True), getattr(np, name)(data, 1, keepdims=True)
        )


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("name", ["all", "any"])
def test_truth(name: str, every_layout: Any, check: Any) -> None:
    for data in (np.array([[0, 1, 1], [1, 1, 1], [0, 0, 1]]), np.zeros((0, 3)), np.ones((4, 1))):
        for x in every_layout(data):
            for axis in (None, 0, 1):
                check(getattr(ht, name)(x, axis), getattr(np, name)(data, axis))


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "uint16", "uint64", "bool"])
def test_integers_are_summed_in_64_bits(dtype: str, every_layout: Any, check: Any) -> None:
    data = np.array([[100, 101, 1], [2, 120, 90]]).astype(dtype)
    for x in every_layout(data):
        total = ht.sum(x, 0)
        assert total.dtype == data.sum(0).dtype
        check(total, data.sum(0))
        check(ht.prod(x), data.prod())
        check(ht.max(x, 1), data.max(1))


@pytest.mark.parallel(RANKS)
def test_half_precision_is_summed_in_single() -> None:
    """Pitfall 1: float16 was summed over ranks as if it were int16."""
    for dtype in (ht.float16, ht.bfloat16):
        total = ht.ones(1000, dtype=dtype, split=0).sum()
        assert total.dtype is dtype
        assert total.item() == 1000
        assert ht.ones(1000, dtype=dtype, split=0).mean().item() == 1


@pytest.mark.parallel(RANKS)
def test_nan_anywhere_is_nan_everywhere(every_layout: Any, check: Any) -> None:
    """Pitfall 4: the part of the rank with the NaN was ignored."""
    data = np.array([1.0, 2.0, 3.0, np.nan, 5.0])
    for x in every_layout(data):
        for name in ("sum", "mean", "var", "std", "min", "max", "median"):
            assert math.isnan(getattr(ht, name)(x).item()), name
        assert ht.argmax(x).item() == ht.argmin(x).item() == 3


@pytest.mark.parallel(RANKS)
def test_double_precision_is_kept(every_layout: Any) -> None:
    """Pitfall 5: mean and variance of float64 were computed in float32."""
    data = 1e8 + np.array([0.0, 0.25, 0.5, 1.0])
    for x in every_layout(data):
        assert ht.mean(x).dtype is ht.float64
        assert ht.mean(x).item() == data.mean()
        assert ht.var(x).item() == pytest.approx(data.var(), rel=1e-12)


@pytest.mark.parallel([1, 3])
def test_moments_of_long_narrow_tables(check: Any) -> None:
    a = np.random.default_rng(2).normal(5, 2, (360_017, 3)).astype(np.float32)
    a[:, 1] = 1e4
    # Rows from which the mean may be guessed are far from it.
    a[::351, 2] = a[::117, 2] = -1e4
    x, exact = ht.array(a, split=0), a.astype(np.float64)
    check(ht.mean(x, axis=0), exact.mean(0), rtol=1e-6)
    check(ht.mean(x, axis=0, keepdims=True), exact.mean(0, keepdims=True), rtol=1e-6)
    check(ht.var(x, axis=0), exact.var(0), rtol=1e-5, atol=1e-9)
    check(ht.std(x[:, :1], axis=0), exact[:, :1].std(0), rtol=1e-5)
    nan = ht.array(np.where(np.arange(360_017)[:, None] == 7, np.nan, a), split=0)
    assert np.isnan(ht.var(nan, axis=0).numpy()).all()


@pytest.mark.parallel(RANKS)
def test_variance_of_single_precision_far_from_zero(every_layout: Any) -> None:
    data = (1e4 + np.random.default_rng(0).normal(size=200) * 1e-1).astype(np.float32)
    for x in every_layout(data, unbalanced=False):
        expected = data.astype(np.float64).var()
        assert ht.var(x).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parallel(RANKS)
def test_large_blocks_agree_with_numpy() -> None:
    data = np.random.default_rng(0).normal(3, 2, (90_000, 2)).astype(np.float32)
    x = ht.array(data, split=0)
    exact = data.astype(np.float64)
    np.testing.assert_allclose(ht.std(x, 0).numpy(), exact.std(0), rtol=1e-6)
    np.testing.assert_allclose(ht.var(x).item(), exact.var(), rtol=1e-6)
    np.testing.assert_allclose(
        ht.skew(x, 0).numpy(), scipy.stats.skew(exact, 0, bias=False), rtol=1e-3, atol=1e-4
    )
    wide = ht.array(np.ascontiguousarray(data.T), split=1)
    np.testing.assert_allclose(ht.var(wide, 1).numpy(), exact.var(0), rtol=1e-6)
    np.testing.assert_allclose(ht.var(wide, 0).numpy(), exact.var(1), rtol=1e-4, atol=1e-9)


@pytest.mark.parallel(RANKS)
def test_higher_moments(every_layout: Any, check: Any) -> None:
    data = np.random.default_rng(3).exponential(size=(9, 6))
    for x in every_layout(data):
        for axis in (None, 0, 1):
            for bias in (True, False):
                check(ht.skew(x, axis, unbiased=not bias), scipy.stats.skew(data, axis, bias=bias))
                check(
                    ht.kurtosis(x, axis, unbiased=not bias),
                    scipy.stats.kurtosis(data, axis, bias=bias),
                )
        found = ht.moments(x, 0)
        assert found.n == 9
        for power, part in zip((2, 3, 4), (found.m2, found.m3, found.m4), strict=True):
            check(part, ((data - data.mean(0)) ** power).sum(0))
        check(found.mean, data.mean(0))
        check(ht.kurtosis(x, fischer=False), scipy.stats.kurtosis(data, None, False, bias=False))
    with pytest.raises(ValueError, match="order"):
        ht.moments(ht.ones(3), order=5)


@pytest.mark.parallel(RANKS)
def test_variance_of_complex_numbers(every_layout: Any, check: Any) -> None:
    data = np.random.default_rng(3).normal(size=(6, 2, 2)).view(np.complex128)[..., 0]
    for x in every_layout(data):
        check(ht.mean(x, 0), data.mean(0))
        result = ht.var(x, 0)
        assert result.dtype is ht.float64
        check(result, data.var(0))
    with pytest.raises(TypeError):
        ht.max(ht.array(data))


@pytest.mark.parallel(RANKS)
def test_degrees_of_freedom(every_layout: Any, check: Any) -> None:
    data = sample(6)
    for x in every_layout(data):
        check(ht.var(x, ddof=1), data.var(ddof=1))
        check(ht.std(x, correction=2), data.std(ddof=2))
    with pytest.raises(TypeError, match="the same"):
        ht.var(ht.ones(3), ddof=1, correction=1)


@pytest.mark.parallel(RANKS)
def test_empty_arrays() -> None:
    empty = ht.zeros((0, 3), split=0)
    assert ht.sum(empty).item() == 0
    assert ht.prod(empty, 0).tolist() == [1, 1, 1]
    assert math.isnan(ht.mean(empty).item())
    assert math.isnan(ht.var(empty).item())
    for function in (ht.max, ht.min, ht.argmax, ht.median):
        with pytest.raises(ValueError, match="no elements"):
            function(empty)
    assert ht.max(empty, 1).shape == (0,)
    assert ht.max(empty, initial=3.0).item() == 3


@pytest.mark.parallel(RANKS)
def test_zero_dimensions_and_keywords(every_layout: Any, check: Any) -> None:
    assert ht.sum(ht.array(3.0)).item() == 3
    assert ht.var(ht.array(3.0)).item() == 0
    assert ht.argmax(ht.array(3.0)).item() == 0
    data = sample(5, 3)
    mask = data > 0
    for x in every_layout(data):
        check(ht.sum(x, 0, where=mask), data.sum(0, where=mask))
        check(ht.max(x, where=mask, initial=-1), data.max(where=mask, initial=-1))
        check(ht.sum(x, initial=10), data.sum() + 10)
        check(ht.sum(x, dtype=ht.float32), data.sum(dtype=np.float32))
        out = ht.empty(3, dtype=ht.float64, split=0)
        assert ht.sum(x, 0, out=out) is out
        check(out, data.sum(0))
    assert ht.sum(ht.ones(4), dtype=ht.int32).dtype is ht.int32
    with pytest.raises(ValueError, match="twice"):
        ht.sum(ht.ones((2, 2)), axis=(0, 0))
    with pytest.raises(ht.AxisError):
        ht.sum(ht.ones((2, 2)), axis=2)


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("dtype", ["float32", "int64", "uint8", "bool", "uint64", "int8"])
def test_positions_of_extremes(dtype: str, every_layout: Any, check: Any) -> None:
    """Among equals the lowest position counts (pitfalls 7 and 17)."""
    data = np.array([[3, 1, 3, 0], [3, 0, 2, 1], [1, 0, 3, 3]]).astype(dtype)
    for x in every_layout(data):
        for axis in (None, 0, 1):
            for name in ("argmin", "argmax"):
                result = getattr(ht, name)(x, axis)
                assert result.dtype is ht.int64
                check(result, getattr(np, name)(data, axis))
        check(ht.argmax(x, 0, keepdims=True), np.argmax(data, 0, keepdims=True))
        check(ht.argmin(x, keepdims=True), np.argmin(data, keepdims=True))


@pytest.mark.parallel(RANKS)
def test_positions_are_exact_beyond_doubles(every_layout: Any) -> None:
    """Pitfall 8: extremes went through float64."""
    data = np.array([2**60, 2**60 + 1, 2**60 - 1, 2**60 + 1])
    for x in every_layout(data):
        assert ht.argmax(x).item() == 1
        assert ht.argmin(x).item() == 2
        assert ht.max(x).item() == 2**60 + 1


@pytest.mark.parallel(RANKS)
def test_covariance(every_layout: Any, check: Any) -> None:
    data, other = sample(3, 8), np.random.default_rng(1).normal(size=(2, 8))
    for x in every_layout(data):
        layout = x.layout
        check(ht.cov(x), np.cov(data))
        check(ht.cov(x, ddof=0), np.cov(data, ddof=0))
        check(ht.cov(x, rowvar=False), np.cov(data, rowvar=False))
        check(ht.corrcoef(x), np.corrcoef(data))
        for y in every_layout(other, unbalanced=False):
            check(ht.cov(x, y), np.cov(data, other))
        assert x.layout == layout
    for x in every_layout(data[0]):
        check(ht.cov(x), np.cov(data[0]))
        check(ht.corrcoef(x, ht.array(data[1])), np.corrcoef(data[0], data[1]))


@pytest.mark.parallel(RANKS)
def test_average(every_layout: Any, check: Any) -> None:
    data, weights = sample(5, 3), np.arange(1.0, 6)
    for x in every_layout(data):
        check(ht.average(x), data.mean())
        for w in every_layout(weights):
            result, total = ht.average(x, axis=0, weights=w, returned=True)
            check(result, np.average(data, axis=0, weights=weights))
            check(total, np.full(3, weights.sum()))
        check(ht.average(x, weights=np.abs(data)), np.average(data, weights=np.abs(data)))
        with pytest.raises(ValueError, match="do not fit"):
            ht.average(x, axis=1, weights=weights)
        with pytest.raises(ZeroDivisionError):
            ht.average(x, axis=0, weights=np.zeros(5))


@pytest.mark.parallel(3)
def test_a_sum_is_one_message() -> None:
    from mpi_utils import traffic

    x = ht.ones((30, 4), split=0)
    with traffic(ht.get_comm()) as counted:
        x.sum()
        x.sum(axis=1)
    assert counted.messages("allreduce") == 1
    with traffic(ht.get_comm()) as counted:
        x.var(axis=0)
    assert counted.messages("allreduce") == 2
