"""Sorting against NumPy, in every layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import heat_core as ht
from heat_core.dispatch import samplesort
from heat_core.dispatch.order import argsort as order_of
from heat_core.dispatch.order import order_keys
from heat_core.dispatch.splitters import choose_splitters, cut_positions, sample_positions
from mpi_utils import traffic

RANKS = [1, 2, 3, 4]
DTYPES = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
DTYPES += ["float16", "float32", "float64", "complex64", "complex128"]


@pytest.fixture(autouse=True)
def _nothing_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small arrays go the way of large ones."""
    monkeypatch.setattr(samplesort, "_SHORT", 0)


def _stable(data: np.ndarray[Any, Any], descending: bool, axis: int = -1) -> np.ndarray[Any, Any]:
    if not descending:
        return np.argsort(data, axis=axis, kind="stable")
    flipped = np.argsort(np.flip(data, axis), axis=axis, kind="stable")
    return data.shape[axis] - 1 - np.flip(flipped, axis)


@pytest.mark.parametrize("dtype", DTYPES)
def test_keys_order_as_numpy_does(dtype: str) -> None:
    rng = np.random.default_rng(3)
    values = rng.integers(0, 2**62, 300).astype(dtype)
    if dtype in ("int64", "uint64"):
        values[:5] = np.iinfo(dtype).max - np.arange(5, dtype=dtype)
        values[5:9] = np.iinfo(dtype).min
    if np.dtype(dtype).kind in "fc":
        values = rng.integers(-3, 3, 300).astype(dtype)
        values[[4, 9, 14, 20]] = np.nan, np.inf, -np.inf, -0.0
    if np.dtype(dtype).kind == "c":
        values[[30, 31, 32]] = complex(1, np.nan), complex(np.nan, 0), complex(np.nan, -1)
        values.imag[40:] = rng.integers(-2, 2, 260)
    for descending in (False, True):
        for shape in ((300,), (20, 15)):
            found = order_of(order_keys(values.reshape(shape), descending=descending))
            np.testing.assert_array_equal(found, _stable(values.reshape(shape), descending))


@given(
    runs=st.lists(st.lists(st.integers(0, 5), max_size=9), min_size=1, max_size=5),
)
def test_cut_runs_follow_each_other(runs: list[list[int]]) -> None:
    sorted_runs = [np.sort(np.array(run, dtype=np.int64)) for run in runs]
    counts = tuple(len(run) for run in runs)
    places = sample_positions(counts)
    samples = np.concatenate([run[p] for run, p in zip(sorted_runs, places, strict=True)])
    splitters = choose_splitters([samples], places, len(runs))
    parts: list[list[int]] = [[] for _ in runs]
    for rank, run in enumerate(sorted_runs):
        cuts = cut_positions([run], splitters, rank) if splitters else [0] * (len(runs) - 1)
        for part, piece in zip(parts, np.split(run, cuts), strict=True):
            part.extend(piece.tolist())
    assert [v for part in parts for v in sorted(part)] == sorted(v for run in runs for v in run)
    # Everything is a sample here: parts are exactly balanced.
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parallel(RANKS)
def test_every_type(every_layout: Any, check: Any) -> None:
    rng = np.random.default_rng(5)
    for dtype in DTYPES:
        data = rng.integers(0, 9, 29).astype(dtype)
        if np.dtype(dtype).kind == "f":
            data[[3, 7, 8]] = np.nan, -np.inf, np.inf
        if np.dtype(dtype).kind == "c":
            data.imag = rng.integers(0, 3, 29)
        for x in every_layout(data):
            layout = x.layout
            check(ht.sort(x), np.sort(data))
            check(ht.sort(x, descending=True), np.sort(data)[::-1])
            for descending in (False, True):
                result = ht.argsort(x, descending=descending)
                assert result.dtype is ht.int64 and result.balanced >= (x.split is not None)
                check(result, _stable(data, descending))
            assert x.layout == layout
            check(x, data)


@pytest.mark.parallel(RANKS)
def test_every_axis(every_layout: Any, check: Any) -> None:
    data = np.random.default_rng(5).integers(0, 4, (7, 2, 5)).astype("f4")
    for x in every_layout(data):
        for axis in (0, 1, -1, None):
            check(ht.sort(x, axis), np.sort(data, axis))
            check(ht.argsort(x, axis), np.argsort(data, axis, kind="stable"))
            check(ht.argpartition(x, 1, axis).shape and ht.sort(x, axis), np.sort(data, axis))
        for axis in (0, 1, 2):
            check(ht.sort(x, axis, descending=True), np.flip(np.sort(data, axis), axis))
            check(ht.argsort(x, axis, descending=True), _stable(data, True, axis))
        kth = ht.partition(x, 1, 0).numpy()
        np.testing.assert_array_equal(kth[1], np.sort(data, 0)[1])
        assert (kth[0] <= kth[1]).all() and (kth[2:] >= kth[1]).all()
    for shape in ((0,), (5, 0), (0, 3)):
        for x in every_layout(np.zeros(shape)):
            check(ht.sort(x, 0), np.zeros(shape))
            check(ht.argsort(x, 0), np.zeros(shape, dtype=int))


