"""k-means against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import cluster as oracle
from sklearn.datasets import load_iris

import heat_core as ht
from heat_core.cluster.lloyd import accumulate, assign
from mpi_utils import traffic

RANKS = [1, 2, 3, 4, 7]


def _iris() -> np.ndarray:
    return load_iris().data.astype("f4")


@pytest.mark.parallel(RANKS)
def test_lloyd_as_scikit_learn() -> None:
    data = _iris()
    start = data[[0, 60, 120]]
    wanted = oracle.KMeans(3, init=start, n_init=1, tol=1e-4, algorithm="lloyd").fit(data)
    found = ht.cluster.KMeans(3, init=ht.array(start)).fit(ht.array(data, split=0))
    np.testing.assert_allclose(found.cluster_centers_.numpy(), wanted.cluster_centers_, rtol=1e-5)
    np.testing.assert_array_equal(found.labels_.numpy(), wanted.labels_)
    assert found.inertia_ == pytest.approx(wanted.inertia_, rel=1e-5)
    assert found.n_iter_ == wanted.n_iter_
    assert found.functional_value_ == found.inertia_
    assert found.score(ht.array(data, split=0)) == pytest.approx(-found.inertia_)
    distances = found.transform(ht.array(data, split=0)).numpy()
    np.testing.assert_allclose(distances, wanted.transform(data), rtol=1e-4, atol=1e-5)


@pytest.mark.parallel(RANKS)
def test_weights_are_repetitions() -> None:
    data = _iris()
    weights = np.random.default_rng(0).integers(0, 3, len(data)).astype("f4")
    start = ht.array(data[[0, 60, 120]])
    weighted = ht.cluster.KMeans(3, init=start).fit(
        ht.array(data, split=0), sample_weight=ht.array(weights, split=0)
    )
    repeated = np.repeat(data, weights.astype(int), axis=0)
    plain = ht.cluster.KMeans(3, init=start).fit(ht.array(repeated, split=0))
    assert weighted.inertia_ == pytest.approx(plain.inertia_, rel=1e-3)
    np.testing.assert_allclose(
        weighted.cluster_centers_.numpy(), plain.cluster_centers_.numpy(), rtol=1e-2
    )


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("init", ["k-means++", "k-means||", "random"])
def test_starts_are_good_and_reproducible(init: str) -> None:
    rng = np.random.default_rng(3)
    places = rng.normal(size=(6, 5)) * 20
    data = (places[rng.integers(0, 6, 3000)] + rng.normal(size=(3000, 5))).astype("f4")
    X = ht.array(data, split=0)
    n_init = 8 if init == "random" else 2
    found = ht.cluster.KMeans(6, init=init, random_state=5, n_init=n_init).fit(X)
    wanted = oracle.KMeans(6, n_init=10, random_state=0).fit(data)
    assert found.inertia_ <= wanted.inertia_ * 1.01
    alone = ht.cluster.KMeans(6, init=init, random_state=5, n_init=n_init).fit(ht.array(data))
    np.testing.assert_array_equal(found.labels_.numpy(), alone.labels_.numpy())


@pytest.mark.parallel([1, 2, 3])
def test_an_iteration_is_one_message() -> None:
    data = np.random.default_rng(1).normal(size=(400, 6)).astype("f4")
    X = ht.array(data, split=0)
    start = ht.array(data[:4])
    counts = []
    for n in (3, 8):
        with traffic(X.comm) as counted:
            ht.cluster.KMeans(4, init=start, max_iter=n, tol=0).fit(X)
        counts.append((counted.messages(), counted.bytes()))
    messages, n_bytes = np.subtract(counts[1], counts[0])
    if X.comm.size > 1:
        assert messages == 5
        assert n_bytes == 5 * 8 * 4 * (6 + 1)


@pytest.mark.parallel(RANKS)
def test_empty_clusters_get_far_samples() -> None:
    data = np.array([[0.0], [0.1], [0.2], [5.0], [9.0], [9.1]], dtype="f4")
    start = ht.array(np.array([[0.0], [100.0], [200.0]], dtype="f4"))
    found = ht.cluster.KMeans(3, init=start).fit(ht.array(data, split=0))
    assert sorted(set(found.labels_.tolist())) == [0, 1, 2]
    # The far samples become centres of their own, and the rest stays together.
    np.testing.assert_allclose(
        np.sort(found.cluster_centers_.numpy()[:, 0]), [1.325, 9.0, 9.1], rtol=1e-6
    )


@pytest.mark.parallel(RANKS)
def test_small_batches() -> None:
    rng = np.random.default_rng(3)
    places = rng.normal(size=(6, 5)) * 20
    data = (places[rng.integers(0, 6, 3000)] + rng.normal(size=(3000, 5))).astype("f4")
    X = ht.array(data, split=0)
    found = ht.cluster.MiniBatchKMeans(6, batch_size=200, random_state=2, n_init=3).fit(X)
    wanted = oracle.KMeans(6, n_init=10, random_state=0).fit(data)
    assert found.inertia_ <= wanted.inertia_ * 1.05
    alone = ht.cluster.MiniBatchKMeans(6, batch_size=200, random_state=2, n_init=3)
    alone.fit(ht.array(data))
    assert (alone.n_steps_, alone.n_iter_) == (found.n_steps_, found.n_iter_)
    np.testing.assert_array_equal(alone.labels_.numpy(), found.labels_.numpy())
    parts = ht.cluster.MiniBatchKMeans(6, init=found.cluster_centers_)
    with traffic(X.comm) as counted:
        for start in range(0, 3000, 500):
            parts.partial_fit(ht.array(data[start : start + 500], split=0))
    assert parts.n_steps_ == 6
    assert counted.messages() == (6 if X.comm.size > 1 else 0)
    assert -parts.score(X) <= wanted.inertia_ * 1.05


@pytest.mark.parallel([1, 2])
def test_bad_parameters() -> None:
    X = ht.random.default_rng(0).random((20, 3), split=0)
    for parameters, match in (
        ({"n_clusters": 21}, "samples"),
        ({"n_clusters": 2, "init": "nonsense"}, "init is one of"),
        ({"n_clusters": 2, "init": ht.ones((3, 3))}, "shape"),
        ({"n_clusters": 2, "max_iter": 0}, "at least 1"),
        ({"n_clusters": 2, "tol_mode": "x"}, "tol_mode"),
    ):
        with pytest.raises(ValueError, match=match):
            ht.cluster.KMeans(**parameters).fit(X)
    X[3, 1] = float("nan")
    with pytest.raises(ValueError, match="NaN"):
        ht.cluster.KMeans(2, init=ht.ones((2, 3))).fit(X)
    with pytest.raises(ValueError, match="sample_weight"):
        ht.cluster.KMeans(2).fit(X, sample_weight=ht.ones(19, split=0))


def test_equally_near_centres_do_not_share_a_sample() -> None:
    import torch

    samples, centres = torch.tensor([[0.0], [1.0], [5.0]]), torch.tensor([[0.0], [2.0], [2.0]])
    found = accumulate(samples, centres, None)
    assert found.weights.tolist() == [2, 1, 0]
    assert assign(samples, centres)[0].tolist() == [0, 0, 1]
