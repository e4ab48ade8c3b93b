"""Convolutions and correlations in every layout, against NumPy and SciPy."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import scipy.signal as oracle

import heat_core as ht
from mpi_utils import traffic

RANKS = [1, 2, 3, 4, 7]
MODES = ("full", "same", "valid")


def numbers(shape: Any, kind: str, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if kind == "i":
        return rng.integers(-9, 9, shape)
    values = rng.normal(size=shape)
    return values + 1j * rng.normal(size=shape) if kind == "D" else values


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("kind", ["i", "d", "D"])
@pytest.mark.parametrize("method", ["direct", "fft"])
@pytest.mark.parametrize("budget", [1 << 20, 0])
def test_vectors(kind: str, method: str, budget: int, check: Any) -> None:
    for n, m in ((20, 4), (3, 20)):
        a, v = numbers(n, kind), numbers(m, kind, 1)
        for mode, sa, sv in product(MODES, (None, 0), (None, 0)):
            x, kernel = ht.array(a, split=sa), ht.array(v, split=sv)
            with ht.config(replicate_bytes=budget):
                for name in ("convolve", "correlate"):
                    expected = getattr(np, name)(a, v, mode)
                    f = getattr(ht.signal, name)
                    found = f(x, kernel, mode, method=method)
                    if kind == "i" and method == "direct":
                        check(found, expected)  # exact, and integers
                    check(found.astype("D"), expected.astype("D"), rtol=1e-9, atol=1e-9)
                    if sv is not None:
                        continue
                    strided = f(x, kernel, mode, stride=3, method=method)
                    np.testing.assert_allclose(strided.numpy(), expected[::3], atol=1e-9)


@pytest.mark.parallel([1, 2, 3, 4])
@pytest.mark.parametrize("kind", ["i", "D"])
@pytest.mark.parametrize("method", ["direct", "fft"])
def test_matrices(kind: str, method: str) -> None:
    for shape, size in (((9, 8), (3, 2)), ((3, 3), (5, 6))):
        a, v = numbers(shape, kind), numbers(size, kind, 1)
        for mode, sa, sv in product(MODES, (None, 0, 1), (None, 1)):
            x, kernel = ht.array(a, split=sa), ht.array(v, split=sv)
            for name in ("convolve2d", "correlate2d"):
                expected = getattr(oracle, name)(a, v, mode)
                if (name, mode) == ("correlate2d", "valid") and shape < size:
                    expected = expected.conj()  # SciPy conjugates the other operand here
                found = getattr(ht.signal, name)(x, kernel, mode, method=method)
                np.testing.assert_allclose(found.numpy(), expected, atol=1e-9)
                found = getattr(ht.signal, name)(x, kernel, mode, (2, 3), method)
                np.testing.assert_allclose(found.numpy(), expected[::2, ::3], atol=1e-9)
            with ht.config(replicate_bytes=0):
                found = ht.signal.fftconvolve(x, kernel, mode)
            if mode != "valid":
                np.testing.assert_allclose(found.numpy(), oracle.fftconvolve(a, v, mode), atol=1e-9)


@pytest.mark.parallel([1, 2, 3])
def test_stacks_of_signals_and_kernels(every_layout: Any) -> None:
    a, v = numbers((3, 4, 30), "d"), numbers((3, 4, 5), "d", 1)
    own = np.array([[np.convolve(x, y) for x, y in zip(p, q, strict=True)]
                    for p, q in zip(a, v, strict=True)])  # fmt: skip
    one = np.array([[np.convolve(x, v[0, 0], "same") for x in p] for p in a])
    image = np.array([oracle.convolve2d(p, v[0], "same") for p in a])
    for x in every_layout(a):
        for method in ("direct", "fft"):
            found = ht.convolve(x, ht.array(v, split=0), method=method)
            np.testing.assert_allclose(found.numpy(), own, atol=1e-12)
            assert found.split == x.split
            found = ht.convolve(x, ht.array(v[0, 0]), "same", method=method)
            np.testing.assert_allclose(found.numpy(), one, atol=1e-12)
            found = ht.convolve2d(x, ht.array(v[0]), "same", method=method)
            np.testing.assert_allclose(found.numpy(), image, atol=1e-12)


@pytest.mark.parallel([1, 2, 3, 4])
def test_long_signals_in_blocks_send_only_halos() -> None:
    a, v = numbers(20_000, "d").astype("f4"), numbers(200, "d", 1).astype("f4")
    x, kernel = ht.array(a, split=0), ht.array(v)
    for mode in MODES:
        np.testing.assert_allclose(
            ht.oaconvolve(x, kernel, mode).numpy(), oracle.oaconvolve(a, v, mode), atol=1e-3
        )
    with traffic(x.comm) as counted:
        ht.convolve(x, kernel, "same")
    if x.comm.size > 1:
        # The halo of each neighbour, the shift to the canonical slabs of the result included.
        assert counted.bytes() <= 2 * 4 * 200 and counted.messages() <= 2
    whole = np.convolve(a.astype("f8"), v.astype("f8"), "same")
    np.testing.assert_allclose(ht.convolve(x, kernel, "same").numpy(), whole, atol=1e-3)


@pytest.mark.parallel([1, 2])
def test_wrong_operands() -> None:
    x = ht.ones(8, split=0)
    for call in (
        lambda: ht.convolve(x, ht.ones(0)), lambda: ht.convolve(x, x, "all"),
        lambda: ht.convolve(x, x, stride=0), lambda: ht.convolve(x, x, method="magic"),
        lambda: ht.convolve(ht.ones((2, 8)), ht.ones((3, 4))), lambda: ht.convolve2d(x, x),
        lambda: ht.convolve2d(ht.ones((2, 8)), ht.ones((3, 4)), "valid"),
        lambda: ht.fftconvolve(x, ht.ones((2, 2))),
    ):  # fmt: skip
        with pytest.raises(
            ValueError, match=r"convolution|mode|strides|kernels|fftconvolve|within"
        ):
            call()
