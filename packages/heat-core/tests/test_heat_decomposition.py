"""Principal components and dynamic modes, against scikit-learn and known processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import decomposition as oracle
from sklearn.datasets import load_digits, load_iris, load_wine

import heat_core as ht
from mpi_utils import traffic

RANKS = [1, 2, 3, 4, 7]
SOLVERS = ("auto", "covariance_eigh", "full", "hierarchical", "randomized")


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("n_components", [2, None, 0.9])
def test_components_of_scikit_learn(solver: str, n_components: Any) -> None:
    if solver == "randomized" and n_components == 0.9:
        with pytest.raises(ValueError, match="share"):
            ht.decomposition.PCA(0.9, svd_solver=solver).fit(ht.ones((5, 3)))
        return
    for data in (load_iris().data, load_wine().data):
        wanted = oracle.PCA(n_components, svd_solver="full").fit(data)
        X = ht.array(data, split=0)
        found = ht.decomposition.PCA(n_components, svd_solver=solver, random_state=0).fit(X)
        k = wanted.n_components_
        assert (found.n_components_, found.n_samples_) == (k, len(data))
        rtol = 1e-5
        components = found.components_.numpy()
        assert (components[np.arange(k), np.abs(components).argmax(1)] > 0).all()
        signs = np.sign((components * wanted.components_).sum(1, keepdims=True))
        np.testing.assert_allclose(components * signs, wanted.components_, atol=1e-5)
        for name in ("explained_variance_", "explained_variance_ratio_", "singular_values_"):
            np.testing.assert_allclose(
                getattr(found, name).numpy(), getattr(wanted, name), rtol=rtol, err_msg=name
            )
        np.testing.assert_allclose(found.mean_.numpy(), wanted.mean_, rtol=1e-9)
        share = wanted.explained_variance_ratio_.sum()
        assert found.total_explained_variance_ratio_ == pytest.approx(share)
        assert found.noise_variance_ == pytest.approx(wanted.noise_variance_, rel=1e-4, abs=1e-9)
        y = found.transform(X)
        scale = np.abs(data).max()
        np.testing.assert_allclose(y.numpy() * signs.T, wanted.transform(data), atol=1e-5 * scale)
        np.testing.assert_allclose(
            found.inverse_transform(y).numpy(),
            wanted.inverse_transform(wanted.transform(data)),
            atol=1e-5 * scale,
        )


@pytest.mark.parallel([1, 2, 3])
def test_whitened_coordinates_and_two_messages() -> None:
    data = load_digits().data[:500]
    X = ht.array(data.astype("f4"), split=0)
    estimator = ht.decomposition.PCA(5, whiten=True)
    with traffic(X.comm) as counted:
        estimator.fit(X)
    d = data.shape[1]
    if X.comm.size > 1:
        assert counted.messages() == 2
        assert counted.bytes() == 8 * (d + d * d) + 4 * d
    y = estimator.transform(X)
    np.testing.assert_allclose(np.cov(y.numpy(), rowvar=False), np.eye(5), atol=1e-4)
    back = estimator.inverse_transform(y).numpy()
    wanted = oracle.PCA(5, whiten=True).fit(data)
    np.testing.assert_allclose(back, wanted.inverse_transform(wanted.transform(data)), atol=1e-3)


@pytest.mark.parallel([1, 2, 3])
def test_bad_components() -> None:
    X = ht.random.default_rng(0).random((20, 3), split=0)
    for parameters in (
        {"n_components": 4}, {"n_components": 0}, {"n_components": 1.5},
        {"svd_solver": "magic"}, {"power_iteration_normalizer": "LU"},
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"n_components|share|svd_solver|qr"):
            ht.decomposition.PCA(**parameters).fit(X)
    X[7, 1] = float("nan")
    for solver in ("covariance_eigh", "full"):
        with pytest.raises(ValueError, match="NaN"):
            ht.decomposition.PCA(1, svd_solver=solver).fit(X)


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("size", [60, 7])
def test_parts_as_scikit_learn(size: int) -> None:
    data = load_iris().data
    X = ht.array(data, split=0)
    wanted = oracle.IncrementalPCA(3, batch_size=size).fit(data)
    found = ht.decomposition.IncrementalPCA(3, batch_size=size).fit(X)
    signs = np.sign((found.components_.numpy() * wanted.components_).sum(1, keepdims=True))
    np.testing.assert_allclose(found.components_.numpy() * signs, wanted.components_, atol=1e-8)
    for name in ("explained_variance_", "explained_variance_ratio_", "singular_values_", "mean_"):
        np.testing.assert_allclose(getattr(found, name).numpy(), getattr(wanted, name), rtol=1e-8)
    assert found.n_samples_seen_ == 150
    np.testing.assert_allclose(
        found.transform(X).numpy() * signs.T, wanted.transform(data), atol=1e-8
    )
    # All components: exact, whatever the parts.
    whole = ht.decomposition.IncrementalPCA(batch_size=size).fit(X)
    exact = oracle.PCA().fit(data)
    np.testing.assert_allclose(whole.explained_variance_.numpy(), exact.explained_variance_)


@pytest.mark.parallel([1, 2, 3])
def test_parts_from_a_file(tmp_path: Path) -> None:
    data = load_wine().data
    X = ht.array(data, split=0)
    path = X.comm.handle.bcast(tmp_path) / "wine.h5"
    ht.save_hdf5(X, path, "DATA")
    found = ht.decomposition.IncrementalPCA(4).fit(str(path), 50)
    wanted = ht.decomposition.IncrementalPCA(4, batch_size=50).fit(X)
    np.testing.assert_allclose(found.components_.numpy(), wanted.components_.numpy())
    with pytest.raises(KeyError):
        ht.decomposition.IncrementalPCA(4).fit(path, 50, dataset="nothing")
    with pytest.raises(ValueError, match="n_components"):
        ht.decomposition.IncrementalPCA(9).partial_fit(X[:5])


def _course(n_times: int, control: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Snapshots of a damped rotation seen in 30 coordinates, and its eigenvalues."""
    rng = np.random.default_rng(2)
    turn = 0.95 * np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
    a = np.block([[turn, np.zeros((2, 1))], [np.zeros((1, 2)), np.array([[0.7]])]])
    seen = rng.normal(size=(30, 3))
    states = [np.array([1.0, 0.5, 2.0])]
    for time in range(n_times - 1):
        push = 0 if control is None else np.array([1.0, -1.0, 0.5]) * control[0, time]
        states.append(a @ states[-1] + push)
    return seen @ np.array(states).T, np.linalg.eigvals(a)


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("solver", ["full", "hierarchical", "randomized"])
def test_modes_of_a_linear_process(solver: str, every_layout: Any) -> None:
    data, eigenvalues = _course(12)
    for X in every_layout(data, unbalanced=False):
        found = ht.decomposition.DMD(solver, svd_rank=3).fit(X)
        assert found.n_modes_ == 3
        values = found.rom_eigenvalues_.numpy()
        np.testing.assert_allclose(np.sort_complex(values), np.sort_complex(eigenvalues), atol=1e-9)
        modes = found.dmdmodes_.numpy()
        steps = modes * values
        weights = np.linalg.lstsq(modes, data[:, 0], rcond=None)[0]
        np.testing.assert_allclose((steps @ weights).real, data[:, 1], atol=1e-8)
        following = found.predict_next(X[:, :3], 2)
        np.testing.assert_allclose(following.numpy(), data[:, 2:5], atol=1e-8)
        course = found.predict(X[:, 0], 12)
        np.testing.assert_allclose(course.numpy(), data, atol=1e-8)
        several = found.predict(X[:, :2], [0, 5])
        np.testing.assert_allclose(several.numpy()[1], data[:, [1, 6]], atol=1e-8)
    tolerant = ht.decomposition.DMD(svd_tol=1e-9).fit(X)
    assert tolerant.n_modes_ == 3
    for wrong in ({"svd_solver": "magic"}, {"svd_solver": "randomized"}, {"svd_rank": 0}):
        with pytest.raises(ValueError, match="svd_"):
            ht.decomposition.DMD(**wrong).fit(X)


@pytest.mark.parallel([1, 2, 3, 4])
def test_modes_of_a_process_under_control(every_layout: Any) -> None:
    control = np.random.default_rng(0).normal(size=(1, 20))
    data, eigenvalues = _course(20, control)
    for X in every_layout(data, unbalanced=False):
        for C in (ht.array(control), ht.array(control, split=1)):
            found = ht.decomposition.DMDc(svd_tol=1e-9).fit(X, C)
            values = np.sort_complex(found.rom_eigenvalues_.numpy())
            np.testing.assert_allclose(values, np.sort_complex(eigenvalues), atol=1e-9)
            course = found.predict(X[:, 0], C)
            np.testing.assert_allclose(course.numpy(), data, atol=1e-8)
            both = found.predict(X[:, :2], C[:, 1:3])
            assert both.shape == (2, 30, 2)
            np.testing.assert_allclose(both.numpy()[1], data[:, 1:3], atol=1e-8)
    with pytest.raises(ValueError, match="controls"):
        found.fit(X, C[:, :3])
