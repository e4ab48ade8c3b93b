"""Methods that only multiply with a matrix: solvers and extreme eigenvalues."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse

import heat_core as ht

RANKS = [1, 2, 3, 4, 7]
N = 18


def matrices(kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A regular matrix, a positive definite one and a vector."""
    rng = np.random.default_rng(1)
    a = rng.normal(size=(N, N)) + 12 * np.eye(N)
    b = rng.normal(size=N)
    if kind == "D":
        a, b = a + 1j * rng.normal(size=(N, N)), b + 1j * rng.normal(size=N)
    return a, a @ a.conj().T / N + np.eye(N), b


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("kind", ["d", "D"])
def test_solvers(kind: str, every_layout: Any) -> None:
    a, s, b = matrices(kind)
    for A in every_layout(s, unbalanced=False):
        for split in (None, 0):
            right = ht.array(b, split=split)
            x = ht.cg(A, right)
            assert x.split == split
            np.testing.assert_allclose(s @ x.numpy(), b, atol=1e-8)
    for A in every_layout(a, unbalanced=False):
        x = ht.gmres(A, right, restart=N if A.split == 0 else 9)
        np.testing.assert_allclose(a @ x.numpy(), b, atol=1e-8)
        x = ht.bicgstab(A, right)
        assert x.split == right.split
        np.testing.assert_allclose(a @ x.numpy(), b, atol=1e-8)
    seen: list[ht.DNDarray] = []
    weights = ht.array(np.diag(1 / np.diag(s)))
    out = ht.zeros(N, dtype=ht.float64 if kind == "d" else ht.complex128, split=0)
    found = ht.linalg.cg(
        ht.array(s, split=0), right, ht.array(b), out, M=weights, callback=seen.append
    )
    assert found is out and 0 < len(seen) <= N
    np.testing.assert_allclose(s @ out.numpy(), b, atol=1e-8)
    seen.clear()
    start, inverse = ht.array(b), ht.array(np.diag(1 / np.diag(a)))
    found = ht.bicgstab(ht.array(a, split=0), right, start, M=inverse, callback=seen.append)
    np.testing.assert_allclose(a @ found.numpy(), b, atol=1e-8)
    assert len(seen) <= 2 * N and np.array_equal(seen[-1].numpy(), found.numpy())
    # The first product is orthogonal to the residual: a skew matrix stops where it began.
    skew = np.triu(np.ones((N, N)), 1)
    ht.bicgstab(ht.array(skew - skew.T, split=0), ht.array(b.real, split=0), maxiter=3)
    exact = ht.bicgstab(ht.array(np.eye(N), split=0), right, right)
    np.testing.assert_array_equal(exact.numpy(), b)


