"""Decompositions of low rank: randomized, hierarchical, incremental, and the polar one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import heat_core as ht
from heat_core.linalg.truncation import kept_rank

RANKS = [1, 2, 3, 4, 7]


def low_rank(m: int, n: int, rank: int, kind: str = "d", noise: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(m + 31 * n)
    a = rng.normal(size=(m, rank)) @ rng.normal(size=(rank, n)) + noise * rng.normal(size=(m, n))
    return a + 1j * a[::-1] if kind == "D" else a


def adjoint(a: np.ndarray) -> np.ndarray:
    return a.conj().T


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("kind", ["d", "D"])
@pytest.mark.parametrize("shape", [(40, 12), (12, 40), (9, 9)])
def test_matrices_of_low_rank_are_restored(
    shape: tuple[int, int], kind: str, every_layout: Any
) -> None:
    a = low_rank(*shape, 4, kind)
    k = 8 if kind == "D" else 4
    for x in every_layout(a, unbalanced=False):
        u, s, vh = (part.numpy() for part in ht.linalg.rsvd(x, k, random_state=1))
        np.testing.assert_allclose((u * s) @ vh, a, atol=1e-11)
        np.testing.assert_allclose(adjoint(u) @ u, np.eye(k), atol=1e-12)
        found = ht.linalg.hsvd_rank(x, k, compute_sv=True)
        assert (found.U.split, found.V.split) == {None: (None, None), 0: (0, None), 1: (None, 0)}[
            x.split
        ]
        u, s, v = (part.numpy() for part in found[:3])
        np.testing.assert_allclose((u * s) @ adjoint(v), a, atol=1e-11)
        np.testing.assert_allclose(adjoint(v) @ v, np.eye(k), atol=1e-12)
        assert found.error < 1e-7
    for x in every_layout(a.astype("F" if kind == "D" else "f"), unbalanced=False):
        found = ht.linalg.hsvd_rank(x, k, compute_sv=True)
        u, s, v = (part.numpy() for part in found[:3])
        np.testing.assert_allclose((u * s) @ adjoint(v), a, atol=1e-4)


@pytest.mark.parallel(RANKS)
def test_errors_of_hierarchical_svd_are_bounded(every_layout: Any) -> None:
    a = low_rank(30, 60, 5, noise=0.05)
    norm = np.linalg.norm(a)
    for x in every_layout(a):
        for rtol in (0.3, 0.1, 1e-2):
            basis, error = ht.linalg.hsvd_rtol(x, rtol)
            u = basis.numpy()
            assert np.linalg.norm(a - u @ (u.T @ a)) <= min(error, rtol) * norm * (1 + 1e-9)
            assert u.shape[1] < 30 or rtol < 0.05
        basis, error = ht.linalg.hsvd_rank(x, 5)
        u = basis.numpy()
        best = np.sqrt((np.linalg.svd(a, compute_uv=False)[5:] ** 2).sum())
        missed = np.linalg.norm(a - u @ (u.T @ a))
        assert u.shape[1] == 5 and missed <= error * norm * (1 + 1e-9) and missed <= 1.05 * best
    assert ht.linalg.hsvd(ht.zeros((5, 4), split=1), 2).error == 0


@pytest.mark.parallel([1, 2, 3])
def test_hierarchies_of_other_shapes() -> None:
    a = low_rank(20, 30, 3)
    x = ht.array(a, split=1)
    for merges, dim in ((2, None), (3, None), (2, 20)):
        u = ht.linalg.hsvd(x, 3, maxmergedim=dim, no_of_merges=merges).U.numpy()
        np.testing.assert_allclose(u @ (u.T @ a), a, atol=1e-12)
    for wrong in (
        {},
        {"maxrank": 0},
        {"maxrank": 3, "maxmergedim": 5},
        {"rtol": 1, "no_of_merges": 1},
    ):
        with pytest.raises(ValueError, match=r"least|needs"):
            ht.linalg.hsvd(x, **wrong)
    with pytest.raises(ValueError, match="at least 1"):
        ht.linalg.rsvd(x, 0)


@pytest.mark.parallel(RANKS)
def test_random_projections_do_not_depend_on_ranks_and_powers_help() -> None:
    a = low_rank(50, 40, 3, noise=0.3)
    alone = ht.linalg.rsvd(ht.array(a), 3, random_state=5)
    exact = np.linalg.svd(a, compute_uv=False)[:3]
    errors = []
    for power_iter in (0, 2):
        found = ht.linalg.rsvd(ht.array(a, split=0), 3, 2, power_iter=power_iter, random_state=5)
        errors.append(np.abs(found.S.numpy() - exact).max())
    assert errors[1] < errors[0] / 10
    again = ht.linalg.rsvd(ht.array(a, split=1), 3, random_state=5)
    np.testing.assert_allclose(again.S.numpy(), alone.S.numpy(), rtol=1e-12)
    h = low_rank(30, 30, 3)
    h = h + h.T
    values, vectors = ht.linalg.reigh(ht.array(h, split=0), 6, power_iter=1, random_state=0)
    w, v = values.numpy(), vectors.numpy()
    np.testing.assert_allclose((v * w) @ v.T, h, atol=1e-11)
    assert (np.diff(np.abs(w)) <= 1e-12).all()


@pytest.mark.parallel(RANKS)
def test_svd_takes_more_columns(every_layout: Any) -> None:
    a = low_rank(25, 18, 6)
    u, s, vh = np.linalg.svd(a[:, :10], full_matrices=False)
    for new in every_layout(a[:, 10:]):
        for old in (ht.array(u), ht.array(u, split=0)):
            found = ht.linalg.isvd(new, old, ht.array(s), ht.array(vh, split=1))
            left, values, right = (part.numpy() for part in found)
            np.testing.assert_allclose((left * values) @ right, a, atol=1e-11)
            np.testing.assert_allclose(left.T @ left, np.eye(len(values)), atol=1e-12)
    found = ht.linalg.isvd(new, old, ht.array(s), ht.array(vh), maxrank=6)
    assert found.S.shape == (6,)
    with pytest.raises(ValueError, match="fit"):
        ht.linalg.isvd(new[:5], old, ht.array(s), ht.array(vh))


@pytest.mark.parallel([1, 2, 3])
@pytest.mark.parametrize("budget", [0, 1 << 28])
def test_polar_decomposition_of_ill_conditioned_matrices(budget: int) -> None:
    rng = np.random.default_rng(0)
    for kind, n in (("d", 8), ("D", 5)):
        a = rng.normal(size=(12, n)) + (1j * rng.normal(size=(12, n)) if kind == "D" else 0)
        a = np.linalg.qr(a)[0] * np.logspace(0, -12, n)
        for split in (None, 0, 1):
            with ht.config(replicate_bytes=budget):
                found = ht.linalg.polar(ht.array(a, split=split))
                assert ht.linalg.polar(ht.array(a, split=split), calcH=False).H is None
            u, h = found.U.numpy(), found.H.numpy()
            np.testing.assert_allclose(u @ h, a, atol=1e-14)
            np.testing.assert_allclose(adjoint(u) @ u, np.eye(n), atol=1e-13)
            np.testing.assert_allclose(h, adjoint(h), atol=1e-15)
    with pytest.raises(ValueError, match="rows"):
        ht.linalg.polar(ht.ones((3, 4)))


def test_how_many_values_are_kept() -> None:
    squares = torch.tensor([9.0, 4.0, 1.0, 0.25])
    assert kept_rank(squares, None, 0.0) == 4
    assert kept_rank(squares, None, 1.25) == 2
    assert kept_rank(squares, None, 1.0) == 3
    assert kept_rank(squares, 2, 0.0, spare=1) == 3
    assert kept_rank(squares, None, 100.0) == 1
