"""Sums whose bits depend neither on the number of ranks nor on the layout."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

import heat_core as ht
from heat_core.dispatch.exact import exact_sum


def numbers(dtype: str = "float64") -> Any:
    """Numbers of very different size, most of which cancel."""
    rng = np.random.default_rng(5)
    values = rng.normal(size=(203, 7)) * 10.0 ** rng.integers(-12, 12, (203, 7))
    values[100:200] = -values[:100]
    values = values.astype(dtype)
    return values * (1 - 2j) if values.dtype.kind == "c" else values


def test_the_order_has_no_effect_and_the_sum_is_right() -> None:
    values = numbers()[:, 0]
    expected = exact_sum(torch.tensor(values), (0,), len(values), None)
    assert expected.item() == pytest.approx(math.fsum(values), rel=1e-15)
    for seed in range(20):
        shuffled = torch.tensor(np.random.default_rng(seed).permutation(values))
        assert torch.equal(exact_sum(shuffled, (0,), len(values), None), expected)
    big = torch.full((1000,), 1e305, dtype=torch.float64)
    assert exact_sum(big, (0,), 1000, None).item() == pytest.approx(1e308)
    tiny = torch.full((3,), 5e-324, dtype=torch.float64)
    assert exact_sum(tiny, (0,), 3, None).item() == 1.5e-323


@pytest.mark.parallel([1, 2, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
def test_the_layout_has_no_effect(dtype: str, every_layout: Any) -> None:
    data = numbers(dtype)
    whole = torch.tensor(data)
    for axis, dims in ((None, (0, 1)), (0, (0,)), (1, (1,))):
        n = math.prod(data.shape[dim] for dim in dims)
        exact = exact_sum(whole, dims, n, None).squeeze(dims).numpy().astype(dtype)
        with ht.config(reproducible=True):
            wanted = [f(ht.array(data), axis=axis).numpy() for f in (ht.mean, ht.var)]
        np.testing.assert_allclose(wanted[1], data.var(axis), rtol=1e-3)
        for x in every_layout(data):
            assert ht.sum(x, axis=axis, reproducible=True).numpy().tobytes() == exact.tobytes()
            with ht.config(reproducible=True):
                found = [f(x, axis=axis).numpy() for f in (ht.mean, ht.var)]
            assert [part.tobytes() for part in found] == [part.tobytes() for part in wanted]


@pytest.mark.parallel([1, 2, 3])
def test_inner_products(every_layout: Any) -> None:
    data, factors = numbers()[:, 0], numbers()[:, 1] * 1j
    exact = exact_sum(torch.tensor(data * factors), (0,), len(data), None).squeeze(0).numpy()
    with ht.config(reproducible=True):
        for x in every_layout(data):
            for y in every_layout(factors):
                for function in (ht.dot, ht.inner, ht.vdot):
                    assert function(x, y).numpy().tobytes() == exact.tobytes()
    np.testing.assert_allclose(ht.inner(ht.array(data, split=0), factors).numpy(), data @ factors)


@pytest.mark.parallel([1, 3])
def test_infinities_masks_and_integers(every_layout: Any) -> None:
    data = numbers()
    for x in map(ht.copy, every_layout(data)):
        kept = ht.sum(x, where=x > 0, initial=1.0, reproducible=True)
        assert kept.item() == pytest.approx(data[data > 0].sum() + 1)
        x[3, 3] = ht.inf
        assert ht.sum(x, reproducible=True).item() == math.inf
        x[4, 3] = -ht.inf
        assert math.isnan(ht.sum(x, reproducible=True).item())
    assert ht.sum(ht.arange(9, split=0), reproducible=True).item() == 36
    assert ht.sum(ht.zeros((0, 2), split=0), 0, reproducible=True).tolist() == [0, 0]
