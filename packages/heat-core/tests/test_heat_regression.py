"""Linear models and naive Bayes against scikit-learn, on its bundled data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
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
    assert counted.messages() <= 1


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


@pytest.mark.parallel([2, 3])
def test_naive_bayes_sends_its_sums_once() -> None:
    data, classes = load_iris(return_X_y=True)
    X, y = _split(data, classes)
    with traffic(X.comm) as counted:
        ht.naive_bayes.GaussianNB().fit(X, y)
    assert counted.messages("allreduce") == 2  # a point to count from, and the sums
