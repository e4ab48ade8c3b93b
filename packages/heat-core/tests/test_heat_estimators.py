"""What holds for every estimator: scikit-learn's contract, layouts, and errors."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import sklearn.base
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline

import heat_core as ht
from heat_core.estimators import NotFittedError
from heat_core.parameters import ascending, one_of, real, whole

RANKS = [1, 2, 3, 4, 7]
# Parameters that may be anything, or are looked at together with the samples.
FREE = {
    *("random_state", "init", "copy", "fit_intercept", "clip", "with_mean", "with_std", "priors"),
    *("with_centering", "with_scaling", "unit_variance", "whiten", "normalize"),
    "effective_metric_",
}
# What a rank finds in its own samples is merged: it depends on how they are distributed.
BY_RANK = ("BatchParallelKMeans", "BatchParallelKMedians")


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
    "BatchParallelKMeans": Row(
        lambda: ht.cluster.BatchParallelKMeans(3, random_state=1), "predict", ht.is_clusterer
    ),
    "BatchParallelKMedians": Row(
        lambda: ht.cluster.BatchParallelKMedians(3, random_state=1), "predict", ht.is_clusterer
    ),
    "DBSCAN": Row(ht.cluster.DBSCAN, "fit_predict", ht.is_clusterer),
    "KNeighborsClassifier": Row(
        ht.classification.KNeighborsClassifier, "predict", ht.is_classifier
    ),
    "KNeighborsRegressor": Row(ht.classification.KNeighborsRegressor, "predict", ht.is_regressor),
    "GaussianNB": Row(ht.naive_bayes.GaussianNB, "predict", ht.is_classifier),
    "Lasso": Row(ht.regression.Lasso, "predict", ht.is_regressor),
    "ElasticNet": Row(lambda: ht.regression.ElasticNet(0.1), "predict", ht.is_regressor),
    "LogisticRegression": Row(
        lambda: ht.regression.LogisticRegression(0.01, tol=1e-6), "predict_proba", ht.is_classifier
    ),
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
    if name in ("Normalizer", "DBSCAN"):
        return  # nothing is learnt, or everything at once
    with pytest.raises(NotFittedError, match="call fit"):
        getattr(row.make(), row.ask)(ht.ones((3, 4)))


def _answer(row: Row, X: ht.DNDarray, y: ht.DNDarray) -> ht.DNDarray:
    return getattr(row.make().fit(X, y), row.ask)(X)


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("name", [name for name in ROWS if name not in BY_RANK])
def test_results_are_those_of_one_rank_alone(name: str, every_layout: Any) -> None:
    data, classes = _data()
    row, alone = ROWS[name], ht.MPI_SELF
    wanted = _answer(row, ht.array(data, comm=alone), ht.array(classes, comm=alone)).numpy()
    balanced = {X.split: X for X in every_layout(data, unbalanced=False)}
    _, _, last, *_ = [*every_layout(data), None]  # all samples on the last rank
    y = ht.array(classes, split=0)
    for X in (*balanced.values(), *([last] if ht.get_comm().size > 1 else [])):
        before = X.larray.clone()
        found = _answer(row, X, y)
        assert found.split == (None if X.split is None else 0)
        np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-4, atol=1e-5)
        assert (X.larray == before).all()


@pytest.mark.parametrize("name", ROWS)
def test_contract_of_scikit_learn(name: str) -> None:
    data, classes = _data()
    row, X, y = ROWS[name], ht.array(data, split=0), ht.array(classes, split=0)
    estimator = row.make()
    given = estimator.get_params()
    assert estimator.fit(X, y) is estimator
    assert estimator.get_params() == given
    assert estimator.n_features_in_ == 4
    wanted = getattr(estimator, row.ask)(X)
    copies = (pickle.loads(pickle.dumps(estimator)), deepcopy(estimator), estimator.fit(X, y))
    for other in copies:
        np.testing.assert_array_equal(getattr(other, row.ask)(X).numpy(), wanted.numpy())
    assert len(getattr(estimator, row.ask)(X[:1])) == 1
    if row.ask != "fit_predict":
        assert len(getattr(estimator, row.ask)(X[:0])) == 0
    for dtype in ("int64", "float64", "float16", "bool"):
        other = _answer(row, X.astype(dtype), y)
        assert other.dtype == wanted.dtype or dtype != "float64" or wanted.dtype is ht.float32
    constant = X.copy()
    constant[:, 2] = 3.3
    for unusual in (constant, ht.ones((150, 4), split=0)):
        assert np.isfinite(_answer(row, unusual, y).numpy()).all()
    needs_more = (ht.is_clusterer(estimator) and name != "DBSCAN") or "PCA" in name
    if needs_more or name in ("KNeighborsClassifier", "KNeighborsRegressor", "LogisticRegression"):
        with pytest.raises(ValueError, match=r"1 samples|one class"):
            row.make().fit(X[:1], y[:1])
    else:
        assert np.isfinite(_answer(row, X[:1], y[:1]).numpy()).all()


@pytest.mark.parametrize("name", ROWS)
def test_parameters_without_meaning(name: str) -> None:
    data, classes = _data()
    X, y = ht.array(data, split=0), ht.array(classes, split=0)
    rules = type(ROWS[name].make())._rules
    assert set(ROWS[name].make().get_params()) <= FREE | set(rules)
    for parameter in rules:
        for wrong in ("nonsense", float("nan"), (2, 1), True):
            with pytest.raises(ValueError, match=parameter):
                ROWS[name].make().set_params(**{parameter: wrong}).fit(X, y)


def test_rules_of_parameters() -> None:
    for rule, right, wrong in (
        (whole(1), (1, np.int64(7)), (0, 1.0, True, None, "1")),
        (real(0, 1), (0, 0.5, np.float32(1)), (-1e-9, 1.1, False, float("nan"))),
        (real(positive=True), (1e-9, float("inf")), (0, -1)),
        (real(), (-5, 2.5), (None, "x")),
        (one_of(None, "a") | whole(2), (None, "a", 2), (1, "b", True)),
        (one_of(1), (1,), (True, 1.0)),
        (ascending(0, 100), ((0, 1), [25.0, 75.0]), ((1, 0), (0, 101), 3, "ab", (0, 1, 2))),
    ):
        assert all(rule.holds(value) for value in right), rule.words
        assert not any(rule.holds(value) for value in wrong), rule.words
    assert whole(3).words == "a whole number of at least 3"
    assert real(0, 1).words == "a number of at least 0, at most 1"


@pytest.mark.parallel([2])
@pytest.mark.parametrize("name", ROWS)
def test_mistakes_are_told_on_all_ranks(name: str) -> None:
    data, classes = _data()
    row, X, y = ROWS[name], ht.array(data, split=0), ht.array(classes, split=0)
    if name != "Normalizer":
        for wrong in (np.nan,) if name == "RobustScaler" else (np.nan, np.inf):
            bad = data.copy()
            bad[149, 1] = wrong  # on the last rank only
            with pytest.raises(ValueError, match="NaN"):
                row.make().fit(ht.array(bad, split=0), y)
    if not (ht.is_classifier(row.make()) or ht.is_regressor(row.make())):
        return
    for targets in (classes, list(classes)):
        with pytest.raises(TypeError, match=r"ht\.array"):
            row.make().fit(X, targets)
    missing = classes.astype("f4")
    missing[149] = np.nan
    for targets, match in ((y[:9], "150 samples"), (ht.array(missing, split=0), "NaN")):
        with pytest.raises(ValueError, match=match):
            row.make().fit(X, targets)
    truths = ht.array(classes > 0, split=0)
    assert 0.6 < row.make().fit(X, truths).score(X, truths) <= 1


@pytest.mark.parallel([1, 2])
def test_pipelines_of_scikit_learn() -> None:
    data, classes = _data()
    X, y = ht.array(data, split=0), ht.array(classes, split=0)
    chain = make_pipeline(
        ht.preprocessing.StandardScaler(), ht.decomposition.PCA(2), ht.naive_bayes.GaussianNB()
    )
    assert chain.fit(X, y).score(X, y) > 0.85
    assert chain.predict(X).split == 0
    assert chain.set_params(pca__n_components=4).fit(X, y).score(X, y) > 0.9
    groups = make_pipeline(ht.preprocessing.MinMaxScaler(), ht.cluster.KMeans(3, random_state=0))
    assert groups.fit(X).transform(X).shape == (150, 3)
    for kind in ("classifier", "regressor"):
        holds, here = getattr(sklearn.base, f"is_{kind}"), getattr(ht, f"is_{kind}")
        assert all(holds(row.make()) == here(row.make()) for row in ROWS.values())


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
        ([["a"]], TypeError),
    ):
        with pytest.raises(error, match=r"samples|ht\.array"):
            ROWS[name].make().fit(wrong, y)
    if name in ("Normalizer", "DBSCAN"):
        return
    fitted = ROWS[name].make().fit(ht.array(data, split=0), y)
    with pytest.raises(ValueError, match="features"):
        getattr(fitted, ROWS[name].ask)(ht.ones((5, 7), split=0))


def test_no_estimator_is_forgotten() -> None:
    areas = "cluster classification regression decomposition naive_bayes preprocessing graph"
    things = [
        (n, getattr(getattr(ht, a), n)) for a in areas.split() for n in getattr(ht, a).__all__
    ]
    found = {n for n, t in things if isinstance(t, type) and issubclass(t, ht.BaseEstimator)}
    # These take no table of samples, or give no answers: they have tests of their own.
    assert found - set(ROWS) == {"DMD", "DMDc", "Laplacian"}


def test_parameters_of_parameters() -> None:
    class Outer(ht.BaseEstimator):
        def __init__(self, inner: Any = None) -> None:
            self.inner = inner

    outer = Outer(ht.cluster.KMeans(3))
    assert outer.get_params()["inner__n_clusters"] == 3
    assert outer.set_params(inner__n_clusters=5).inner.n_clusters == 5
