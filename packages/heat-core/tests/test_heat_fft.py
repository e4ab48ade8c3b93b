"""Fourier transforms in every layout, against NumPy."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import heat_core as ht
from heat_core.fft.four_step import factors
from heat_core.fft.plan import Move, Transform, steps

RANKS = [1, 2, 3, 4, 7]
COMPLEX = ["fft", "ifft"]
REAL = ["rfft", "ihfft"]
HALF = ["irfft", "hfft"]


def signal(*shape: int, real: bool = False) -> np.ndarray:
    rng = np.random.default_rng(len(shape) + sum(shape))
    values = rng.normal(size=shape)
    return values if real else values + 1j * rng.normal(size=shape)


def of_axes(name: str, a: np.ndarray, s: Any, axes: Any, norm: str) -> np.ndarray:
    """NumPy has no Hermitian transforms of several axes: by those of real numbers."""
    swapped = {"backward": "forward", "ortho": "ortho", "forward": "backward"}
    if name == "hfft":
        return np.fft.irfftn(np.conj(a), s, axes, swapped[norm])
    if name == "ihfft":
        return np.conj(np.fft.rfftn(a, s, axes, swapped[norm]))
    return getattr(np.fft, f"{name}n")(a, s, axes, norm)


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("name", COMPLEX + REAL + HALF)
@pytest.mark.parametrize("n", [1, 2, 13, 24, 36, 49, 50])
def test_vectors(name: str, n: int, every_layout: Any, check: Any) -> None:
    a = signal(n, real=name in REAL)
    if name in HALF:
        a, points = signal(n // 2 + 1), n
    else:
        points = n
    # One of the norms for each layout, in turn: they are factors of the result.
    for x, norm in zip(every_layout(a), cycle(("backward", "ortho", "forward")), strict=False):
        before = x.layout
        result = getattr(ht.fft, name)(x, points, norm=norm)
        check(result, getattr(np.fft, name)(a, points, norm=norm), atol=1e-12)
        assert result.split == x.split
        assert x.layout == before
        check(x, a)


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("name", COMPLEX + REAL + HALF)
def test_one_axis_of_several(name: str, every_layout: Any, check: Any) -> None:
    a = signal(4, 6, 5, real=name in REAL)
    for x in every_layout(a, unbalanced=False):
        for axis in (0, 1, -1):
            for n in (None, 3, 8):
                result = getattr(ht.fft, name)(x, n, axis)
                check(result, getattr(np.fft, name)(a, n, axis), atol=1e-12)
                assert result.split == x.split


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("name", COMPLEX + REAL + HALF)
def test_several_axes(name: str, every_layout: Any, check: Any) -> None:
    a = signal(4, 6, 5, real=name in REAL)
    for x in every_layout(a):
        for axes in ((0, 1), (2, 0), (0, 1, 2)):
            result = getattr(ht.fft, f"{name}n")(x, axes=axes, norm="ortho")
            check(result, of_axes(name, a, None, axes, "ortho"), atol=1e-12)
            assert result.split == x.split
            if x.layout.is_balanced:
                moved = getattr(ht.fft, f"{name}n")(x, axes=axes, norm="ortho", keep_layout=False)
                check(moved, of_axes(name, a, None, axes, "ortho"), atol=1e-12)
        check(
            getattr(ht.fft, f"{name}2")(x, (7, 4)),
            of_axes(name, a, (7, 4), (-2, -1), "backward"),
            atol=1e-12,
        )


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("name", COMPLEX)
def test_real_numbers_along_several_axes(name: str, every_layout: Any, check: Any) -> None:
    a = signal(5, 14, 3, real=True)
    for x in every_layout(a):
        for axes in ((0, 1), (1, 2), (2, 1, 0)):
            for norm in ("backward", "ortho"):
                result = getattr(ht.fft, f"{name}n")(x, axes=axes, norm=norm)
                check(result, of_axes(name, a, None, axes, norm), atol=1e-12)
                assert result.split == x.split
    wide = ht.array(a.astype(np.float32), split=0)
    check(getattr(ht.fft, f"{name}2")(wide), of_axes(name, a, None, (1, 2), "backward"), atol=1e-4)


@pytest.mark.parallel([1, 2, 3])
def test_types_and_errors() -> None:
    assert ht.fft.fft(ht.ones(4, dtype=ht.float32)).dtype is ht.complex64
    assert ht.fft.fft(ht.ones(4, dtype=ht.int32)).dtype is ht.complex64
    assert ht.fft.irfft(ht.ones(4, dtype=ht.complex128, split=0)).dtype is ht.float64
    x = ht.ones((3, 4), split=0)
    with pytest.raises(TypeError, match="real"):
        ht.fft.rfft(x + 1j)
    with pytest.raises(ValueError, match="norm"):
        ht.fft.fft(x, norm="half")
    with pytest.raises(ValueError, match="norm"):
        ht.fft.hfft(x, norm="half")
    with pytest.raises(ValueError, match="twice"):
        ht.fft.fftn(x, axes=(0, -2))
    with pytest.raises(ValueError, match="point"):
        ht.fft.fft(x, 0)
    with pytest.raises(ValueError, match="lengths"):
        ht.fft.fftn(x, (2,), axes=(0, 1))
    with pytest.raises(ht.AxisError):
        ht.fft.fft(x, axis=2)


@pytest.mark.parallel([1, 2, 3, 7])
@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_frequencies(n: int, check: Any) -> None:
    for split in (None, 0):
        check(ht.fft.fftfreq(n, 0.1, dtype=ht.float64, split=split), np.fft.fftfreq(n, 0.1))
        check(ht.fft.rfftfreq(n, 0.1, dtype=ht.float64, split=split), np.fft.rfftfreq(n, 0.1))
        assert ht.fft.fftfreq(n, split=split).dtype is ht.float32
    with pytest.raises(TypeError, match="frequencies"):
        ht.fft.fftfreq(n, dtype=ht.int32)


@pytest.mark.parallel([1, 2, 3, 4])
def test_shifts(every_layout: Any, check: Any) -> None:
    a = np.arange(15).reshape(3, 5)
    for x in every_layout(a):
        for axes in (None, 0, (1,), (0, 1)):
            check(ht.fft.fftshift(x, axes=axes), np.fft.fftshift(a, axes))
            check(ht.fft.ifftshift(x, axes=axes), np.fft.ifftshift(a, axes))


@pytest.mark.parallel(2)
def test_real_input_moves_half_and_keep_layout_saves_an_exchange() -> None:
    from mpi_utils import traffic

    x = ht.random.rand(64, 64, split=1, dtype=ht.float64)
    sent = []
    for call in (
        lambda: ht.fft.fft2(x + 0j),
        lambda: ht.fft.fft2(x + 0j, keep_layout=False),
        lambda: ht.fft.rfft2(x, keep_layout=False),
        lambda: ht.fft.fft2(x),
    ):
        with traffic(x.comm) as counted:
            call()
        sent.append(counted.bytes())
    block = 32 * 32 * 16
    assert sent[0] == 2 * block
    assert sent[1] == block
    assert sent[2] <= 1.1 * block
    assert sent[3] <= 1.6 * block  # half of the numbers there, all of them back


@given(
    shape=st.lists(st.integers(1, 5), min_size=2, max_size=4),
    data=st.data(),
    kind=st.sampled_from(["c2c", "r2c", "c2r"]),
)
def test_plan_transforms_each_axis_once_and_never_the_split_one(
    shape: list[int], data: st.DataObject, kind: Any
) -> None:
    axes = data.draw(st.lists(st.integers(0, len(shape) - 1), min_size=1, unique=True))
    split = data.draw(st.integers(0, len(shape) - 1))
    now, done, moves = split, [], 0
    for step in steps(shape, axes, split, kind, True):
        if isinstance(step, Move):
            assert step.split != now
            now, moves = step.split, moves + 1
            continue
        assert isinstance(step, Transform)
        assert now not in step.axes
        done.extend(step.axes)
        if kind == "r2c" and axes[-1] in step.axes:
            assert len(done) == len(step.axes)
        if kind == "c2r" and axes[-1] in step.axes:
            assert len(done) == len(axes)
    assert sorted(done) == sorted(axes)
    assert now == split
    assert moves == (2 if split in axes else 0)


def test_factors() -> None:
    assert factors(36, 2) == (6, 6)
    assert factors(50, 3) == (5, 10)
    assert factors(50, 6) is None
    assert factors(13, 2) is None
