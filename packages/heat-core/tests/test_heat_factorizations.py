"""Factorisations and solvers in every layout and within any memory, against NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch

import heat_core as ht
from heat_core.linalg.jacobi import moved
from heat_core.linalg.panels import panels

EPS = np.finfo(np.float64).eps
# Every shape, real or complex in turn: both of each would double the time.
SHAPES = [
    *(((6, 6), "d"), ((6, 6), "D"), ((9, 4), "D"), ((30, 3), "d")),
    *(((4, 9), "d"), ((3, 30), "D"), ((1, 5), "D"), ((5, 1), "d")),
]
EXTENTS = [(1, "D"), (6, "D"), (13, "d")]


@pytest.fixture(params=["gathered", "distributed"])
def budget(request: pytest.FixtureRequest) -> Iterator[str]:
    """Matrices fit on every rank, or no matrix does."""
    with ht.config(replicate_bytes=1 << 20 if request.param == "gathered" else 0):
        yield request.param


def sample(*shape: int, kind: str = "d", seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed + len(shape) + sum(shape))
    values = rng.normal(size=shape)
    return values + 1j * rng.normal(size=shape) if kind == "D" else values


def positive(n: int, kind: str) -> np.ndarray:
    a = sample(n, n, kind=kind)
    return a @ a.conj().T + n * np.eye(n)


def adjoint(a: np.ndarray) -> np.ndarray:
    return np.swapaxes(a, -1, -2).conj()


def whole(*arrays: ht.DNDarray) -> list[np.ndarray]:
    return [array.numpy() for array in arrays]


@pytest.mark.parallel([1, 2, 3, 4, 7])
@pytest.mark.parametrize(("shape", "kind"), SHAPES)
def test_qr(shape: tuple[int, int], kind: str, every_layout: Any, budget: str) -> None:
    a = sample(*shape, kind=kind)
    k = min(shape)
    expected = None
    for x in every_layout(a):
        before = x.layout
        q, r = ht.linalg.qr(x)
        assert q.split == x.split
        only_r = ht.linalg.qr(x, mode="r")
        assert only_r.Q is None
        q, r, other = whole(q, r, only_r.R)
        np.testing.assert_allclose(q @ r, a, atol=1e-12)
        np.testing.assert_allclose(adjoint(q) @ q, np.eye(k), atol=1e-13)
        np.testing.assert_array_equal(r, np.triu(r))
        assert not np.signbit(np.tril(r, -1).real).any()
        diagonal = np.diagonal(r)
        assert (diagonal.real >= 0).all() and np.abs(diagonal.imag).max() < 1e-13
        np.testing.assert_allclose(other, r, atol=1e-12)
        expected = r if expected is None else expected
        np.testing.assert_allclose(r, expected, atol=1e-11)
        assert x.layout == before
    full = ht.linalg.qr(ht.array(a, split=0), mode="complete")
    q, r = whole(full.Q, full.R)
    assert q.shape == (shape[0], shape[0]) and r.shape == shape
    np.testing.assert_allclose(q @ r, a, atol=1e-12)


@pytest.mark.parallel([1, 2, 3, 4])
@pytest.mark.parametrize("split", [0, 1])
def test_q_is_orthogonal_whatever_the_condition(split: int, budget: str) -> None:
    n = 20
    u, _, v = np.linalg.svd(sample(8 * n, n), full_matrices=False)
    for m in (8 * n, n):
        a = (np.linalg.qr(u[:m])[0] * np.logspace(0, -12, n)) @ v
        q, r = whole(*ht.linalg.qr(ht.array(a, split=split)))
        assert np.linalg.norm(q.T @ q - np.eye(n), 2) <= 50 * n * EPS
        np.testing.assert_allclose(q @ r, a, atol=1e-14)
    singular = np.ones((n, n))
    q, r = whole(*ht.linalg.qr(ht.array(singular, split=split)))
    np.testing.assert_allclose(q.T @ q, np.eye(n), atol=1e-13)
    np.testing.assert_allclose(q @ r, singular, atol=1e-13)


@pytest.mark.parallel([1, 2, 3])
def test_cholesky_qr_and_its_fall_back() -> None:
    good = sample(200, 5)
    bad = good * np.logspace(0, -12, 5)
    for a in (good, bad):
        q, r = whole(*ht.linalg.qr(ht.array(a, split=0), method="cholesky"))
        np.testing.assert_allclose(q @ r, a, atol=1e-12)
        assert np.linalg.norm(q.T @ q - np.eye(5), 2) <= 250 * EPS
        assert (np.diagonal(r) > 0).all()
    with pytest.raises(ValueError, match="method"):
        ht.linalg.qr(ht.array(good), method="magic")


@pytest.mark.parallel([1, 3])
@pytest.mark.parametrize("kind", ["d", "D"])
def test_large_tall_matrices_of_any_condition(kind: str) -> None:
    m, n = 9000, 16
    u, v = (np.linalg.qr(sample(rows, n, kind=kind))[0] for rows in (m, n))
    misleading = u @ (np.eye(n) - 3 * np.triu(np.ones((n, n)), 1))  # R has ones on its diagonal
    for a in (*((u * np.logspace(0, -k, n)) @ v for k in (0, 5, 9, 13)), misleading):
        norm = np.linalg.norm(a, 2)
        for split in (None, 0, 1):
            x = ht.array(a, split=split)
            q, r = whole(*ht.linalg.qr(x))
            assert np.linalg.norm(adjoint(q) @ q - np.eye(n), 2) <= 50 * n * EPS
            np.testing.assert_allclose(q @ r, a, atol=1e-13 * norm)
            assert (np.diagonal(r) >= 0).all() and not np.tril(r, -1).any()
        _, s, _ = parts = whole(*ht.linalg.svd(x, full_matrices=False))
        np.testing.assert_allclose(parts[0] * s @ parts[2], a, atol=1e-13 * norm)
        np.testing.assert_allclose(s, np.linalg.svd(a, compute_uv=False), atol=1e-13 * norm)
        np.testing.assert_allclose(ht.linalg.svdvals(x).numpy(), s, atol=1e-13 * norm)


@pytest.mark.parallel([1, 2, 3, 4, 7])
@pytest.mark.parametrize(("shape", "kind"), SHAPES)
def test_svd(shape: tuple[int, int], kind: str, every_layout: Any, budget: str, check: Any) -> None:
    a = sample(*shape, kind=kind)
    values, k = np.linalg.svd(a, compute_uv=False), min(shape)
    for x in every_layout(a):
        u, s, vh = whole(*ht.linalg.svd(x, full_matrices=False))
        np.testing.assert_allclose(s, values, atol=1e-13, rtol=1e-13)
        np.testing.assert_allclose(u * s @ vh, a, atol=1e-12)
        np.testing.assert_allclose(adjoint(u) @ u, np.eye(k), atol=1e-12)
        np.testing.assert_allclose(vh @ adjoint(vh), np.eye(k), atol=1e-12)
        check(ht.linalg.svdvals(x), values, atol=1e-12)
    u, s, vh = whole(*ht.linalg.svd(ht.array(a, split=1)))
    assert u.shape == (shape[0],) * 2 and vh.shape == (shape[1],) * 2
    np.testing.assert_allclose(u[:, :k] * s @ vh[:k], a, atol=1e-12)


@pytest.mark.parallel([1, 2, 3])
def test_svd_of_a_matrix_without_full_rank(budget: str) -> None:
    a = sample(12, 2) @ sample(2, 10)
    for split in (0, 1):
        x = ht.array(a, split=split)
        u, s, vh = whole(*ht.linalg.svd(x, full_matrices=False))
        np.testing.assert_allclose(u * s @ vh, a, atol=1e-12)
        np.testing.assert_allclose(u.T @ u, np.eye(10), atol=1e-12)
        assert int(ht.linalg.matrix_rank(x)) == 2
        np.testing.assert_allclose(ht.linalg.pinv(x).numpy(), np.linalg.pinv(a), atol=1e-12)
    zero = ht.zeros((5, 4), split=0, dtype=ht.float64)
    np.testing.assert_array_equal(ht.linalg.svd(zero, full_matrices=False).S.numpy(), np.zeros(4))


@pytest.mark.parallel([1, 2, 3, 4, 7])
@pytest.mark.parametrize(("n", "kind"), EXTENTS)
def test_eigh(n: int, kind: str, every_layout: Any, budget: str) -> None:
    a = sample(n, n, kind=kind)
    a = a + a.conj().T
    for x in every_layout(a):
        w, v = whole(*ht.linalg.eigh(x))
        np.testing.assert_allclose(w, np.linalg.eigvalsh(a), atol=1e-12)
        np.testing.assert_allclose(a @ v, v * w, atol=1e-12)
        np.testing.assert_allclose(adjoint(v) @ v, np.eye(n), atol=1e-12)
        np.testing.assert_allclose(ht.linalg.eigvalsh(x).numpy(), w, atol=1e-12)


@pytest.mark.parallel([1, 2, 3])
@pytest.mark.parametrize("kind", ["d", "D"])
def test_eig(kind: str, every_layout: Any) -> None:
    a = sample(5, 5, kind=kind)
    for x in every_layout(a):
        w, v = whole(*ht.linalg.eig(x))
        np.testing.assert_allclose(a @ v, v * w, atol=1e-12)
        np.testing.assert_allclose(np.linalg.norm(v, axis=0), 1)
        values = ht.linalg.eigvals(x).numpy()
        np.testing.assert_allclose(np.sort_complex(values), np.sort_complex(w), atol=1e-12)


@pytest.mark.parallel([1, 2, 3, 4, 7])
@pytest.mark.parametrize(("n", "kind"), EXTENTS)
def test_square_matrices(n: int, kind: str, every_layout: Any, budget: str, check: Any) -> None:
    a, b, v = sample(n, n, kind=kind), sample(n, 3), sample(n)
    inverse = np.linalg.inv(a)
    bound = 1e3 * EPS * np.linalg.cond(a)
    for x in every_layout(a):
        before = x.layout
        found = ht.linalg.inv(x)
        assert found.split == x.split
        assert np.linalg.norm(a @ found.numpy() - np.eye(n), 2) <= bound
        check(found, inverse, atol=1e-11)
        check(ht.linalg.det(x), np.linalg.det(a), rtol=1e-11)
        sign, logarithm = ht.linalg.slogdet(x)
        check(sign, np.linalg.slogdet(a)[0])
        check(logarithm, np.linalg.slogdet(a)[1], atol=1e-12)
        for y in every_layout(b, unbalanced=False):
            solution = ht.linalg.solve(x, y)
            assert solution.split == y.split
            check(solution, np.linalg.solve(a, b), atol=1e-11)
        check(ht.linalg.solve(x, ht.array(v, split=0)), np.linalg.solve(a, v), atol=1e-11)
        check(ht.linalg.matrix_exp(x), _exponential(a), rtol=1e-9, atol=1e-9)
        for power in (0, 1, 5, -2):
            expected = np.linalg.matrix_power(a, power)
            check(ht.linalg.matrix_power(x, power), expected, rtol=1e-8, atol=1e-8)
        check(ht.linalg.cond(x), np.linalg.cond(a), rtol=1e-9)
        check(ht.linalg.cond(x, 1), np.linalg.cond(a, 1), rtol=1e-9)
        assert x.layout == before
        check(x, a)


@pytest.mark.parallel([1, 2, 3])
def test_inverses_of_ill_conditioned_matrices(budget: str) -> None:
    n = 20
    u, _, v = np.linalg.svd(sample(n, n))
    for condition in (1e6, 1e12):
        a = (u * np.geomspace(1, 1 / condition, n)) @ v
        found = ht.linalg.inv(ht.array(a, split=0)).numpy()
        assert np.linalg.norm(a @ found - np.eye(n), 2) <= 1e3 * EPS * condition


def _exponential(a: np.ndarray) -> np.ndarray:
    return torch.linalg.matrix_exp(torch.tensor(a)).numpy()


@pytest.mark.parallel([1, 3])
@pytest.mark.parametrize("kind", ["d", "D"])
@pytest.mark.parametrize("size", [0.1, 3.0, 400.0])
def test_exponential_of_larger_matrices(size: float, kind: str, check: Any) -> None:
    n = 130
    q, _ = np.linalg.qr(sample(n, n, kind=kind))
    values = -np.linspace(0, 1, n) * size + (1j * np.linspace(-3, 3, n) if kind == "D" else 0)
    a, expected = ((q * part) @ q.conj().T for part in (values, np.exp(values)))
    x = ht.array(a, split=0)
    check(ht.linalg.matrix_exp(x), expected, atol=1e-12)
    with ht.config(replicate_bytes=0):
        check(ht.linalg.matrix_exp(x), expected, atol=1e-12)


@pytest.mark.parallel([1, 2])
def test_exponential_of_matrices_far_from_normal(check: Any) -> None:
    # The powers say nothing of how large the elements are.
    n, height = 140, 1e6
    a = np.kron(np.diag(np.linspace(-2, 2, n // 2)), np.eye(2))
    a[::2, 1::2] += np.eye(n // 2) * height
    for size in (1.0, 1e-3):
        expected = np.kron(np.diag(np.exp(np.linspace(-2, 2, n // 2) * size)), np.eye(2))
        expected[::2, 1::2] += np.diag(np.exp(np.linspace(-2, 2, n // 2) * size)) * height * size
        found = ht.linalg.matrix_exp(ht.array(a * size, split=0))
        check(found, expected, rtol=1e-11, atol=1e-9)
    nilpotent = np.diag(np.ones(n - 1), 1) * 0.5
    found = ht.linalg.matrix_exp(ht.array(nilpotent, split=1)).numpy()
    assert abs(found[0, 5] - 0.5**5 / 120) < 1e-17
    assert np.isnan(ht.linalg.matrix_exp(ht.array(a * np.nan, split=0)).numpy()).any()
    assert not ht.linalg.matrix_exp(ht.array(np.eye(n) * -1e200, split=0)).numpy().any()


@pytest.mark.parallel([1, 2, 3, 4, 7])
@pytest.mark.parametrize(("shape", "kind"), [((6, 6), "d"), ((9, 4), "D"), ((4, 9), "D")])
def test_lu(shape: tuple[int, int], kind: str, every_layout: Any, budget: str) -> None:
    a = sample(*shape, kind=kind)
    for x in every_layout(a):
        result = ht.linalg.lu(x)
        assert result.L.split == x.split
        p, lower, upper = whole(*result)
        np.testing.assert_allclose(p @ lower @ upper, a, atol=1e-13)
        np.testing.assert_array_equal(lower, np.tril(lower))
        np.testing.assert_array_equal(upper, np.triu(upper))
        np.testing.assert_array_equal(np.diagonal(lower), np.ones(min(shape)))
        np.testing.assert_array_equal(p @ p.T, np.eye(shape[0]))
        assert np.abs(lower).max() <= np.sqrt(2)


@pytest.mark.parallel([1, 2, 3, 4, 7])
@pytest.mark.parametrize("kind", ["d", "D"])
def test_factors_are_kept_for_right_sides(kind: str, every_layout: Any, budget: str) -> None:
    n = 9
    a, b = sample(n, n, kind=kind), sample(n, 3, kind=kind)
    packed, pivots = scipy.linalg.lu_factor(a)
    for x in every_layout(a):
        found = ht.linalg.lu_factor(x)
        np.testing.assert_array_equal(found.piv.numpy(), pivots)
        np.testing.assert_allclose(found.lu.numpy(), packed, atol=1e-13)
        for trans, matrix in enumerate((a, a.T, a.conj().T)):
            for right in (ht.array(b, split=1 - trans % 2), ht.array(b[:, 0], split=0)):
                solution = ht.linalg.lu_solve(found, right, trans)
                assert solution.split == right.split and solution.shape == right.shape
                np.testing.assert_allclose(matrix @ solution.numpy(), right.numpy(), atol=1e-12)
    tall = ht.linalg.lu_factor(ht.array(sample(9, 4), split=0))
    assert (tall.lu.shape, tall.piv.shape) == ((9, 4), (4,))
    singular = ht.linalg.lu_factor(ht.array(np.ones((4, 4)), split=0))
    with pytest.raises(ht.linalg.LinAlgError, match="singular"):
        ht.linalg.lu_solve(singular, ht.ones(4))
    for wrong in (
        lambda: ht.linalg.lu_solve(found, ht.array(b), 3),
        lambda: ht.linalg.lu_solve((found.lu, found.piv[:2]), ht.array(b)),
        lambda: ht.linalg.lu_solve(found, ht.array(b[:2], split=0)),
        lambda: ht.linalg.lu_solve(tall, ht.array(b)),
    ):
        with pytest.raises(ValueError, match=r"trans|pivots|right sides|square"):
            wrong()


@pytest.mark.parallel([1, 2, 3, 4, 7])
@pytest.mark.parametrize(("n", "kind"), EXTENTS)
def test_cholesky_and_triangular(
    n: int, kind: str, every_layout: Any, budget: str, check: Any
) -> None:
    a, b = positive(n, kind), sample(n, 2)
    lower = np.linalg.cholesky(a)
    for x in every_layout(a):
        factor = ht.linalg.cholesky(x)
        assert factor.split == x.split
        check(factor, lower)
        check(ht.linalg.cholesky(x, upper=True), adjoint(lower))
    for x in every_layout(lower):
        for y in every_layout(b, unbalanced=False):
            check(ht.linalg.solve_triangular(x, y, upper=False), np.linalg.solve(lower, b))
        check(
            ht.linalg.solve_triangular(x, ht.array(b.T, split=1), upper=False, left=False),
            b.T @ np.linalg.inv(lower),
            atol=1e-12,
        )
        upper = ht.array(adjoint(lower), split=x.split)
        check(
            ht.linalg.solve_triangular(upper, b[:, 0], left=False),
            b[:, 0] @ np.linalg.inv(adjoint(lower)),
            atol=1e-12,
        )
        check(ht.linalg.solve_triangular(upper, b), np.linalg.solve(adjoint(lower), b))
        check(
            ht.linalg.solve_triangular(upper, b[:, 0], unitriangular=True),
            np.linalg.solve(np.triu(adjoint(lower), 1) + np.eye(n), b[:, 0]),
            rtol=1e-9,
            atol=1e-9,
        )


@pytest.mark.parallel([2, 3])
def test_wide_panels() -> None:
    """More than one panel a rank."""
    n = 300
    a = sample(n, n)
    with ht.config(replicate_bytes=0):
        x = ht.array(a, split=1)
        assert np.abs(a @ ht.linalg.inv(x).numpy() - np.eye(n)).max() < 1e-9
        q, r = whole(*ht.linalg.qr(x))
        np.testing.assert_allclose(q @ r, a, atol=1e-11)
        np.testing.assert_allclose(q.T @ q, np.eye(n), atol=1e-12)
        np.testing.assert_allclose(
            ht.linalg.cholesky(ht.array(a @ a.T + n * np.eye(n), split=1)).numpy(),
            np.linalg.cholesky(a @ a.T + n * np.eye(n)),
            atol=1e-10,
        )


@pytest.mark.parallel([1, 2, 3, 4])
def test_stacks(every_layout: Any, check: Any) -> None:
    a = sample(5, 4, 4)
    definite = a @ adjoint(a) + 4 * np.eye(4)
    b = sample(5, 4, 2)
    for x in every_layout(a):
        check(ht.linalg.lu_solve(ht.linalg.lu_factor(x), ht.array(b)), np.linalg.solve(a, b))
        check(ht.linalg.inv(x), np.linalg.inv(a), atol=1e-11)
        check(ht.linalg.det(x), np.linalg.det(a))
        check(ht.linalg.svdvals(x), np.linalg.svdvals(a))
        check(ht.linalg.pinv(x), np.linalg.pinv(a), atol=1e-11)
        check(ht.linalg.matrix_rank(x), np.linalg.matrix_rank(a))
        check(ht.linalg.matrix_power(x, 3), np.linalg.matrix_power(a, 3), atol=1e-12)
        check(ht.linalg.solve(x, ht.array(b)), np.linalg.solve(a, b), atol=1e-11)
        check(ht.linalg.solve(x, ht.array(b[0])), np.linalg.solve(a, b[0]), atol=1e-11)
        q, r = whole(*ht.linalg.qr(x))
        np.testing.assert_allclose(q @ r, a, atol=1e-13)
        u, s, vh = whole(*ht.linalg.svd(x))
        np.testing.assert_allclose(u * s[:, None] @ vh, a, atol=1e-13)
    for x in every_layout(definite, unbalanced=False):
        check(ht.linalg.cholesky(x), np.linalg.cholesky(definite))
        check(ht.linalg.eigvalsh(x), np.linalg.eigvalsh(definite))
    check(ht.linalg.solve(ht.array(a[0], split=0), b), np.linalg.solve(a[0], b), atol=1e-11)


@pytest.mark.parallel([1, 2, 3])
@pytest.mark.parametrize("shape", [(20, 3), (6, 6), (3, 8)])
def test_least_squares(shape: tuple[int, int], every_layout: Any, budget: str, check: Any) -> None:
    a, b = sample(*shape), sample(shape[0], 2)
    x, _, rank, s = np.linalg.lstsq(a, b)
    residuals = ((b - a @ x) ** 2).sum(0)
    for matrix in every_layout(a):
        found = ht.linalg.lstsq(matrix, ht.array(b, split=0))
        check(found.x, x, atol=1e-11)
        check(found.residuals, residuals, atol=1e-12)
        check(found.s, s, atol=1e-12)
        assert int(found.rank) == rank
        check(ht.linalg.lstsq(matrix, b[:, 0]).x, x[:, 0], atol=1e-11)


@pytest.mark.parallel([1, 2, 3])
def test_errors_come_on_all_ranks(budget: str) -> None:
    singular = ht.zeros((4, 4), split=0)
    with pytest.raises(np.linalg.LinAlgError):
        ht.linalg.inv(singular)
    with pytest.raises(ht.linalg.LinAlgError):
        ht.linalg.solve(singular, ht.ones(4))
    with pytest.raises(np.linalg.LinAlgError):
        ht.linalg.cholesky(ht.array(np.diag([1.0, 2, -1, 3]), split=1))
    # One matrix of a stack, on one rank.
    stack = np.stack([np.eye(2)] * 5)
    stack[4] = 0
    with pytest.raises(np.linalg.LinAlgError):
        ht.linalg.inv(ht.array(stack, split=0))
    assert float(ht.linalg.det(singular)) == 0
    assert float(ht.linalg.slogdet(singular).logabsdet) == -np.inf
    for name in ("inv", "det", "cholesky", "eigh", "matrix_exp", "slogdet", "eigvals"):
        with pytest.raises(ValueError, match="square"):
            getattr(ht.linalg, name)(ht.ones((2, 3), split=0))
    with pytest.raises(ValueError, match="matrices"):
        ht.linalg.svd(ht.ones(3, split=0))
    with pytest.raises(ValueError, match="right sides"):
        ht.linalg.solve(ht.ones((3, 3), split=0), ht.ones((4, 1)))


@pytest.mark.parallel([1, 2])
def test_types() -> None:
    x = ht.array([[2, 1], [1, 3]], split=0, dtype=ht.int32)
    assert ht.linalg.inv(x).dtype is ht.float32
    assert ht.linalg.svdvals(x + 0j).dtype is ht.float32
    assert ht.linalg.eig(ht.float64(x)).eigenvalues.dtype is ht.complex128
    assert ht.linalg.det(x.astype(ht.float16)).dtype is ht.float32


@pytest.mark.parallel([2, 3])
def test_tall_matrices_send_little_and_big_ones_are_not_gathered() -> None:
    from mpi_utils import traffic

    tall = ht.random.rand(3000, 8, split=0, dtype=ht.float64)
    with traffic(tall.comm) as counted:
        ht.linalg.qr(tall)
    assert counted.messages("allgatherv") == tall.comm.size - 1
    assert counted.bytes() <= (tall.comm.size - 1) * 8 * 8 * 8
    square = ht.random.rand(64, 64, split=1, dtype=ht.float64)
    definite = square + square.T + 64 * ht.eye(64, split=1, dtype=ht.float64)
    with ht.config(replicate_bytes=0), traffic(square.comm) as counted:
        ht.linalg.cholesky(definite)
        ht.linalg.lu(square)
        ht.linalg.qr(square)
        ht.linalg.svdvals(square)
    assert counted.bytes("allgatherv") <= 100 * 64 * 8


def test_panels() -> None:
    found = panels((3, 0, 4), 6, width=2)
    assert [(p.owner, p.start, p.stop, p.local) for p in found] == [
        (0, 0, 2, 0),
        (0, 2, 3, 2),
        (2, 3, 5, 0),
        (2, 5, 7, 2),
    ]


@pytest.mark.parametrize("size", [2, 3, 4, 7])
def test_blocks_meet_each_other_once_in_a_sweep(size: int) -> None:
    tops, bottoms = list(range(0, 2 * size, 2)), list(range(1, 2 * size, 2))
    met = set()
    for _ in range(2 * size - 1):
        met |= {frozenset(pair) for pair in zip(tops, bottoms, strict=True)}
        tops, bottoms = moved(tops, bottoms)
    assert len(met) == size * (2 * size - 1)
    assert tops == list(range(0, 2 * size, 2))
