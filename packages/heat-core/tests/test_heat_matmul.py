"""The matrix product for every pair of layouts, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import heat_core as ht

RANKS = [1, 2, 3, 4]
SPLITS = [None, 0, 1]


def matrix(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parallel([1, 2, 3, 4, 7])
@pytest.mark.parametrize("b_split", SPLITS)
@pytest.mark.parametrize("a_split", SPLITS)
def test_splits_of_the_result(a_split: int | None, b_split: int | None, check: Any) -> None:
    a, b = matrix(1, 5, 7), matrix(2, 7, 6)
    x, y = ht.array(a, split=a_split), ht.array(b, split=b_split)
    result = x @ y
    check(result, a @ b)
    assert result.split == (b_split if a_split is None else a_split)
    for out_split in SPLITS:
        other = ht.matmul(x, y, out_split=out_split)
        assert other.split == out_split
        check(other, a @ b)
    with ht.config(replicate_bytes=0):
        check(ht.matmul(x, y), a @ b)


@pytest.mark.parallel(RANKS)
def test_unbalanced_operands(every_layout: Any, check: Any) -> None:
    a, b = matrix(1, 5, 4), matrix(2, 4, 6)
    for x in every_layout(a):
        for y in every_layout(b):
            before = x.layout, y.layout
            check(x @ y, a @ b)
            assert (x.layout, y.layout) == before


@pytest.mark.parallel(RANKS)
def test_vectors(every_layout: Any, check: Any) -> None:
    a, v, w = matrix(1, 5, 4), matrix(2, 4), matrix(3, 5)
    for x in every_layout(a):
        for y in every_layout(v):
            check(x @ y, a @ v)
            check(y @ y, v @ v)
        for y in every_layout(w):
            check(y @ x, w @ a)
        check(x @ v, a @ v)
        check(w @ x, w @ a)


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("dtype", ["int32", "uint16", "uint64", "bool", "float32", "complex64"])
def test_types(dtype: str, every_layout: Any, check: Any) -> None:
    a, b = (np.arange(6) % 3).reshape(2, 3).astype(dtype), np.eye(3, 4, 1).astype(dtype)
    for x in every_layout(a, unbalanced=False):
        for y in every_layout(b, unbalanced=False):
            result = x @ y
            assert result.dtype == dtype
            check(result, a @ b)
    assert (ht.ones((2, 2), dtype=ht.int64) @ ht.ones((2, 2))).dtype is ht.float64


@pytest.mark.parallel(RANKS)
@given(
    extents=st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)),
    splits=st.tuples(st.sampled_from(SPLITS), st.sampled_from(SPLITS)),
)
def test_any_extents(
    extents: tuple[int, int, int], splits: tuple[int | None, int | None], check: Any
) -> None:
    m, k, n = extents
    a, b = np.arange(m * k).reshape(m, k), np.arange(k * n).reshape(k, n)
    check(ht.array(a, split=splits[0]) @ ht.array(b, split=splits[1]), a @ b)


@pytest.mark.parallel([1, 2])
def test_bad_operands() -> None:
    with pytest.raises(ValueError, match="inner extents"):
        ht.ones((2, 3), split=0) @ ht.ones((2, 3))
    with pytest.raises(TypeError, match="scalars"):
        ht.ones((2, 3)) @ 2
    with pytest.raises(ValueError, match="broadcast"):
        ht.ones((2, 3, 4), split=0) @ ht.ones((3, 4, 2))


@pytest.mark.parallel(2)
def test_gram_matrix_moves_no_data() -> None:
    from mpi_utils import traffic

    x = ht.ones((1000, 3), split=0)
    with traffic(ht.get_comm()) as counted:
        x.T @ x
    assert counted.messages("exchange") == 0
    assert counted.messages("allgatherv") == 0
