"""Distinct elements, set operations and searching against NumPy, in every layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import heat_core as ht
from mpi_utils import traffic

RANKS = [1, 3]


@pytest.mark.parallel(RANKS)
def test_unique_elements(every_layout: Any, check: Any) -> None:
    rng = np.random.default_rng(5)
    floats = rng.integers(0, 6, (7, 3)).astype("f4")
    floats[[1, 4], [2, 0]] = np.nan
    cases = [rng.integers(0, 9, (7, 3)), floats, np.zeros((0, 2)), rng.integers(0, 2, 9) > 0]
    cases += [rng.integers(2**63, 2**63 + 4, 11, dtype="u8"), (floats + 1j).astype("c8")]
    for data in cases:
        expected = np.unique(data, True, True, True)
        for x in every_layout(data):
            layout = x.layout
            found = ht.unique(
                x, return_inverse=True, return_index=True, return_counts=True, equal_nan=True
            )
            for got, want in zip(found, expected, strict=True):
                check(got, want)
            assert found[2].layout == layout == x.layout
            assert found[0].balanced and (found[0].split == 0) == (x.split is not None)
            check(ht.unique(x), expected[0])
    distinct_nan = np.unique(floats, True, True, True, equal_nan=False)
    for x in every_layout(floats):
        for got, want in zip(ht.unique_all(x), distinct_nan, strict=True):
            check(got, want)
        check(ht.unique_counts(x).counts, distinct_nan[3])
        check(ht.unique_inverse(x).values, distinct_nan[0])
        check(ht.unique_values(x), distinct_nan[0])


@pytest.mark.parallel(RANKS)
def test_unique_parts(every_layout: Any, check: Any) -> None:
    data = np.random.default_rng(5).integers(0, 2, (9, 2, 3)).astype("f4")
    for axis in (0, 1, 2):
        expected = np.unique(data, True, True, True, axis=axis)
        for x in every_layout(data):
            found = ht.unique(
                x, return_inverse=True, axis=axis, return_index=True, return_counts=True
            )
            for got, want in zip(found, expected, strict=True):
                check(got, want)


@pytest.mark.parallel(RANKS)
def test_no_rank_sees_everything(check: Any) -> None:
    data = np.random.default_rng(5).permutation(40_000).astype("f8")
    x = ht.array(data, split=0)
    with traffic(x.comm) as counted:
        values, inverse = ht.unique(x, return_inverse=True)
    check(values, np.arange(40_000.0))
    check(inverse, data.astype(int))
    assert counted.bytes("allgatherv") <= 16 * 8 * x.comm.size**3 + 1000
    assert counted.bytes("alltoallv") <= 4 * x.lnbytes * 1.1  # values, counts, indices, numbers


@pytest.mark.parallel(RANKS)
def test_set_operations(every_layout: Any, check: Any) -> None:
    rng = np.random.default_rng(5)
    a, b = rng.integers(0, 20, (5, 3)), rng.integers(5, 25, 17).astype("f4")
    pairs = {
        ht.union1d: np.union1d, ht.intersect1d: np.intersect1d,
        ht.setdiff1d: np.setdiff1d, ht.setxor1d: np.setxor1d,
    }  # fmt: skip
    others = [ht.array(b), ht.array(b, split=0), b]
    for x in every_layout(a):
        for y in others:
            for function, oracle in pairs.items():
                check(function(x, y), oracle(a, b))
            check(ht.isin(x, y), np.isin(a, b))
            check(ht.isin(x, y, invert=True), np.isin(a, b, invert=True))
        check(ht.setdiff1d(x, [1, 2], assume_unique=True), np.setdiff1d(a, [1, 2], True))
        check(ht.isin(x, []), np.isin(a, []))
    empty = ht.zeros(0, split=0)
    check(ht.union1d(empty, empty), [])
    check(ht.isin(ht.array([1.0, np.nan], split=0), ht.array([np.nan], split=0)), [False, False])


@pytest.mark.parallel(RANKS)
def test_searching(every_layout: Any, check: Any) -> None:
    rng = np.random.default_rng(5)
    table, shuffle = np.sort(rng.integers(0, 30, 19)), rng.permutation(19)
    queries = rng.integers(-2, 33, (4, 5)).astype("f4")
    sorter = np.argsort(table[shuffle], kind="stable")
    tables = list(every_layout(table))
    for x in every_layout(queries):
        for edges in tables:
            for side in ("left", "right"):
                result = ht.searchsorted(edges, x, side=side)
                check(result, np.searchsorted(table, queries, side))
                assert result.layout == x.layout
            check(ht.digitize(x, edges, right=True), np.digitize(queries, table, True))
            check(ht.bucketize(x, edges, right=True), np.searchsorted(table, queries, "right"))
        check(ht.digitize(x, table[::-1]), np.digitize(queries, table[::-1]))
        for unsorted in every_layout(table[shuffle]):
            got = ht.searchsorted(unsorted, x, sorter=ht.array(sorter, split=0))
            check(got, np.searchsorted(table, queries))
    assert ht.bucketize(3, tables[0], out_int32=True).dtype is ht.int32
    with pytest.raises(ValueError, match="side"):
        ht.searchsorted(tables[0], 1, side="middle")
    with pytest.raises(ValueError, match="monotonic"):
        ht.digitize(tables[0], [1, 3, 2])


@pytest.mark.parallel(RANKS)
@given(values=st.lists(st.floats(width=16), max_size=30))
def test_any_numbers(values: list[float]) -> None:
    data = np.array(values, dtype=np.float32)
    found = ht.unique(ht.array(data, split=0), return_inverse=True, return_counts=True)
    for got, want in zip(found, np.unique(data, False, True, True), strict=True):
        np.testing.assert_array_equal(got.numpy(), want)
