"""Mistakes of users: an error that tells them, on all ranks, and no hang."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import heat_core as ht

N = 7
SQUARE = np.random.default_rng(0).normal(size=(N, N))


def rows(data: np.ndarray = SQUARE) -> ht.DNDarray:
    return ht.array(data, split=0)


def with_nan() -> ht.DNDarray:
    data = SQUARE.copy()
    data[-1, -1] = np.nan  # on the last rank only
    return rows(data)


def vector() -> ht.DNDarray:
    return ht.array(SQUARE[0], split=0)


NOT_FINITE = "NaN|finite|converge"  # the words of the libraries
LINALG, DATA = ht.linalg, ht.utils.data
MISTAKES: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "eigenvalues of NaN": (lambda: LINALG.eig(with_nan()), LINALG.LinAlgError, "NaN"),
    "symmetric ones": (lambda: LINALG.eigh(with_nan()), LINALG.LinAlgError, NOT_FINITE),
    "singular values": (lambda: LINALG.svdvals(with_nan()), LINALG.LinAlgError, NOT_FINITE),
    "pseudo-inverse": (lambda: LINALG.pinv(with_nan()), LINALG.LinAlgError, NOT_FINITE),
    "Cholesky": (lambda: LINALG.cholesky(-rows(SQUARE @ SQUARE.T)), LINALG.LinAlgError, ""),
    "singular": (lambda: LINALG.inv(rows(np.ones((N, N)))), LINALG.LinAlgError, "singular"),
    "shapes": (lambda: LINALG.solve(rows(), vector()[:3]), ValueError, "right sides"),
    "no factors": (lambda: LINALG.lu_solve(rows(), vector()), TypeError, "lu_factor"),
    "NumPy's vector": (lambda: LINALG.cg(rows(), SQUARE[0]), TypeError, r"ht\.array"),
    "rank": (lambda: LINALG.rsvd(rows(), 2.5), ValueError, "rank is a whole number"),
    "ranks": (lambda: LINALG.hsvd_rank(rows(), "3"), ValueError, "maxrank"),
    "text": (lambda: LINALG.inv("text"), TypeError, "not str"),
    "length": (lambda: ht.fft.fft(rows(), 2.5), TypeError, "integer"),
    "empty": (lambda: ht.fft.fft(ht.zeros(0, split=0)), ValueError, "at least one"),
    "stride": (lambda: ht.convolve(vector(), vector(), stride=1.5), TypeError, "integer"),
    "tables": (lambda: ht.spatial.cdist(SQUARE), TypeError, r"ht\.array"),
    "neighbours": (lambda: ht.spatial.cdist_topk(rows(), rows(), 1.5), ValueError, "k is a whole"),
    "width": (lambda: ht.spatial.rbf(rows(), sigma=0), ValueError, "sigma is a positive"),
    "similarity": (lambda: ht.graph.Laplacian("rbf").construct(rows()), TypeError, "function"),
    "snapshots": (lambda: ht.decomposition.DMD().fit(SQUARE), TypeError, r"ht\.array"),
    "controls": (lambda: ht.decomposition.DMDc().fit(rows(), SQUARE), TypeError, "controls"),
    "weights": (
        lambda: ht.cluster.KMeans(2).fit(rows(), sample_weight=SQUARE[0]), TypeError, r"ht\.array",
    ),
    "dataset": (lambda: DATA.Dataset(SQUARE), TypeError, r"ht\.array"),
    "batches": (lambda: DATA.DataLoader(DATA.Dataset(rows()), 1.5), ValueError, "batch_size"),
    "optimizer": (
        lambda: ht.nn.DataParallel(ht.nn.Linear(2, 2), optimizer="SGD"), TypeError, "optim",
    ),
    "network": (lambda: ht.nn.DataParallel("network"), TypeError, "module"),
}  # fmt: skip


@pytest.mark.parallel([1, 3])
def test_mistakes_are_told_on_all_ranks() -> None:
    for budget in (1 << 20, 0):  # matrices are gathered, or nowhere whole
        with ht.config(replicate_bytes=budget):
            for call, error, match in MISTAKES.values():
                with pytest.raises(error, match=match):
                    call()


@pytest.mark.parallel([1, 2])
def test_iterations_end_at_nan(caplog: Any) -> None:
    for solve in (LINALG.cg, LINALG.bicgstab, LINALG.gmres):
        caplog.clear()
        assert np.isnan(solve(with_nan(), vector(), maxiter=9).numpy()).any() or caplog.text
        assert "tolerance" in caplog.text
