"""Every estimator beside scikit-learn's, for ``analytics.py``.

The four problems on which the original was published have columns of the original and of dask:
k-means, moments, Lasso and pairwise distances.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import Any

from cases import estimators
from cases.case import Case, Data, M
from cases.estimators import _theirs as sklearn_estimator

__all__ = ["CASES", "PAPER"]

ROWS = Data((M // 2, 18), "normal")
FEWER = Data((M // 10, 18), "normal")
NUMBERS = Data((M // 2,), "normal")
FEW = Data((2000, 18), "normal")
_ALONE: dict[str, Callable[..., Any] | None] = {"torch": None, "dask": None, "original": None}


def _fitted(
    name: str,
    ours: str,
    theirs: str,
    inputs: tuple[Data, ...],
    parameters: dict[str, Any],
    their_parameters: dict[str, Any] | None = None,
    method: str = "fit",
) -> Case:
    """The same method of both estimators; names are ``module.Class``."""

    def run(xp: Any, *data: Any) -> Any:
        module, kind = ours.split(".")
        return getattr(getattr(getattr(xp, module), kind)(**parameters), method)(*data)

    def beside(_: Any, *data: Any) -> Any:
        given = parameters if their_parameters is None else their_parameters
        return getattr(sklearn_estimator(*theirs.split("."), **given), method)(*data)

    return Case(name, inputs, run, {**_ALONE, "numpy": beside})


def _dask_k_means(*args: Any) -> Any:
    _, x, start = args
    given = {"n_clusters": len(start), "init": start.compute(), "max_iter": 10, "tol": 0}
    return import_module("dask_ml.cluster").KMeans(**given).fit(x)


def _dask_lasso(*args: Any) -> Any:
    _, x, y = args
    given = {"penalty": "l1", "C": 0.01 * len(y), "solver": "proximal_grad", "max_iter": 10}
    found = import_module("dask_ml.linear_model").LinearRegression(fit_intercept=False, **given)
    return found.fit(x, y)


def _dask_distances(*args: Any) -> Any:
    _, x = args
    return import_module("dask_ml.metrics.pairwise").euclidean_distances(x, x.compute())


def _moments(*args: Any) -> Any:
    xp, x = args
    return xp.mean(x, axis=0), xp.std(x, axis=0)


def _score(*args: Any) -> Any:
    xp, x, labels = args
    return xp.cluster.silhouette_score(x, labels)


def _their_score(*args: Any) -> Any:
    return import_module("sklearn.metrics").silhouette_score(*args[1:])


def _their_rbf(*args: Any) -> Any:
    return import_module("sklearn.metrics.pairwise").rbf_kernel(args[1], gamma=0.5)


def _their_nearest(*args: Any) -> Any:
    found = sklearn_estimator("neighbors", "NearestNeighbors", n_neighbors=5, algorithm="brute")
    return found.fit(args[2]).kneighbors(args[1])


def _laplacian(*args: Any) -> Any:
    xp, x = args
    similarity = lambda rows: xp.spatial.rbf(rows, sigma=3.0, quadratic_expansion=True)  # noqa: E731
    return xp.graph.Laplacian(similarity).construct(x)


def _their_laplacian(*args: Any) -> Any:
    similarity = import_module("sklearn.metrics.pairwise").rbf_kernel(args[1], gamma=1 / 18)
    return import_module("scipy.sparse.csgraph").laplacian(similarity, normed=True)


def _classes(x: Any, noise: Any) -> Any:
    """The largest of four features, nearly."""
    return (x[:, :4] + 2 * noise).argmax(1)


def _logistic(*args: Any) -> Any:
    xp, x, noise = args
    return xp.regression.LogisticRegression(tol=1e-5).fit(x, _classes(x, noise))


def _their_logistic(*args: Any) -> Any:
    _, x, noise = args
    found = sklearn_estimator("linear_model", "LogisticRegression", tol=1e-5)
    return found.fit(x, _classes(x, noise))


def _nearest_two(*args: Any) -> Any:
    xp, x, y, queries = args
    return xp.classification.KNeighborsRegressor(5).fit(x, y).predict(queries)


def _their_nearest_two(*args: Any) -> Any:
    _, x, y, queries = args
    found = sklearn_estimator("neighbors", "KNeighborsRegressor", algorithm="brute")
    return found.fit(x, y).predict(queries)


def _with_dask(case: Case, run: Callable[..., Any]) -> Case:
    return replace(case, variants={**case.variants, "dask": run})


_KNOWN = {case.name: case for case in estimators.CASES}
PAPER = (
    _with_dask(_KNOWN["kmeans_400kx18"], _dask_k_means),
    Case("mean_std_2Mx18", (Data((2 * M, 18), "normal"),), _moments),
    _with_dask(_KNOWN["lasso_200kx18"], _dask_lasso),
    _with_dask(_KNOWN["cdist_quadratic_8000x18"], _dask_distances),
)

_START = {"n_clusters": 8, "random_state": 0}
CASES = (
    *PAPER,
    _KNOWN["cdist_8000x18"],
    _KNOWN["linear_regression_500kx18"],
    _KNOWN["gaussianNB_500kx18"],
    _KNOWN["standard_scaler_2Mx18"],
    _KNOWN["knn5_20kx18_2000_queries"],
    _fitted(
        "minibatch_kmeans_500kx18",
        "cluster.MiniBatchKMeans",
        "cluster.MiniBatchKMeans",
        (ROWS,),
        {**_START, "max_iter": 1, "batch_size": 4096},
        {**_START, "max_iter": 1, "batch_size": 4096, "n_init": 1, "compute_labels": True},
    ),
    _fitted(
        "mixture_100kx18",
        "cluster.GaussianMixture",
        "mixture.GaussianMixture",
        (FEWER,),
        {"n_components": 4, "max_iter": 10, "tol": 0.0, "random_state": 0},
    ),
    _fitted(
        "dbscan_5000x3",
        "cluster.DBSCAN",
        "cluster.DBSCAN",
        (Data((5000, 3), "normal"),),
        {"eps": 0.3, "min_samples": 5},
    ),
    _fitted(
        "spectral_1500x18",
        "cluster.Spectral",
        "cluster.SpectralClustering",
        (Data((1500, 18), "normal"),),
        {"n_clusters": 4, "gamma": 0.05, "random_state": 0},
        {"n_clusters": 4, "gamma": 0.05, "random_state": 0, "n_init": 1},
    ),
    Case(
        "silhouette_5000x18",
        (Data((5000, 18), "normal"), Data((5000,), "integers", high=4)),
        _score,
        {**_ALONE, "numpy": _their_score},
    ),
    _fitted(
        "ridge_500kx18", "regression.Ridge", "linear_model.Ridge", (ROWS, NUMBERS), {"alpha": 1.0}
    ),
    _fitted(
        "elastic_net_500kx18",
        "regression.ElasticNet",
        "linear_model.ElasticNet",
        (ROWS, NUMBERS),
        {"alpha": 0.01, "max_iter": 100},
        {"alpha": 0.01, "max_iter": 100, "precompute": True},
    ),
    Case(
        "logistic_100kx18",
        (FEWER, Data((M // 10, 4), "normal")),
        _logistic,
        {**_ALONE, "numpy": _their_logistic},
    ),
    _fitted("pca_500kx18", "decomposition.PCA", "decomposition.PCA", (ROWS,), {"n_components": 8}),
    _fitted(
        "pca_transform_500kx18",
        "decomposition.PCA",
        "decomposition.PCA",
        (ROWS,),
        {"n_components": 8},
        method="fit_transform",
    ),
    _fitted(
        "incremental_pca_100kx18",
        "decomposition.IncrementalPCA",
        "decomposition.IncrementalPCA",
        (FEWER,),
        {"n_components": 8, "batch_size": 10_000},
    ),
    *(
        _fitted(
            f"{kind.lower()}_500kx18",
            f"preprocessing.{kind}",
            f"preprocessing.{kind}",
            (ROWS,),
            {},
            method="fit_transform",
        )
        for kind in ("MinMaxScaler", "MaxAbsScaler", "RobustScaler", "Normalizer")
    ),
    Case(
        "knn_regressor_20kx18_2000_queries",
        (Data((20_000, 18), "normal"), Data((20_000,), "normal"), FEW),
        _nearest_two,
        {**_ALONE, "numpy": _their_nearest_two},
    ),
    Case(
        "cdist_topk5_2000_of_20kx18",
        (FEW, Data((20_000, 18), "normal")),
        lambda xp, x, y: xp.spatial.cdist_topk(x, y, 5),
        {**_ALONE, "numpy": _their_nearest},
    ),
    Case(
        "rbf_4000x18",
        (Data((4000, 18), "normal"),),
        lambda xp, x: xp.spatial.rbf(x, quadratic_expansion=True),
        {**_ALONE, "numpy": _their_rbf},
    ),
    Case(
        "laplacian_3000x18",
        (Data((3000, 18), "normal"),),
        _laplacian,
        {**_ALONE, "numpy": _their_laplacian},
    ),
)
