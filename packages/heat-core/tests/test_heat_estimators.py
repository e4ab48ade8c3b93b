"""What holds for every estimator: scikit-learn's contract, layouts, and errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris

import heat_core as ht
from heat_core.estimators import NotFittedError

RANKS = [1, 2, 3, 4]


@dataclass(frozen=True)
class Row:
    """An estimator, and what it is asked after ``fit``."""

    make: Callable[[], Any]
    ask: str
    kind: Callable[[object], bool]


ROWS = {
    "KMeans": Row(lambda: ht.cluster.KMeans(3, random_state=1), "predict", ht.is_clusterer),
    "MiniBatchKMeans": Row(
        lambda: ht.cluster.MiniBatchKMeans(3, random_state=1), "predict", ht.is_clusterer
    ),
    "KMedians": Row(
        lambda: ht.cluster.KMedians(3, "random", random_state=1), "predict", ht.is_clusterer
    ),
    "KMedoids": Row(
        lambda: ht.cluster.KMedoids(3, "random", random_state=1), "predict", ht.is_clusterer
    ),
    "GaussianMixture": Row(
        lambda: ht.cluster.GaussianMixture(2, random_state=1), "predict", ht.is_clusterer
    ),
    "Spectral": Row(
        lambda: ht.cluster.Spectral(2, gamma=0.5, random_state=1, reigh_rank=20),
        "predict",
        ht.is_clusterer,
    ),
    "KNeighborsClassifier": Row(
        ht.classification.KNeighborsClassifier, "predict", ht.is_classifier
    ),
    "KNeighborsRegressor": Row(ht.classification.KNeighborsRegressor, "predict", ht.is_regressor),
    "GaussianNB": Row(ht.naive_bayes.GaussianNB, "predict", ht.is_classifier),
    "Lasso": Row(ht.regression.Lasso, "predict", ht.is_regressor),
    "ElasticNet": Row(lambda: ht.regression.ElasticNet(0.1), "predict", ht.is_regressor),
    "LogisticRegression": Row(ht.regression.LogisticRegression, "predict_proba", ht.is_classifier),
    "LinearRegression": Row(ht.regression.LinearRegression, "predict", ht.is_regressor),
    "Ridge": Row(ht.regression.Ridge, "predict", ht.is_regressor),
    "PCA": Row(lambda: ht.decomposition.PCA(2), "transform", ht.is_transformer),
    "IncrementalPCA": Row(
        lambda: ht.decomposition.IncrementalPCA(2), "transform", ht.is_transformer
    ),
    "MaxAbsScaler": Row(ht.preprocessing.MaxAbsScaler, "transform", ht.is_transformer),
    "MinMaxScaler": Row(ht.preprocessing.MinMaxScaler, "transform", ht.is_transformer),
    "Normalizer": Row(ht.preprocessing.Normalizer, "transform", ht.is_transformer),
    "RobustScaler": Row(ht.preprocessing.RobustScaler, "transform", ht.is_transformer),
    "StandardScaler": Row(ht.preprocessing.StandardScaler, "transform", ht.is_transformer),
}


def _data() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    X, y = load_iris(return_X_y=True)
    return X.astype("f4"), y


@pytest.mark.parametrize("name", ROWS)
def test_parameters_are_stored_and_cloned(name: str) -> None:
    estimator = ROWS[name].make()
    parameters = estimator.get_params()
    assert ht.clone(estimator).get_params() == parameters
    assert estimator.set_params(**parameters) is estimator
    assert repr(estimator).startswith(name)
    assert eval(repr(estimator), vars(__import__(type(estimator).__module__, fromlist=["x"])))
    with pytest.raises(ValueError, match="no parameter"):
        estimator.set_params(nonsense=1)
    assert ht.is_estimator(estimator) and ROWS[name].kind(estimator)
    kinds = (ht.is_classifier, ht.is_clusterer, ht.is_regressor)
    assert sum(kind(estimator) for kind in kinds) <= 1
    assert ht.is_transformer(estimator) == hasattr(estimator, "fit_transform")


@pytest.mark.parametrize("name", ROWS)
def test_scikit_learn_can_clone_them(name: str) -> None:
    from sklearn.base import clone as clone_there

    estimator = ROWS[name].make()
    assert clone_there(estimator).get_params() == estimator.get_params()


@pytest.mark.parametrize("name", ROWS)
def test_not_fitted(name: str) -> None:
    row = ROWS[name]
    if name == "Normalizer":
        pytest.skip("there is nothing to learn")
    with pytest.raises(NotFittedError, match="call fit"):
        getattr(row.make(), row.ask)(ht.ones((3, 4)))


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("name", ROWS)
def test_results_do_not_depend_on_the_layout(name: str, every_layout: Any) -> None:
    data, classes = _data()
    row = ROWS[name]
    wanted = getattr(row.make().fit(ht.array(data), ht.array(classes)), row.ask)(ht.array(data))
    for X in (*every_layout(data), ht.array(data.astype("f8"), split=0)):
        before = X.larray.clone()
        estimator = row.make()
        assert estimator.fit(X, ht.array(classes, split=0)) is estimator
        found = getattr(estimator, row.ask)(X)
        assert found.split == (None if X.split is None else 0)
        np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-4, atol=1e-5)
        assert (X.larray == before).all()


@pytest.mark.parallel([1, 2])
@pytest.mark.parametrize("name", ROWS)
def test_bad_samples(name: str) -> None:
    data, classes = _data()
    y = ht.array(classes, split=0)
    for wrong, error in (
        (ht.ones(4, split=0), ValueError),
        (ht.ones((0, 3), split=0), ValueError),
        (ht.ones((150, 4), dtype=ht.complex64, split=0), TypeError),
        (data, TypeError),
    ):
        with pytest.raises(error):
            ROWS[name].make().fit(wrong, y)
    if name == "Normalizer":
        return
    fitted = ROWS[name].make().fit(ht.array(data, split=0), y)
    with pytest.raises(ValueError, match="features"):
        getattr(fitted, ROWS[name].ask)(ht.ones((5, 7), split=0))


def test_parameters_of_parameters() -> None:
    class Outer(ht.BaseEstimator):
        def __init__(self, inner: Any = None) -> None:
            self.inner = inner

    outer = Outer(ht.cluster.KMeans(3))
    assert outer.get_params()["inner__n_clusters"] == 3
    assert outer.set_params(inner__n_clusters=5).inner.n_clusters == 5
