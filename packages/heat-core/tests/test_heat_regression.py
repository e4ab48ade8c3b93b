"""Linear models and naive Bayes against scikit-learn, on its bundled data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import logsumexp as scipy_logsumexp
from sklearn import linear_model as oracle
from sklearn.datasets import load_diabetes, load_iris, load_wine
from sklearn.naive_bayes import GaussianNB

import heat_core as ht
from mpi_utils import traffic

RANKS = [1, 2, 3, 4, 7]


def _diabetes() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    return load_diabetes(return_X_y=True)


def _split(*arrays: np.ndarray[Any, Any]) -> list[ht.DNDarray]:
    return [ht.array(array, split=0) for array in arrays]


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("intercept", [True, False])
def test_least_squares(intercept: bool) -> None:
    data, target = _diabetes()
    weights = np.random.default_rng(0).random(len(data))
    X, y, w = _split(data, target, weights)
    for given, ours in ((None, None), (weights, w)):
        wanted = oracle.LinearRegression(fit_intercept=intercept).fit(data, target, given)
        found = ht.regression.LinearRegression(fit_intercept=intercept).fit(X, y, ours)
        np.testing.assert_allclose(found.coef_.numpy(), wanted.coef_, rtol=1e-6)
        assert found.intercept_ == pytest.approx(wanted.intercept_)
        np.testing.assert_allclose(found.predict(X).numpy(), wanted.predict(data), rtol=1e-6)
        assert found.score(X, y, ours) == pytest.approx(wanted.score(data, target, given))
        wanted = oracle.Ridge(0.3, fit_intercept=intercept).fit(data, target, given)
        ridge = ht.regression.Ridge(0.3, fit_intercept=intercept).fit(X, y, ours)
        np.testing.assert_allclose(ridge.coef_.numpy(), wanted.coef_, rtol=1e-6)
        assert ridge.intercept_ == pytest.approx(wanted.intercept_)


@pytest.mark.parallel(RANKS)
def test_several_targets_and_dependent_features() -> None:
    data, target = _diabetes()
    targets = np.column_stack([target, data @ np.arange(10.0)])
    X, Y = _split(data, targets)
    wanted = oracle.LinearRegression().fit(data, targets)
    found = ht.regression.LinearRegression().fit(X, Y)
    np.testing.assert_allclose(found.coef_.numpy(), wanted.coef_, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found.predict(X).numpy(), wanted.predict(data), rtol=1e-6)
    doubled = np.hstack([data, data[:, :3]])
    wanted = oracle.LinearRegression().fit(doubled, target)
    found = ht.regression.LinearRegression().fit(*_split(doubled, target))
    np.testing.assert_allclose(found.coef_.numpy(), wanted.coef_, rtol=1e-5)


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("lam", [0.01, 0.5, 2.0])
def test_lasso(lam: float) -> None:
    data, target = _diabetes()
    data = data / data.std(axis=0) + 0.3
    wanted = oracle.Lasso(lam, max_iter=10_000, tol=1e-10).fit(data, target)
    X, y = _split(np.column_stack([np.ones(len(data)), data]), target)
    with traffic(X.comm) as counted:
        found = ht.regression.Lasso(lam, max_iter=10_000, tol=1e-9).fit(X, y)
    np.testing.assert_allclose(found.coef_.numpy()[:, 0], wanted.coef_, rtol=1e-5, atol=1e-5)
    assert float(found.intercept_.item()) == pytest.approx(wanted.intercept_, rel=1e-5)
    assert found.theta.shape == (11, 1)
    np.testing.assert_allclose(found.predict(X).numpy(), wanted.predict(data), rtol=1e-5)
    if X.comm.size > 1:
        assert counted.messages() == 1
        assert counted.bytes() == 8 * (1 + 12 * 12)


@pytest.mark.parallel([1, 2])
def test_bad_models() -> None:
    X, y = _split(*_diabetes())
    with pytest.raises(ValueError, match="alpha"):
        ht.regression.Ridge(-1).fit(X, y)
    with pytest.raises(ValueError, match="lam"):
        ht.regression.Lasso(-1).fit(X, y)
    with pytest.raises(ValueError, match="targets"):
        ht.regression.Ridge().fit(X, y[:5])
    with pytest.raises(ValueError, match="zero"):
        ht.regression.Ridge().fit(X, y, y * 0)
    y[400] = float("inf")
    with pytest.raises(ValueError, match="infinite"):
        ht.regression.LinearRegression().fit(X, y)


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("load", [load_iris, load_wine])
def test_naive_bayes(load: Any) -> None:
    data, classes = load(return_X_y=True)
    names = np.array([-3, 12, 40])[classes]
    weights = np.random.default_rng(0).random(len(data))
    X, y, w = _split(data, names, weights)
    for given, ours in ((None, None), (weights, w)):
        wanted = GaussianNB().fit(data, names, given)
        found = ht.naive_bayes.GaussianNB().fit(X, y, ours)
        for name in ("theta_", "var_", "class_count_", "class_prior_", "classes_"):
            np.testing.assert_allclose(
                getattr(found, name).numpy(), getattr(wanted, name), rtol=1e-6
            )
        assert found.epsilon_ == pytest.approx(wanted.epsilon_)
        np.testing.assert_array_equal(found.predict(X).numpy(), wanted.predict(data))
        logs = found.predict_log_proba(X).numpy()
        np.testing.assert_allclose(logs, wanted.predict_log_proba(data), rtol=1e-5, atol=1e-9)
        np.testing.assert_allclose(found.predict_proba(X).numpy(), np.exp(logs), rtol=1e-12)
    assert found.score(X, y) == pytest.approx(wanted.score(data, names))


@pytest.mark.parallel(RANKS)
def test_naive_bayes_in_parts() -> None:
    data, classes = load_iris(return_X_y=True)
    wanted, found = GaussianNB(), ht.naive_bayes.GaussianNB()
    for start in range(0, 150, 50):  # one class at a time
        part = slice(start, start + 50)
        wanted.partial_fit(data[part], classes[part], [0, 1, 2])
        found.partial_fit(*_split(data[part], classes[part]), classes=ht.arange(3, split=0))
    np.testing.assert_allclose(found.theta_.numpy(), wanted.theta_, rtol=1e-6)
    np.testing.assert_allclose(found.var_.numpy(), wanted.var_, rtol=1e-6)
    with pytest.raises(ValueError, match="classes"):
        found.partial_fit(*_split(data, classes + 1))
    with pytest.raises(ValueError, match="needs all classes"):
        ht.naive_bayes.GaussianNB().partial_fit(*_split(data, classes))
    with pytest.raises(ValueError, match="priors"):
        ht.naive_bayes.GaussianNB([0.5, 0.2, 0.2]).fit(*_split(data, classes))
    priors = [0.5, 0.25, 0.25]
    proba = ht.naive_bayes.GaussianNB(priors).fit(*_split(data, classes)).predict_proba
    wanted = GaussianNB(priors=priors).fit(data, classes)
    np.testing.assert_allclose(
        proba(ht.array(data)).numpy(), wanted.predict_proba(data), rtol=1e-6, atol=1e-12
    )


@pytest.mark.parallel([1, 3])
def test_logarithms_of_sums_of_exponentials(every_layout: Any, check: Any) -> None:
    a = np.random.default_rng(0).normal(scale=900.0, size=(4, 3))
    a[1] = [-np.inf, -np.inf, -np.inf]
    a[2, 0] = np.inf
    b = np.array([1.0, -2.0, 3.0])
    logsumexp = ht.naive_bayes.GaussianNB().logsumexp
    with np.errstate(all="ignore"):
        for x in every_layout(a):
            for axis in (None, 0, 1, (0, 1)):
                for keepdims in (True, False):
                    expected = scipy_logsumexp(a, axis=axis, keepdims=keepdims)
                    check(logsumexp(x, axis, keepdims=keepdims), expected)
        for x in every_layout(a[[0, 3]]):
            found = logsumexp(x, 1, ht.array(b), return_sign=True)
            wanted = scipy_logsumexp(a[[0, 3]], 1, b, return_sign=True)
            for part, expected in zip(found, wanted, strict=True):
                check(part, expected)
            check(logsumexp(x, 1, ht.array(b)), scipy_logsumexp(a[[0, 3]], 1, b))


@pytest.mark.parallel([2, 3])
def test_naive_bayes_sends_its_sums_once() -> None:
    data, classes = load_iris(return_X_y=True)
    X, y = _split(data, classes)
    with traffic(X.comm) as counted:
        ht.naive_bayes.GaussianNB().fit(X, y)
    assert counted.messages("allreduce") == 2  # a point to count from, and the sums


@pytest.mark.parallel([1, 2, 3, 4, 7])
@pytest.mark.parametrize(("alpha", "ratio"), [(0.1, 0.5), (1.0, 0.9), (0.01, 0.0)])
def test_elastic_net_as_scikit_learn(alpha: float, ratio: float) -> None:
    from sklearn.datasets import load_diabetes
    from sklearn.linear_model import ElasticNet

    data, target = load_diabetes(return_X_y=True)
    wanted = ElasticNet(alpha=alpha, l1_ratio=ratio, tol=1e-10, max_iter=100_000).fit(data, target)
    X, y = ht.array(data, split=0), ht.array(target, split=0)
    found = ht.regression.ElasticNet(alpha, l1_ratio=ratio).fit(X, y)
    np.testing.assert_allclose(found.coef_.numpy(), wanted.coef_, atol=1e-6)
    assert found.intercept_ == pytest.approx(wanted.intercept_)
    assert found.score(X, y) == pytest.approx(wanted.score(data, target))
    with pytest.raises(ValueError, match="l1_ratio"):
        ht.regression.ElasticNet(l1_ratio=2).fit(X, y)


@pytest.mark.parallel([1, 2, 3, 4, 7])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("intercept", [True, False])
def test_logistic_regression_as_scikit_learn(n_classes: int, intercept: bool) -> None:
    from sklearn.datasets import load_wine
    from sklearn.linear_model import LogisticRegression

    data, classes = load_wine(return_X_y=True)
    data, classes = data[classes < n_classes], classes[classes < n_classes] * 2 + 5
    data = (data - data.mean(0)) / data.std(0) + 0.5
    weights = np.random.default_rng(0).integers(1, 4, len(data)).astype("f8")
    wanted = LogisticRegression(
        C=0.5, fit_intercept=intercept, tol=1e-10, max_iter=10_000, solver="newton-cg"
    ).fit(data, classes, weights)
    X, y = ht.array(data, split=0), ht.array(classes, split=0)
    estimator = ht.regression.LogisticRegression(0.5, fit_intercept=intercept)
    found = estimator.fit(X, y, ht.array(weights, split=0))
    np.testing.assert_allclose(found.coef_.numpy(), wanted.coef_, atol=1e-5)
    np.testing.assert_allclose(
        found.intercept_.numpy(),
        np.broadcast_to(wanted.intercept_, found.intercept_.shape),
        atol=1e-5,
    )
    np.testing.assert_allclose(
        found.predict_proba(X).numpy(), wanted.predict_proba(data), atol=1e-5
    )
    np.testing.assert_array_equal(found.predict(X).numpy(), wanted.predict(data))
    np.testing.assert_allclose(
        found.decision_function(X).numpy(), wanted.decision_function(data), atol=1e-4
    )
    assert found.classes_.tolist() == wanted.classes_.tolist()
    assert found.score(X, y) == pytest.approx(wanted.score(data, classes))
    with pytest.raises(ValueError, match="one class"):
        estimator.fit(X, y * 0)
    with pytest.raises(ValueError, match="positive"):
        ht.regression.LogisticRegression(0).fit(X, y)


@pytest.mark.parallel([1, 2])
def test_names_of_the_original_lasso() -> None:
    lasso = ht.regression.Lasso(lam=0.5)
    x = ht.array([-2.0, 0.3, 1.0], split=0)
    assert lasso.soft_threshold(x).tolist() == [-1.5, 0.0, 0.5]
    assert lasso.rmse(x, x + 2) == pytest.approx(2)
