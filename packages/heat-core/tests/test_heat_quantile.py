"""Quantiles against NumPy, in every layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import heat_core as ht
from heat_core.dispatch.select import select

RANKS = [1, 2, 3, 4]
METHODS = ["linear", "lower", "higher", "midpoint", "nearest"]


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("method", METHODS)
def test_every_axis_and_layout(method: str, every_layout: Any, check: Any) -> None:
    data = np.random.default_rng(5).normal(size=(6, 4, 3))
    levels = [0, 12.5, 50, 77, 100]
    for x in every_layout(data):
        layout = x.layout
        for axis in (None, 0, 1, 2):
            check(
                ht.percentile(x, levels, axis, interpolation=method),
                np.percentile(data, levels, axis, method=method),
            )
        assert x.layout == layout
        check(ht.quantile(x, 0.3, 1, keepdims=True), np.quantile(data, 0.3, 1, keepdims=True))


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "uint8"])
def test_types(dtype: str, every_layout: Any, check: Any) -> None:
    data = np.random.default_rng(5).integers(0, 100, 41).astype(dtype)
    for x in every_layout(data):
        check(ht.median(x), np.median(data))
        check(ht.percentile(x, ht.array([25.0, 75.0])), np.percentile(data, [25, 75]), rtol=1e-3)


@pytest.mark.parallel(RANKS)
def test_infinities_signs_and_nan(every_layout: Any, check: Any) -> None:
    data = np.array([-np.inf, np.inf, -0.0, 0.0, -1.5, 1e-30, np.inf])
    for x in every_layout(data):
        check(ht.median(x), np.median(data))
        check(ht.quantile(x, [0.0, 1.0]), [-np.inf, np.inf])
    for x in every_layout(np.array([1.0, np.nan, -np.inf])):
        check(ht.quantile(x, [0.0, 0.5]), [np.nan, np.nan])
    for x in every_layout(np.array([[1.0, np.nan], [2.0, 3.0]])):
        check(ht.median(x, axis=0), [1.5, np.nan])


@pytest.mark.parallel(RANKS)
def test_many_equal_elements_are_not_gathered(check: Any) -> None:
    from mpi_utils import traffic

    x = ht.full(120_000, 3.0, dtype=ht.float32, split=0)
    with traffic(ht.get_comm()) as counted:
        assert ht.median(x).item() == 3
    assert counted.bytes("allgather") + counted.bytes("allgatherv") < 10_000


@pytest.mark.parallel(RANKS)
def test_large(check: Any) -> None:
    data = np.random.default_rng(5).normal(size=60_001)
    x = ht.array(data, split=0)
    check(ht.percentile(x, [1, 50, 99.9]), np.percentile(data, [1, 50, 99.9]), rtol=1e-12)


@pytest.mark.parallel(RANKS)
@given(
    values=st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=30), data=st.data()
)
def test_select_finds_what_sorting_finds(values: list[float], data: st.DataObject) -> None:
    comm = ht.get_comm()
    array = np.array(values, dtype=np.float32)
    positions = sorted(data.draw(st.sets(st.integers(0, len(values) - 1), min_size=1)))
    own = torch.from_numpy(array[comm.rank :: comm.size].copy())
    found = [value.item() for value in select(own, positions, comm)]
    assert found == np.sort(array)[positions].tolist()


@pytest.mark.parallel([1, 2])
def test_bad_arguments() -> None:
    x = ht.ones(4, split=0)
    with pytest.raises(ValueError, match="lie in"):
        ht.quantile(x, 1.5)
    with pytest.raises(ValueError, match="interpolation"):
        ht.median(x).larray, ht.quantile(x, 0.5, interpolation="cubic")
    with pytest.raises(TypeError, match="real"):
        ht.median(ht.ones(3, dtype=ht.complex64))
