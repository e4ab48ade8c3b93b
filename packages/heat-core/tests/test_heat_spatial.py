"""Distances against SciPy, and nearest neighbours against scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.spatial import distance as oracle
from sklearn.datasets import load_digits, load_iris
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

import heat_core as ht
from mpi_utils import traffic

RANKS = [1, 2, 3, 4, 7]


def _tables() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    rng = np.random.default_rng(2)
    return rng.normal(size=(23, 5)), rng.normal(size=(17, 5))


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize(
    ("metric", "name"),
    [
        ("euclidean", "euclidean"),
        ("sqeuclidean", "sqeuclidean"),
        ("manhattan", "cityblock"),
        ("chebyshev", "chebyshev"),
    ],
)
def test_all_pairs(metric: str, name: str, every_layout: Any, check: Any) -> None:
    x, y = _tables()
    wanted = oracle.cdist(x, y, name)
    for X in every_layout(x):
        for Y in every_layout(y, unbalanced=False):
            found = ht.spatial.cdist(X, Y, metric)
            check(found, wanted)
            assert found.split == (0 if X.split is not None else None if Y.split is None else 1)
        check(ht.spatial.cdist(X, metric=metric), oracle.cdist(x, x, name))


@pytest.mark.parallel(RANKS)
def test_quadratic_expansion_and_rbf(check: Any) -> None:
    x, y = _tables()
    X, Y = ht.array(x, split=0), ht.array(y, split=0)
    check(ht.spatial.cdist(X, Y, quadratic_expansion=True), oracle.cdist(x, y), rtol=1e-6)
    own = ht.spatial.cdist(X, quadratic_expansion=True)
    check(own, oracle.cdist(x, x), rtol=1e-6)
    assert (np.diag(own.numpy()) == 0).all()
    wanted = np.exp(-oracle.cdist(x, y, "sqeuclidean") / (2 * 1.5**2))
    check(ht.spatial.rbf(X, Y, sigma=1.5), wanted)
    check(ht.spatial.manhattan(X, Y, expand=True), oracle.cdist(x, y, "cityblock"))


@pytest.mark.parallel(RANKS)
def test_reductions_of_distances(every_layout: Any) -> None:
    x, y = _tables()
    x[3] = y[5] = y[9]  # equally near rows
    wanted = oracle.cdist(x, y)
    order = np.argsort(wanted, axis=1, kind="stable")
    for X in every_layout(x):
        for Y in every_layout(y, unbalanced=False):
            distances, indices = ht.spatial.cdist_topk(X, Y, 4)
            np.testing.assert_array_equal(indices.numpy(), order[:, :4])
            np.testing.assert_allclose(
                distances.numpy(), np.take_along_axis(wanted, order[:, :4], 1), atol=1e-7
            )
            near = ht.spatial.cdist_argmin(X, Y)
            np.testing.assert_allclose(near[0].numpy(), wanted.min(1), atol=1e-7)
            np.testing.assert_array_equal(near[1].numpy(), order[:, 0])
            total = ht.spatial.cdist_reduce(X, Y, lambda d: d**2)
            np.testing.assert_allclose(total.numpy(), (wanted**2).sum(1))


@pytest.mark.parallel([2, 3])
def test_slabs_travel_once() -> None:
    x, y = _tables()
    X, Y = ht.array(x, split=0), ht.array(y, split=0)
    with traffic(X.comm) as counted:
        ht.spatial.cdist(X, Y)
    assert counted.messages() == counted.messages("exchange") == X.comm.size - 1


@pytest.mark.parallel(RANKS)
def test_neighbours_as_scikit_learn() -> None:
    for load, k in ((load_iris, 5), (load_digits, 3)):
        data, classes = load(return_X_y=True)
        train, test = slice(0, None, 3), slice(1, None, 3)
        wanted = KNeighborsClassifier(k, algorithm="brute").fit(data[train], classes[train])
        found = ht.classification.KNeighborsClassifier(k).fit(
            ht.array(data[train], split=0), ht.array(classes[train], split=0)
        )
        T = ht.array(data[test], split=0)
        distances, _ = found.kneighbors(T)
        np.testing.assert_allclose(
            distances.numpy(), wanted.kneighbors(data[test])[0], rtol=1e-5, atol=1e-6
        )
        agree = found.predict(T).numpy() == wanted.predict(data[test])
        assert agree.mean() > 0.98  # of neighbours equally far the first counts, here and there
        regressor = ht.classification.KNeighborsRegressor(k).fit(
            ht.array(data[train], split=0), ht.array(data[train, 1], split=0)
        )
        numbers = KNeighborsRegressor(k, algorithm="brute").fit(data[train], data[train, 1])
        close = np.isclose(regressor.predict(T).numpy(), numbers.predict(data[test]), rtol=1e-5)
        assert close.mean() > 0.9


@pytest.mark.parallel(RANKS)
def test_votes(every_layout: Any) -> None:
    x = np.array([[0.0], [1.0], [2.0], [10.0], [11.0]])
    names = np.array([7, 7, -1, -1, 3])
    for X in every_layout(x):
        fitted = ht.classification.KNeighborsClassifier(3).fit(X, ht.array(names, split=0))
        for queries in (
            ht.array([[0.4], [9.0], [20.0]], split=0),
            ht.array([[0.4], [9.0], [20.0]]),
        ):
            assert fitted.classes_.tolist() == [-1, 3, 7]
            assert fitted.predict(queries).tolist() == [7, -1, -1]
            np.testing.assert_allclose(
                fitted.predict_proba(queries).numpy(),
                np.array([[1, 0, 2], [2, 1, 0], [2, 1, 0]]) / 3,
            )
            assert fitted.predict(queries).split == queries.split


@pytest.mark.parallel([1, 3])
def test_numbers_as_columns(every_layout: Any, check: Any) -> None:
    encode = ht.classification.KNeighborsClassifier.one_hot_encoding
    codes = np.array([2, 0, 0, 4, 1])
    for x in (*every_layout(codes), *every_layout(codes[:, None])):
        check(encode(x), np.eye(5, dtype=np.float32)[codes])
    with pytest.raises(ValueError, match="negative"):
        encode(ht.array([1, 0, -1], split=0))
    with pytest.raises(ValueError, match="shape"):
        encode(ht.zeros((2, 2), dtype=ht.int64))
    with pytest.raises(TypeError, match="integers"):
        encode(ht.ones(3))
    labels = ht.array(codes % 2, split=0)
    neighbours = ht.classification.KNeighborsClassifier(1)
    rows = ht.array(np.arange(5.0)[:, None], split=0)
    assert neighbours.fit_predict(rows, labels).tolist() == labels.tolist()


@pytest.mark.parallel([1, 2])
def test_bad_arguments() -> None:
    X = ht.ones((6, 3), split=0)
    with pytest.raises(ValueError, match="metric"):
        ht.spatial.cdist(X, X, "nonsense")
    with pytest.raises(ValueError, match="expansion"):
        ht.spatial.cdist(X, X, "manhattan", quadratic_expansion=True)
    with pytest.raises(ValueError, match="features"):
        ht.spatial.cdist(X, ht.ones((6, 4)))
    with pytest.raises(ValueError, match="rows"):
        ht.spatial.cdist_topk(X, X, 7)
    with pytest.raises(ValueError, match="n_neighbors"):
        ht.classification.KNeighborsClassifier(7).fit(X, ht.ones(6, split=0))
    with pytest.raises(ValueError, match="Euclidean"):
        ht.classification.KNeighborsClassifier(2, "cosine").fit(X, ht.ones(6, split=0))
