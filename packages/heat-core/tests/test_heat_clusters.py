"""Clusterings beside k-means: medians, merged batches, density, mixtures, graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn import cluster as oracle
from sklearn import metrics, mixture
from sklearn.datasets import load_iris, make_moons

import heat_core as ht
from heat_core.cluster.medians import assign_by_sums, weighted_medians
from mpi_utils import traffic

RANKS = [1, 2, 3, 4, 7]


def iris() -> tuple[np.ndarray, np.ndarray]:
    return load_iris(return_X_y=True)


def _medians_by_hand(data: np.ndarray, centres: np.ndarray, n: int) -> np.ndarray:
    for _ in range(n):
        labels = np.abs(data[:, None] - centres).sum(2).argmin(1)
        centres = np.array([np.median(data[labels == k], axis=0) for k in range(len(centres))])
    return centres


@pytest.mark.parallel(RANKS)
def test_medians_and_medoids(every_layout: Any) -> None:
    data, _ = iris()
    start = data[[0, 60, 120]]
    wanted = _medians_by_hand(data, start, 3)
    for X in every_layout(data, unbalanced=True):
        found = ht.cluster.KMedians(3, init=ht.array(start), max_iter=3, tol=0).fit(X)
        np.testing.assert_allclose(found.cluster_centers_.numpy(), wanted)
        labels = np.abs(data[:, None] - wanted).sum(2)
        np.testing.assert_array_equal(found.labels_.numpy(), labels.argmin(1))
        assert found.inertia_ == pytest.approx(labels.min(1).sum()) == found.functional_value_
        np.testing.assert_allclose(found.transform(X).numpy(), labels)
        medoids = ht.cluster.KMedoids(3, init=ht.array(start)).fit(X)
        rows = medoids.cluster_centers_.numpy()
        assert all((data == row).all(1).any() for row in rows)
        assert medoids.n_iter_ < 20
        closest = medoids.inertia_
        assert closest <= 1.05 * found.inertia_
    alone = ht.cluster.KMedians(3, random_state=3, n_init=2).fit(ht.array(data))
    again = ht.cluster.KMedians(3, random_state=3, n_init=2).fit(ht.array(data, split=1))
    np.testing.assert_array_equal(alone.labels_.numpy(), again.labels_.numpy())


@pytest.mark.parallel([1, 2, 3])
def test_empty_clusters_of_medians() -> None:
    data = np.array([[0.0], [0.1], [0.2], [5.0], [9.0], [9.1]])
    start = ht.array(np.array([[0.0], [100.0], [200.0]]))
    found = ht.cluster.KMedians(3, init=start).fit(ht.array(data, split=0))
    assert sorted(set(found.labels_.tolist())) == [0, 1, 2]
    for wrong, match in (
        ({"n_clusters": 7}, "samples"),
        ({"n_clusters": 2, "max_iter": 0}, "at least 1"),
    ):
        with pytest.raises(ValueError, match=match):
            ht.cluster.KMedians(**wrong).fit(ht.array(data, split=0))
    with pytest.raises(ValueError, match="NaN"):
        ht.cluster.KMedoids(2).fit(ht.array(data, split=0) * ht.nan)


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("name", ["BatchParallelKMeans", "BatchParallelKMedians"])
@pytest.mark.parametrize("merge", [None, 2])
def test_merged_batches(name: str, merge: int | None) -> None:
    rng = np.random.default_rng(3)
    places = rng.normal(size=(5, 4)) * 30
    data = (places[rng.integers(0, 5, 2000)] + rng.normal(size=(2000, 4))).astype("f4")
    X = ht.array(data, split=0)
    estimator = getattr(ht.cluster, name)(5, random_state=1, n_procs_to_merge=merge)
    with traffic(X.comm) as counted:
        estimator.fit(X)
    # two sums; counts and centres to each of the others
    assert counted.messages() == (2 * X.comm.size if X.comm.size > 1 else 0)
    centres = estimator.cluster_centers_.numpy()
    far = np.abs(places[:, None] - centres).max(2).min(1)
    assert far.max() < 1  # standard deviation of the clusters
    assert (estimator.predict(X) == estimator.labels_).all()
    best = oracle.KMeans(5, n_init=5, random_state=0).fit(data)
    assert metrics.adjusted_rand_score(best.labels_, estimator.labels_.numpy()) > 0.99
    for wrong in ({"init": "nonsense"}, {"n_procs_to_merge": 1}):
        with pytest.raises(ValueError, match=r"init|merge"):
            getattr(ht.cluster, name)(5, **wrong).fit(X)


@pytest.mark.parallel(RANKS)
def test_silhouettes_of_scikit_learn(every_layout: Any) -> None:
    data, _ = iris()
    labels = oracle.KMeans(4, random_state=0, n_init=1).fit(data).labels_
    labels[7] = 9  # alone in its cluster
    wanted = metrics.silhouette_samples(data, labels)
    for X in every_layout(data, unbalanced=True):
        found = ht.cluster.silhouette_samples(X, ht.array(labels, split=0))
        np.testing.assert_allclose(found.numpy(), wanted, atol=1e-12)
    y = ht.array(labels)
    assert ht.cluster.silhouette_score(X, y) == pytest.approx(wanted.mean())
    table = ht.spatial.cdist(ht.array(data, split=0))
    given = ht.cluster.silhouette_samples(table, y, metric="precomputed")
    np.testing.assert_allclose(given.numpy(), wanted, atol=1e-12)
    manhattan = ht.cluster.silhouette_score(X, y, metric="manhattan")
    assert manhattan == pytest.approx(metrics.silhouette_score(data, labels, metric="manhattan"))
    part = ht.cluster.silhouette_score(X, y, sample_size=60, random_state=1)
    assert part == ht.cluster.silhouette_score(X, y, sample_size=60, random_state=1)
    assert -1 <= part <= 1
    every = ht.cluster.silhouette_score(X, y, sample_size=len(data), random_state=1)
    assert every == pytest.approx(wanted.mean())
    for wrong in (lambda: ht.cluster.silhouette_score(X, y * 0),
                  lambda: ht.cluster.silhouette_score(X, y, metric="cosine"),
                  lambda: ht.cluster.silhouette_samples(X, y, metric="precomputed")):  # fmt: skip
        with pytest.raises(ValueError, match=r"clusters|metric|square"):
            wrong()


@pytest.mark.parallel(RANKS)
def test_density_as_scikit_learn(every_layout: Any) -> None:
    data, _ = iris()
    for eps, least in ((0.5, 5), (0.3, 4)):
        wanted = oracle.DBSCAN(eps=eps, min_samples=least).fit(data)
        for X in every_layout(data, unbalanced=True):
            found = ht.cluster.DBSCAN(eps, least).fit(X)
            np.testing.assert_array_equal(found.labels_.numpy(), wanted.labels_)
            np.testing.assert_array_equal(
                found.core_sample_indices_.numpy(), wanted.core_sample_indices_
            )
    line = np.arange(400.0)[:, None]
    chain = ht.cluster.DBSCAN(1.0, 2).fit(ht.array(np.random.default_rng(0).permutation(line)))
    assert (chain.labels_ == 0).all()
    assert (ht.cluster.DBSCAN(0.1, 2).fit(ht.array(line, split=0)).labels_ == -1).all()
    with pytest.raises(ValueError, match="eps"):
        ht.cluster.DBSCAN(0).fit(X)


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("kind", ["full", "diag"])
def test_mixtures_as_scikit_learn(kind: str) -> None:
    data, _ = iris()
    given = {"covariance_type": kind, "random_state": 0, "n_init": 3, "tol": 1e-7, "max_iter": 500}
    wanted = mixture.GaussianMixture(3, **given).fit(data)
    X = ht.array(data, split=0)
    found = ht.cluster.GaussianMixture(3, **given).fit(X)
    assert found.converged_ and found.lower_bound_ == pytest.approx(wanted.lower_bound_, abs=1e-5)
    order = np.argsort(found.means_.numpy()[:, 0])
    theirs = np.argsort(wanted.means_[:, 0])
    np.testing.assert_allclose(found.means_.numpy()[order], wanted.means_[theirs], rtol=1e-3)
    np.testing.assert_allclose(
        found.covariances_.numpy()[order], wanted.covariances_[theirs], rtol=0.03, atol=1e-3
    )
    np.testing.assert_allclose(found.weights_.numpy()[order], wanted.weights_[theirs], rtol=1e-2)
    shares = found.predict_proba(X).numpy()
    np.testing.assert_allclose(shares.sum(1), 1)
    np.testing.assert_array_equal(shares.argmax(1), found.labels_.numpy())
    assert found.score(X) == pytest.approx(found.score_samples(X).numpy().mean())
    for wrong in ({"covariance_type": "tied"}, {"max_iter": 0}):
        with pytest.raises(ValueError, match=r"covariance_type|at least"):
            ht.cluster.GaussianMixture(2, **wrong).fit(X)


@pytest.mark.parallel([1, 2, 3, 4])
@pytest.mark.parametrize("solver", ["randomized", "lanczos"])
def test_spectral_clusters_follow_shapes(solver: str) -> None:
    data, truth = make_moons(240, noise=0.05, random_state=0)
    X = ht.array(data, split=0)
    given = {"gamma": 50, "eigen_solver": solver, "lanczos_n_iter": 60, "random_state": 0}
    found = ht.cluster.Spectral(2, **given).fit(X)
    assert metrics.adjusted_rand_score(truth, found.labels_.numpy()) == 1
    assert metrics.adjusted_rand_score(truth, found.predict(X).numpy()) == 1
    # The dense Laplacian has the same spectrum.
    dense = ht.graph.Laplacian(lambda x: ht.spatial.rbf(x, sigma=0.1)).construct(X)
    exact = np.linalg.eigvalsh(dense.numpy())
    np.testing.assert_allclose(found.eigenvalues_.numpy()[:4], exact[:4], atol=1e-5)
    near = ht.cluster.Spectral(
        2, gamma=1, laplacian="eNeighbour", threshold=0.95, boundary="lower", random_state=0
    ).fit(X)
    assert metrics.adjusted_rand_score(truth, near.labels_.numpy()) == 1
    for wrong in ({"metric": "cosine"}, {"eigen_solver": "magic"}, {"n_clusters": 500}):
        with pytest.raises(ValueError, match=r"metric|eigen_solver|n_clusters"):
            ht.cluster.Spectral(**wrong).fit(X)


@pytest.mark.parallel([1, 3])
def test_the_number_of_spectral_clusters() -> None:
    rng = np.random.default_rng(0)
    data = rng.normal(size=(150, 2)) * 0.3 + np.repeat([[0, 0], [8, 0], [0, 8]], 50, axis=0)
    found = ht.cluster.Spectral(gamma=1.0, random_state=0).fit(ht.array(data, split=0))
    assert found.n_clusters_ == 3
    assert metrics.adjusted_rand_score(np.repeat([0, 1, 2], 50), found.labels_.numpy()) == 1


@pytest.mark.parallel([1, 2, 3])
def test_laplacians(every_layout: Any) -> None:
    data = iris()[0][::6]
    similar = np.exp(-0.5 * ((data[:, None] - data) ** 2).sum(2))
    np.fill_diagonal(similar, 0)
    nearest = np.zeros_like(similar)
    for row, places in enumerate(np.argsort(-similar, axis=1)[:, :4]):
        nearest[row, places] = similar[row, places]
    edges = {
        "fully_connected": similar,
        "eNeighbour": np.where(similar > 0.4, similar, 0),
        "kNN": np.maximum(nearest, nearest.T),
    }
    for X in every_layout(data, unbalanced=True):
        for mode, a in edges.items():
            for definition in ("simple", "norm_sym", "norm_rw"):
                degrees = a.sum(1)
                scale = np.where(degrees > 0, degrees, 1)
                wanted = {
                    "simple": np.diag(degrees) - a,
                    "norm_sym": np.eye(len(a)) - a / np.sqrt(np.outer(scale, scale)),
                    "norm_rw": np.eye(len(a)) - a / scale[:, None],
                }[definition]
                found = ht.graph.Laplacian(
                    ht.spatial.rbf, definition=definition, mode=mode,
                    threshold_key="lower", threshold_value=0.4, neighbours=4,
                ).construct(X)  # fmt: skip
                np.testing.assert_allclose(found.numpy(), wanted, atol=1e-12)
    plain = ht.graph.Laplacian(
        ht.spatial.cdist, weighted=False, definition="simple", mode="eNeighbour", threshold_value=1
    ).construct(X)
    far = np.sqrt(((data[:, None] - data) ** 2).sum(2))
    np.testing.assert_array_equal(np.diag(plain.numpy()), ((far < 1) & (far > 0)).sum(1))
    for wrong in ({"mode": "x"}, {"definition": "x"}, {"threshold_key": "x"}):
        with pytest.raises(ValueError, match=r"mode|threshold|definition"):
            ht.graph.Laplacian(ht.spatial.rbf, **wrong).construct(X)


def test_medians_of_weighted_rows() -> None:
    rows = torch.tensor([[0.0], [1.0], [10.0], [3.0]])
    labels = torch.tensor([0, 0, 0, 1])
    kept = torch.tensor([[5.0], [5.0], [7.0]])
    ones = torch.ones(4)
    assert weighted_medians(rows, labels, ones, kept)[:, 0].tolist() == [1, 3, 7]
    heavy = torch.tensor([1.0, 1.0, 2.0, 1.0])
    assert weighted_medians(rows, labels, heavy, kept)[0, 0] == 5.5
    found, far = assign_by_sums(rows, kept)
    assert found.tolist() == [0, 0, 2, 0] and far.tolist() == [5, 4, 3, 2]
