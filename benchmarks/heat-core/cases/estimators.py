"""Estimators and distances; scikit-learn and SciPy stand in NumPy's column."""

from collections.abc import Callable
from typing import Any

from cases.case import Case, Data, M

X400K = Data((400_000, 18), "normal")
_WITHOUT: dict[str, Callable[..., Any] | None] = {"torch": None, "dask": None}
_FROM_START = {"n_init": 1, "algorithm": "lloyd"}
_K, _ITERATIONS = 8, 10


def _theirs(module: str, name: str, **parameters: Any) -> Any:
    """An estimator of scikit-learn."""
    from importlib import import_module

    return getattr(import_module(f"sklearn.{module}"), name)(**parameters)


def _k_means(*args: Any) -> Any:
    xp, x, start = args
    # The original stops below tol itself, and takes no relative one.
    tol = -1.0 if xp.__name__ == "heat" else 0.0
    return xp.cluster.KMeans(_K, init=start, max_iter=_ITERATIONS, tol=tol).fit(x)


def _their_k_means(*args: Any) -> Any:
    _, x, start = args
    given = {"init": start, "max_iter": _ITERATIONS, "tol": 0, **_FROM_START}
    return _theirs("cluster", "KMeans", n_clusters=_K, **given).fit(x)


def _seeded(*args: Any) -> Any:
    xp, x = args
    init = "probability_based" if xp.__name__ == "heat" else "k-means++"
    return xp.cluster.KMeans(_K, init=init, max_iter=_ITERATIONS, random_state=1).fit(x)


def _their_seeded(*args: Any) -> Any:
    given = {"init": "k-means++", "max_iter": _ITERATIONS, "random_state": 1, **_FROM_START}
    return _theirs("cluster", "KMeans", n_clusters=_K, **given).fit(args[1])


def _scipy_distances(*args: Any) -> Any:
    from scipy.spatial.distance import cdist

    return cdist(args[1], args[1])


def _half_of_distances(*args: Any) -> Any:
    """Of the rows of one of two ranks, to themselves and to half of the others."""
    xp, x = args
    half = len(x) // 2
    tile = xp.spatial.cdist(x[:half], x[half : half + half // 2])
    return xp.spatial.cdist(x[:half]), tile, xp.array(tile.T, copy=True)


def _neighbours(*args: Any) -> Any:
    xp, x, y, queries = args
    return xp.classification.KNeighborsClassifier(5).fit(x, y).predict(queries)


_WIDE = Data((8000, 18), "normal")

CASES = (
    Case(
        "kmeans_400kx18",
        (X400K, Data((_K, 18), "normal", split=None)),
        _k_means,
        {**_WITHOUT, "numpy": _their_k_means},
        share=lambda xp, x, start: _k_means(xp, x[: len(x) // 2], start),
    ),
    Case("kmeans++_400kx18", (X400K,), _seeded, {**_WITHOUT, "numpy": _their_seeded}),
    Case(
        "lasso_200kx18",
        (Data((200_000, 18), "normal"), Data((200_000,), "normal")),
        lambda xp, x, y: xp.regression.Lasso(lam=0.01, max_iter=10, tol=0.0).fit(x, y),
        {
            **_WITHOUT,
            "numpy": lambda xp, x, y: _theirs(
                "linear_model", "Lasso", alpha=0.01, max_iter=10, tol=0.0
            ).fit(x, y),
        },
    ),
    Case(
        "linear_regression_500kx18",
        (Data((M // 2, 18), "normal"), Data((M // 2,), "normal")),
        lambda xp, x, y: xp.regression.LinearRegression().fit(x, y),
        {
            **_WITHOUT,
            "numpy": lambda xp, x, y: _theirs("linear_model", "LinearRegression").fit(x, y),
            "original": None,
        },
    ),
    Case(
        "gaussianNB_500kx18",
        (Data((M // 2, 18), "normal"), Data((M // 2,), "integers", high=4)),
        lambda xp, x, y: xp.naive_bayes.GaussianNB().fit(x, y),
        {**_WITHOUT, "numpy": lambda xp, x, y: _theirs("naive_bayes", "GaussianNB").fit(x, y)},
    ),
    Case(
        "standard_scaler_2Mx18",
        (Data((2 * M, 18), "normal"),),
        lambda xp, x: xp.preprocessing.StandardScaler().fit_transform(x),
        {
            **_WITHOUT,
            "numpy": lambda xp, x: _theirs("preprocessing", "StandardScaler").fit_transform(x),
        },
    ),
    Case(
        "knn5_20kx18_2000_queries",
        (
            Data((20_000, 18), "normal"),
            Data((20_000,), "integers", high=10),
            Data((2000, 18), "normal"),
        ),
        _neighbours,
        {
            **_WITHOUT,
            "numpy": lambda xp, x, y, queries: (
                _theirs("neighbors", "KNeighborsClassifier", algorithm="brute")
                .fit(x, y)
                .predict(queries)
            ),
            "original": None,  # its answers are wrong on two ranks
        },
    ),
    Case(
        "cdist_8000x18",
        (_WIDE,),
        lambda xp, x: xp.spatial.cdist(x),
        {"dask": None, "numpy": _scipy_distances, "torch": lambda xp, x: xp.cdist(x, x)},
        share=_half_of_distances,
    ),
    Case(
        "cdist_quadratic_8000x18",
        (_WIDE,),
        lambda xp, x: xp.spatial.cdist(x, quadratic_expansion=True),
        {"dask": None, "numpy": _scipy_distances, "torch": lambda xp, x: xp.cdist(x, x)},
    ),
)