@pytest.mark.parallel(RANKS)
def test_distributed_vector_is_sorted_as_a_whole(check: Any) -> None:
    # Default axis, more than 256 elements of uint8, and ties in order.
    for dtype in ("uint8", "float32"):
        data = (np.arange(2000) * 7919 % 251).astype(dtype)
        x = ht.array(data, split=0)
        values, indices = ht.sort(x, return_sort_indices=True)
        check(values, np.sort(data))
        check(indices, np.argsort(data, kind="stable"))


@pytest.mark.parallel(RANKS)
def test_topk_is_exact_and_prefers_low_indices(every_layout: Any, check: Any) -> None:
    data = 2**53 + np.array([3, 1, 2, 3, 0, 1, 3, 2, 0, 5, 4, 3], dtype=np.int64)
    rows = np.random.default_rng(5).integers(0, 5, (6, 70)).astype("f4")
    for largest in (True, False):
        order = _stable(data, largest)
        for x in every_layout(data):
            for k in (0, 1, 4, 12):
                values, indices = ht.topk(x, k, largest=largest)
                check(values, data[order[:k]])
                check(indices, order[:k])
        for axis, k in ((1, 5), (0, 2)):
            order = _stable(rows, largest, axis).take(np.arange(k), axis)
            for x in every_layout(rows):
                values, indices = ht.topk(x, k, axis, largest=largest)
                check(indices, order)
                check(values, np.take_along_axis(rows, order, axis))


@pytest.mark.parallel(RANKS)
def test_lexsort(every_layout: Any, check: Any) -> None:
    rng = np.random.default_rng(5)
    first, second = rng.integers(0, 4, 31), rng.integers(0, 3, 31).astype("f4")
    other = ht.array(second, split=0)
    for x in every_layout(first):
        check(ht.lexsort((other, x)), np.lexsort((second, first)))
    grid = rng.integers(0, 3, (2, 4, 5))
    check(ht.lexsort([ht.array(g, split=0) for g in grid], axis=1), np.lexsort(tuple(grid), axis=1))


@pytest.mark.parallel(RANKS)
def test_skewed_values_move_at_most_twice(check: Any) -> None:
    n = 40_000
    data = np.where(np.arange(n) % 3, 7.0, np.random.default_rng(5).normal(size=n))
    x = ht.array(data, split=0)
    own = x.lnbytes
    with traffic(x.comm) as counted:
        result = ht.sort(x)
    check(result, np.sort(data))
    assert counted.bytes("alltoallv") <= own * 1.1
    assert counted.bytes("exchange") <= own * 0.3  # parts are nearly balanced
    assert counted.bytes("allgatherv") <= 16 * 8 * x.comm.size**3 + 1000
    with traffic(x.comm) as counted:
        ht.median(x)
    assert counted.bytes("alltoallv") + counted.bytes("exchange") == 0


@pytest.mark.parallel(RANKS)
def test_short_sequences_take_one_message(
    every_layout: Any, check: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samplesort, "_SHORT", 100)
    data = np.random.default_rng(7).integers(0, 9, 100).astype("f4")
    for x in every_layout(data):
        check(ht.sort(x), np.sort(data))
        check(ht.argsort(x, descending=True), _stable(data, True))
    x = ht.array(data, split=0)
    with traffic(x.comm) as counted:
        ht.sort(x)
    assert counted.messages() == counted.messages("allgatherv")


@pytest.mark.parallel(RANKS)
@given(values=st.lists(st.floats(width=32), max_size=40), descending=st.booleans())
def test_any_numbers(values: list[float], descending: bool) -> None:
    data = np.array(values, dtype=np.float32)
    result = ht.argsort(ht.array(data, split=0), descending=descending).numpy()
    np.testing.assert_array_equal(result, _stable(data, descending))


@pytest.mark.parallel([1, 2])
def test_bad_arguments() -> None:
    x = ht.ones((4, 3), split=0)
    with pytest.raises(TypeError):
        ht.sort(x, 0, True)  # type: ignore[misc]
    with pytest.raises(IndexError):
        ht.sort(x, 2)
    with pytest.raises(ValueError, match="k is between"):
        ht.topk(x, 5, 0)
    with pytest.raises(ValueError, match="kth"):
        ht.partition(x, 4, 0)
