"""Products and norms in every layout, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import heat_core as ht

RANKS = [1, 2, 3, 4]


def sample(*shape: int, kind: str = "d") -> np.ndarray:
    rng = np.random.default_rng(len(shape) + sum(shape))
    if kind == "i":
        return rng.integers(-9, 9, shape)
    values = rng.normal(size=shape)
    return values + 1j * rng.normal(size=shape) if kind == "D" else values


@pytest.mark.parallel([1, 2, 3, 4, 7])
def test_matmul_of_stacks(every_layout: Any, check: Any) -> None:
    shapes = [
        ((3, 2, 4), (3, 4, 5)),
        ((2, 4), (3, 4, 5)),
        ((3, 2, 4), (4, 5)),
        ((2, 1, 2, 4), (3, 4, 5)),
        ((3, 2, 4), (4,)),
        ((4,), (3, 4, 5)),
    ]
    for shape_a, shape_b in shapes:
        a, b = sample(*shape_a), sample(*shape_b)
        for x in every_layout(a):
            for y in every_layout(b, unbalanced=False):
                before = x.layout, y.layout
                check(x @ y, a @ b)
                assert (x.layout, y.layout) == before


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("kind", ["i", "d", "D"])
def test_inner_products(kind: str, every_layout: Any, check: Any) -> None:
    a, b, v = sample(3, 4, kind=kind), sample(5, 4, kind=kind), sample(4, kind=kind)
    for x in every_layout(a):
        check(ht.vecdot(x, ht.array(v)), np.vecdot(a, v))
        check(ht.vecdot(x, x, axis=0), np.vecdot(a, a, axis=0))
        check(ht.vdot(x, x), np.vdot(a, a))
        check(ht.linalg.inner(x, ht.array(b, split=0)), np.inner(a, b))
        check(ht.dot(x, ht.array(v, split=0)), np.dot(a, v))
        check(ht.dot(x, 2), a * 2)
        check(ht.linalg.trace(x, offset=1), np.trace(a, 1))
    cube = sample(3, 4, 4, kind=kind)
    for x in every_layout(cube, unbalanced=False):
        check(ht.linalg.trace(x), np.linalg.trace(cube))
        check(ht.trace(x, axis1=1, axis2=2), np.trace(cube, axis1=1, axis2=2))
        check(ht.dot(ht.array(a, split=0), x), np.dot(a, cube))
        check(ht.linalg.diagonal(x, offset=-1), np.linalg.diagonal(cube, offset=-1))
    assert ht.vecdot(ht.ones(3, dtype=ht.int8), ht.ones(3, dtype=ht.int8)).dtype is ht.int8
    with pytest.raises(ValueError, match="differs"):
        ht.vecdot(ht.ones((2, 3)), ht.ones((2, 1)))
    with pytest.raises(ValueError, match="as many"):
        ht.vdot(ht.ones(3), ht.ones(4))


@pytest.mark.parallel(RANKS)
def test_outer_and_kron(every_layout: Any, check: Any) -> None:
    a, b = sample(5), sample(3, kind="i")
    for x in every_layout(a):
        for y in every_layout(b):
            check(ht.outer(x, y), np.outer(a, b))
            for split in (None, 0, 1):
                result = ht.outer(x, y, split=split)
                assert result.split == split
                check(result, np.outer(a, b))
    m, n = sample(2, 3), sample(3, 2)
    for x in every_layout(m):
        for y in every_layout(n, unbalanced=False):
            check(ht.kron(x, y), np.kron(m, n))
        check(ht.kron(x, ht.array(b, split=0)), np.kron(m, b))
        out = ht.zeros((6, 3), split=1, dtype=ht.float64)
        assert ht.outer(x, ht.array(b), out=out) is out
        check(out, np.outer(m, b))


@pytest.mark.parallel([1, 2, 3, 4, 7])
def test_tensordot(every_layout: Any, check: Any) -> None:
    a, b = sample(2, 3, 4), sample(3, 4, 5)
    for x in every_layout(a, unbalanced=False):
        for y in every_layout(b, unbalanced=False):
            check(ht.tensordot(x, y), np.tensordot(a, b))
            check(ht.tensordot(x, y, 0), np.tensordot(a, b, 0))
        check(
            ht.tensordot(x, ht.array(b, split=2), ((2, 1), (1, 0))),
            np.tensordot(a, b, ((2, 1), (1, 0))),
        )
    integers = sample(3, 4, kind="i")
    check(ht.tensordot(ht.array(integers, split=0), integers), np.tensordot(integers, integers))
    with pytest.raises(ValueError, match="differ"):
        ht.tensordot(ht.ones((2, 3), split=0), ht.ones((2, 3)), ((1,), (0,)))
    with pytest.raises(ValueError, match="twice"):
        ht.tensordot(ht.ones((2, 2)), ht.ones((2, 2)), ((0, 0), (0, 1)))


@pytest.mark.parallel(RANKS)
def test_cross(every_layout: Any, check: Any) -> None:
    a, b = sample(4, 3), sample(3, kind="i")
    for x in every_layout(a):
        check(ht.linalg.cross(x, ht.array(b)), np.linalg.cross(a, b))
        check(ht.cross(x, x + 1), np.cross(a, a + 1))
        check(ht.cross(x.T, ht.array(a), axisa=0, axisc=0), np.cross(a.T, a, axisa=0, axisc=0))
    with pytest.raises(ValueError, match="extent 3"):
        ht.linalg.cross(ht.ones((3, 2), split=0), ht.ones((3, 2)))


@pytest.mark.parallel([1, 2, 3])
def test_multi_dot_and_projection(every_layout: Any, check: Any) -> None:
    parts = [sample(5), sample(5, 6), sample(6, 2), sample(2, 7)]
    arrays = [ht.array(part, split=0) for part in parts]
    check(ht.linalg.multi_dot(arrays), np.linalg.multi_dot(parts))
    a, b = sample(5), sample(5) + 1
    for x in every_layout(a):
        check(ht.projection(x, ht.array(b, split=0)), b * (a @ b) / (b @ b))
    with pytest.raises(ValueError, match="vectors"):
        ht.projection(ht.ones((2, 2)), ht.ones(2))


@pytest.mark.parallel([1, 2, 3, 4, 7])
@pytest.mark.parametrize("kind", ["i", "d", "D"])
def test_norms(kind: str, every_layout: Any, check: Any) -> None:
    a = sample(3, 4, 5, kind=kind)
    for x in every_layout(a):
        check(ht.norm(x), np.linalg.norm(a))
        for order in (0, 1, 2, 3, -1, 0.5, np.inf, -np.inf):
            if kind == "i" and order == -1:
                continue  # of zeros
            check(
                ht.linalg.vector_norm(x, axis=1, ord=order),
                np.linalg.vector_norm(a, axis=1, ord=order),
            )
        check(
            ht.linalg.vector_norm(x, axis=(0, 2), keepdims=True),
            np.linalg.vector_norm(a, axis=(0, 2), keepdims=True),
        )
    for x in every_layout(a, unbalanced=False):
        for order in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf):
            check(ht.linalg.matrix_norm(x, ord=order), np.linalg.matrix_norm(a, ord=order))
            check(ht.norm(x, (2, 0), True, order), np.linalg.norm(a, order, (2, 0), True))
    with pytest.raises(ValueError, match="not a norm"):
        ht.linalg.matrix_norm(ht.ones((2, 2), split=0), ord=3)


@pytest.mark.parallel([1, 2, 3])
def test_norms_at_the_limits(every_layout: Any, check: Any) -> None:
    for a in (np.full(5, 1e200), np.full(5, 1e-200), np.zeros(5), np.array([1.0, np.inf])):
        largest = np.abs(a).max()
        expected = largest * np.sqrt(len(a)) if np.isfinite(largest) else largest
        for x in every_layout(a):
            check(ht.linalg.vector_norm(x), expected, atol=0)
    assert np.isnan(float(ht.linalg.vector_norm(ht.array([1.0, np.nan], split=0))))
    single = ht.full((10,), 1e30, split=0, dtype=ht.float32)
    assert ht.linalg.vector_norm(single).dtype is ht.float32
    np.testing.assert_allclose(float(ht.linalg.vector_norm(single)), 1e30 * np.sqrt(10), rtol=1e-6)


@pytest.mark.parallel(2)
def test_norm_sends_one_number() -> None:
    from mpi_utils import traffic

    x = ht.random.rand(1000, 10, split=0)
    with traffic(x.comm) as counted:
        ht.norm(x)
    assert counted.messages("allreduce") == 1
    assert counted.bytes() <= 16