@pytest.mark.parallel([1, 2, 3])
def test_sparse_matrices_and_functions() -> None:
    s = scipy.sparse.random(N, N, 0.1, random_state=0)
    s = (s + s.T + 8 * scipy.sparse.eye(N)).tocsr()
    b = np.random.default_rng(0).normal(size=N)
    right = ht.array(b, split=0)
    for make in (ht.sparse.sparse_csr_matrix, ht.sparse.sparse_csc_matrix):
        A = make(s, split=0 if make is ht.sparse.sparse_csr_matrix else 1)
        for A_ in (A, A.__matmul__):
            for solve in (ht.linalg.cg, ht.linalg.gmres, ht.linalg.bicgstab):
                np.testing.assert_allclose(s @ solve(A_, right).numpy(), b, atol=1e-8)
            v, t = ht.linalg.lanczos(A_, N, right)
            values = np.linalg.eigvalsh(t.numpy())
            np.testing.assert_allclose(values, np.linalg.eigvalsh(s.toarray()), atol=1e-10)
            assert v.split == (0 if A.comm.size > 1 else None)
            start = ht.random.default_rng(0).normal(size=(N, 2), split=0, dtype=ht.float64)
            top = ht.linalg.lobpcg(A_, start)
            np.testing.assert_allclose(top.eigenvalues.numpy(), values[::-1][:2], rtol=1e-10)


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("kind", ["d", "D"])
def test_lanczos(kind: str, every_layout: Any) -> None:
    _, s, b = matrices(kind)
    for A in every_layout(s, unbalanced=False):
        v, t = (part.numpy() for part in ht.linalg.lanczos(A, N))
        np.testing.assert_allclose(v @ t @ v.conj().T, s, atol=1e-10)
        np.testing.assert_allclose(v.conj().T @ v, np.eye(N), atol=1e-12)
        few = ht.linalg.lanczos(A, 12, ht.array(b))
        largest = np.linalg.eigvalsh(few.T.numpy())[-1]
        assert largest == pytest.approx(np.linalg.eigvalsh(s)[-1], rel=1e-2)
    v_out, t_out = ht.zeros((N, 3), dtype=few.V.dtype, split=1), ht.zeros((3, 3), dtype="float64")
    ht.linalg.lanczos(A, 3, ht.array(b), v_out, t_out)
    np.testing.assert_allclose(v_out.numpy(), few.V.numpy()[:, :3], atol=1e-12)
    # Two different eigenvalues: the space is exhausted after two steps, and random ones go on.
    twice = np.diag(np.repeat([1.0, 2.0], N // 2))
    v, t = (part.numpy() for part in ht.linalg.lanczos(ht.array(twice, split=0), 10))
    np.testing.assert_allclose(v.T @ v, np.eye(10), atol=1e-12)
    np.testing.assert_allclose(v.T @ twice @ v, t, atol=1e-12)
    with pytest.raises(ValueError, match="steps"):
        ht.linalg.lanczos(A, N + 1)


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("kind", ["d", "D"])
def test_lobpcg(kind: str, every_layout: Any) -> None:
    _, s, _ = matrices(kind)
    exact = np.linalg.eigvalsh(s)
    start = np.random.default_rng(0).normal(size=(N, 3))
    for A in every_layout(s, unbalanced=False):
        largest = A.split != 0
        w, v = (part.numpy() for part in ht.lobpcg(A, ht.array(start, split=0), largest=largest))
        np.testing.assert_allclose(w, exact[::-1][:3] if largest else exact[:3], rtol=1e-9)
        np.testing.assert_allclose(s @ v, v * w, atol=1e-5)
        np.testing.assert_allclose(v.conj().T @ v, np.eye(3), atol=1e-12)
    inverse = ht.array(np.linalg.inv(s), split=0)
    w = ht.lobpcg(A, ht.array(start), M=inverse, largest=False, maxiter=12, tol=1e-6).eigenvalues
    np.testing.assert_allclose(w.numpy(), exact[:3], rtol=1e-8)
    with pytest.raises(ValueError, match="third"):
        ht.lobpcg(A, ht.ones((N, 7)))


@pytest.mark.parallel([1, 3])
@pytest.mark.parametrize("kind", ["f", "d", "D"])
def test_lobpcg_of_eigenvalues_that_lie_close(kind: str) -> None:
    n = 40
    for seed in range(3):
        rng = np.random.default_rng(seed)
        a = rng.normal(size=(n, n)) + (1j * rng.normal(size=(n, n)) if kind == "D" else 0)
        a = ((a + a.conj().T) / 2 + 6 * np.eye(n)).astype(kind)
        exact = np.linalg.eigvalsh(a)
        start = ht.array(rng.normal(size=(n, 3)).astype("f" if kind == "f" else "d"), split=0)
        for largest in (True, False):
            w, v = (x.numpy() for x in ht.lobpcg(ht.array(a, split=0), start, largest=largest))
            eps = np.finfo(kind).eps
            wanted = exact[::-1][:3] if largest else exact[:3]
            # The square of the residual, which is the root of eps, over the gap; and rounding.
            np.testing.assert_allclose(w, wanted, atol=1e3 * eps * exact[-1])
            residuals = np.linalg.norm(a @ v - v * w, axis=0)
            assert residuals.max() < 2 * eps**0.5 * np.abs(exact).max()


@pytest.mark.parallel([1, 2, 3])
@pytest.mark.parametrize("budget", [0, 1 << 28])
def test_estimates_of_conditions(budget: int, every_layout: Any) -> None:
    rng = np.random.default_rng(0)
    u, v = (np.linalg.qr(rng.normal(size=(n, 12)))[0] for n in (30, 12))
    for a in (u * np.logspace(0, -8, 12) @ v.T, matrices("D")[0][:12, :12]):
        for A in every_layout(a, unbalanced=False):
            with ht.config(replicate_bytes=budget):
                found = ht.condest(A).item()
            assert 0.9 * np.linalg.cond(a) < found < np.linalg.cond(a) * (1 + 1e-6)
    for wrong in (lambda: ht.condest(A, p=1), lambda: ht.condest(ht.ones((2, 3)))):
        with pytest.raises(ValueError, match="condest"):
            wrong()


@pytest.mark.parallel([1, 2])
def test_wrong_operators(caplog: Any) -> None:
    _, s, b = matrices("d")
    right = ht.array(b, split=0)
    for wrong, error in (
        (lambda: ht.cg(ht.ones((3, 4)), ht.ones(3)), ValueError),
        (lambda: ht.cg(ht.ones((3, 3)), right), ValueError),
        (lambda: ht.cg(ht.array(s), ht.ones((N, 1))), ValueError),
        (lambda: ht.gmres("A", right), TypeError),
    ):
        with pytest.raises(error):
            wrong()
    ht.cg(ht.array(s), right, maxiter=1)
    assert "tolerance" in caplog.text
