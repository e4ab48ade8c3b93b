"""Histograms and reductions without NaN against NumPy, in every layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import heat_core as ht

RANKS = [1, 3]


@pytest.mark.parallel(RANKS)
def test_histograms(every_layout: Any, check: Any) -> None:
    rng = np.random.default_rng(5)
    data, factors = rng.normal(size=(9, 4)), rng.uniform(size=(9, 4))
    edges = [-1.0, 0.0, 0.25, 2.0]
    cases: list[dict[str, Any]] = [
        {}, {"bins": 4, "range": (-1, 1)}, {"bins": edges}, {"density": True, "bins": 3},
        {"weights": factors}, {"bins": edges, "weights": factors, "density": True},
    ]  # fmt: skip
    rules = ["auto", "doane", "fd", "rice", "scott", "sqrt", "sturges"]
    cases += [{"bins": rule} for rule in rules]
    for x in every_layout(data):
        for case in cases:
            for got, want in zip(ht.histogram(x, **case), np.histogram(data, **case), strict=True):
                check(got, want)
        check(ht.histogram_bin_edges(x, 6), np.histogram_bin_edges(data, 6))
        check(ht.histc(x, 5, -1, 1), np.histogram(data, 5, (-1, 1))[0].astype("f8"))
    for values in (np.arange(12) % 5, np.zeros((0,)), np.full(3, 2.0, "f4"), np.arange(4) > 1):
        expected = np.histogram(values.astype("u1") if values.dtype == bool else values)
        for x in every_layout(values):
            for got, want in zip(ht.histogram(x), expected, strict=True):
                check(got, want)
    with pytest.raises(ValueError, match="finite"):
        ht.histogram(ht.array([1.0, np.inf], split=0))
    with pytest.raises(ValueError, match="ascending"):
        ht.histogram(ht.ones(3), [1, 3, 2])
    with pytest.raises(ValueError, match="one of auto"):
        ht.histogram(ht.ones(3), "stone")


@pytest.mark.parallel(RANKS)
def test_counts(every_layout: Any, check: Any) -> None:
    rng = np.random.default_rng(5)
    data, factors = rng.integers(0, 9, 23).astype("u1"), rng.uniform(size=23)
    for x in every_layout(data):
        check(ht.bincount(x), np.bincount(data))
        check(ht.bincount(x, minlength=20), np.bincount(data, minlength=20))
        check(ht.bincount(x, ht.array(factors, split=0)), np.bincount(data, factors))
    check(ht.bincount(ht.zeros(0, dtype=ht.int32, split=0)), [])
    with pytest.raises(ValueError, match="negative"):
        ht.bincount(ht.array([3, 1, -2], split=0))
    with pytest.raises(TypeError, match="integers"):
        ht.bincount(ht.ones(2))


@pytest.mark.parallel(RANKS)
def test_grids(every_layout: Any, check: Any) -> None:
    rng = np.random.default_rng(5)
    points, factors = rng.normal(size=(17, 3)), rng.uniform(size=17)
    cases: list[dict[str, Any]] = [
        {"bins": 3}, {"bins": [2, 3, 4], "range": [(-1, 1), (0, 2), (-2, 0)]},
        {"bins": [[-1, 0, 2], [0, 1], [-2.0, 0, 1]], "weights": factors, "density": True},
    ]  # fmt: skip
    for x in every_layout(points):
        for case in cases:
            counts, edges = ht.histogramdd(x, **case)
            expected = np.histogramdd(points, **case)
            check(counts, expected[0])
            for got, want in zip(edges, expected[1], strict=True):
                check(got, want)
    pair = points[:, 0], points[:, 1]
    for x in every_layout(pair[0]):
        for bins in (4, [0.0, 0.5, 1.0], [2, 3]):
            result = ht.histogram2d(x, ht.array(pair[1], split=0), bins)
            for got, want in zip(result, np.histogram2d(*pair, bins), strict=True):
                check(got, want)


@pytest.mark.parallel(RANKS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_without_nan(every_layout: Any, check: Any) -> None:
    data = np.random.default_rng(5).normal(size=(6, 4, 3))
    data[[1, 2, 4, 5], [0, 3, 1, 1], [2, 0, 0, 1]] = np.nan
    holes = data.copy()
    holes[:, 1, 2] = np.nan
    names = ["nansum", "nanprod", "nanmin", "nanmax", "nanmean", "nanvar", "nanstd", "nanmedian"]
    whole = np.arange(24).reshape(6, 4)
    for axis in (None, 0, 1, -1):
        for x, y in zip(every_layout(holes), every_layout(data), strict=True):
            for name in names:
                check(getattr(ht, name)(x, axis), getattr(np, name)(holes, axis))
            check(ht.nanmean(x, axis, keepdims=True), np.nanmean(holes, axis, keepdims=True))
            check(ht.nanvar(x, axis, ddof=1), np.nanvar(holes, axis, ddof=1))
            for q in (30, [0, 55.5, 100]):
                check(ht.nanpercentile(x, q, axis), np.nanpercentile(holes, q, axis))
            check(ht.nanargmin(y, axis), np.nanargmin(data, axis))
            check(ht.nanargmax(y, axis), np.nanargmax(data, axis))
            check(x, holes)
    for x in every_layout(whole):
        for name in names:
            check(getattr(ht, name)(x, 0), getattr(np, name)(whole, 0))
            check(getattr(ht, name)(x), getattr(np, name)(whole))
        check(ht.ptp(x, 1), np.ptp(whole, 1))
        check(ht.count_nonzero(x), np.count_nonzero(whole))
        check(ht.count_nonzero(x, 0), np.count_nonzero(whole, 0))
    empty = ht.array(np.full((3, 2), np.nan), split=0)
    check(ht.nanmedian(empty), np.nan)
    with pytest.raises(ValueError, match="nothing but NaN"):
        ht.nanargmax(empty, 0)
