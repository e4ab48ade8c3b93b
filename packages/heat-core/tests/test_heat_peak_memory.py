"""What is held at most: no table of all pairs, and no matrix that does not fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import heat_core as ht


class Watch(TorchDispatchMode):
    """Notes the most elements of a tensor that torch makes."""

    largest = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for part in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(part, torch.Tensor):
                self.largest = max(self.largest, part.untyped_storage().nbytes() // part.itemsize)
        return result


def largest_tensor(call: Callable[[], object]) -> int:
    with Watch() as watch:
        call()
    return watch.largest


@pytest.mark.parallel([2])
def test_no_table_of_all_pairs_is_ever_held() -> None:
    n = 6000
    data = np.random.default_rng(0).normal(size=(n, 3)).astype("f4")
    X, y = ht.array(data, split=0), ht.array(np.arange(n) % 4, split=0)
    for call in (
        lambda: ht.spatial.cdist_topk(X, X, 5),
        lambda: ht.spatial.cdist_argmin(X, X),
        lambda: ht.cluster.silhouette_samples(X, y),
        lambda: ht.cluster.Spectral(3, reigh_rank=10, reigh_power_iter=0, random_state=0).fit(X),
        lambda: ht.classification.KNeighborsClassifier(5).fit(X, y).predict(X),
        lambda: ht.cluster.KMeans(50, init="k-means||", max_iter=2, random_state=0).fit(X),
        lambda: ht.cluster.DBSCAN(0.05, 3).fit(X),
    ):
        assert largest_tensor(call) < n * n // X.comm.size / 4  # a few rows at a time


@pytest.mark.parallel([2])
def test_seeding_and_neighbours_hold_no_copy_for_each_rank() -> None:
    n, d = 3000, 200
    data = np.random.default_rng(0).normal(size=(n, d)).astype("f4")
    X, y = ht.array(data, split=0), ht.array(np.arange(n) % 4, split=0)
    few = X[:30].resplit(0)
    slab = -(-n // X.comm.size) * d
    for call in (
        lambda: ht.cluster.KMeans(3, init="k-means||", max_iter=2, random_state=0).fit(X),
        lambda: ht.spatial.cdist_argmin(few, X),
        lambda: ht.classification.KNeighborsClassifier(5).fit(X, y).predict(few),
    ):
        assert largest_tensor(call) <= 1.1 * slab


@pytest.mark.parallel([4])
@pytest.mark.parametrize("name", ["lu", "cholesky", "qr", "svd", "inv", "det", "solve", "eigh"])
def test_matrices_beyond_the_budget_are_nowhere_whole(name: str) -> None:
    n = 280
    a = np.random.default_rng(0).normal(size=(n, n))
    matrix = ht.array(a @ a.T + n * np.eye(n), split=1)
    b = ht.array(a[0], split=0)
    given = {"svd": {"full_matrices": False}}.get(name, {})
    arguments = (matrix, b) if name == "solve" else (matrix,)
    with ht.config(replicate_bytes=0):
        held = largest_tensor(lambda: getattr(ht.linalg, name)(*arguments, **given))
    assert held <= 0.75 * n * n  # a slab of a quarter, and a panel of 128 columns
