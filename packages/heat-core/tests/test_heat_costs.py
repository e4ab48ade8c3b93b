"""What the algorithms send: the formulas of their docstrings, to the byte."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

import heat_core as ht
from mpi_utils import traffic

N, D, K = 240, 6, 4  # samples, features, clusters; N is a multiple of all numbers of ranks
ORDER, FEW = 48, 3  # of square matrices; columns
FLOAT = 8  # bytes
RNG = np.random.default_rng(0)
DATA = RNG.normal(size=(N, D))
SQUARE = RNG.normal(size=(ORDER, ORDER))
LARGE = RNG.normal(size=(300, 300))

Sent = dict[str, tuple[int, int]]  # by operation: messages and bytes


def samples() -> ht.DNDarray:
    return ht.array(DATA, split=0)


def target() -> ht.DNDarray:
    return ht.array(DATA @ np.arange(D) + 1, split=0)


def classes() -> ht.DNDarray:
    return ht.array((DATA[:, 0] > 0).astype(int), split=0)


def definite(split: int = 0) -> ht.DNDarray:
    return ht.array(SQUARE @ SQUARE.T + ORDER * np.eye(ORDER), split=split)


def vector() -> ht.DNDarray:
    return ht.array(SQUARE[0], split=0)


def sent(call: Callable[[], object]) -> Sent:
    """What this rank sends during the call."""
    with traffic(ht.get_comm()) as counted:
        call()
    operations = {operation for operation, _ in counted.table}
    return {name: (counted.messages(name), counted.bytes(name)) for name in operations}


def numbers(*counts: float) -> tuple[int, int]:
    """Messages of so many numbers."""
    return len(counts), int(FLOAT * sum(counts))


def others(size: int, each: float) -> tuple[int, int]:
    """One message of so many numbers to every other rank."""
    return numbers(*[each] * (size - 1))


def sum_of_products(size: int) -> Sent:
    del size
    return {"allreduce": numbers(D, 1 + (D + 1) * (D + 1))}


def ring(size: int) -> Sent:
    return {"exchange": others(size, N * D / size)}


def symmetric_ring(size: int) -> Sent:
    """Half of the slabs, and of the distances to other ranks those that these do not compute."""
    steps = size // 2
    tiles = (N / size) ** 2 * (size - 1) / 2
    return {"exchange": (2 * steps, int(FLOAT * (steps * N * D / size + tiles)))}


def ring_from_a_centre(size: int) -> Sent:
    return {**ring(size), "allreduce": numbers(D)}


def panels(size: int, rank: int, *, more: float = 0, times: int = 1) -> tuple[int, int]:
    """One broadcast for each rank's panel, the rows from its first column on."""
    width = ORDER // size
    return times * size, int(FLOAT * (times * width * (ORDER - rank * width) + more))


def lu_panels(size: int) -> Sent:
    n, own = panels(size, ht.get_comm().rank)
    return {"bcast": (2 * n, own + 4 * ORDER // size)}  # pivots are int32


def qr_panels(size: int) -> Sent:
    n, own = panels(size, ht.get_comm().rank, more=ORDER // size, times=2)
    diagonal = others(size, ORDER / size)
    return {"bcast": (n + size, own), "allgatherv": diagonal}


def beyond_the_budget(call: Callable[[], object]) -> None:
    with ht.config(replicate_bytes=0):
        call()


def transform(name: str, shape: tuple[int, ...], **options: Any) -> object:
    values = ht.array(RNG.normal(size=shape), split=0)
    x = values if name.startswith("rfft") else values + 0j
    return lambda: getattr(ht.fft, name)(x, **options)


def exchanges(shape: tuple[int, ...], times: int, size: int) -> Sent:
    """All complex numbers of a rank but its own part, several times."""
    each = 2 * np.prod(shape) / size / size
    return {"exchange": numbers(*[each] * (times * (size - 1)))}


def product(left: int, right: int) -> Callable[[], object]:
    a, b = ht.array(LARGE, split=left), ht.array(LARGE, split=right)
    return lambda: a @ b


def slabs_of(array: np.ndarray, operation: str, size: int) -> Sent:
    return {operation: others(size, array.size / size)}


def sparse_product() -> Callable[[], object]:
    matrix, x = ht.sparse.sparse_csr_matrix(ht.array(SQUARE, split=0)), vector()
    matrix @ x  # makes the plan
    return lambda: matrix @ x


def fitted(name: str, *data: Callable[[], ht.DNDarray], **parameters: Any) -> Callable[[], object]:
    module, kind = name.split(".")
    arrays = [make() for make in data]
    return lambda: getattr(getattr(ht, module), kind)(**parameters).fit(*arrays)


def neighbours() -> Callable[[], object]:
    X = samples()
    model = ht.classification.KNeighborsClassifier(3).fit(X, classes())
    return lambda: model.predict(X)


def of_samples(call: Callable[[ht.DNDarray], object]) -> Callable[[], object]:
    X = samples()
    return lambda: call(X)


def panelled(name: str) -> Callable[[], object]:
    x = definite(1)
    return lambda: beyond_the_budget(lambda: getattr(ht.linalg, name)(x))


# What it is, how it is prepared, and what this rank sends, by the number of ranks.
WHOLE: dict[str, tuple[Callable[[], Any], Callable[[int], Sent]]] = {
    "Lasso": (
        lambda: fitted("regression.Lasso", samples, target),
        lambda size: {"allreduce": numbers(1 + (D + 1) ** 2)},
    ),
    "LinearRegression": (
        lambda: fitted("regression.LinearRegression", samples, target),
        sum_of_products,
    ),
    "Ridge": (lambda: fitted("regression.Ridge", samples, target), sum_of_products),
    "ElasticNet": (lambda: fitted("regression.ElasticNet", samples, target), sum_of_products),
    "GaussianNB": (
        lambda: fitted("naive_bayes.GaussianNB", samples, classes),
        # The classes of each rank; a row near the mean; two classes and all samples.
        lambda size: {
            "allgatherv": others(size, 2),
            "allreduce": numbers(D, 3 * (2 * D + 1)),
        },
    ),
    "PCA": (
        lambda: fitted("decomposition.PCA", samples),
        lambda size: {"allreduce": numbers(D, D * (D + 1))},
    ),
    "StandardScaler": (
        lambda: fitted("preprocessing.StandardScaler", samples),
        lambda size: {"allreduce": numbers(D, D)},
    ),
    "MinMaxScaler": (
        lambda: fitted("preprocessing.MinMaxScaler", samples),
        lambda size: {"allreduce": numbers(2 * D)},
    ),
    "cdist": (lambda: of_samples(lambda X: ht.spatial.cdist(X, X)), ring),
    "cdist of one array": (lambda: of_samples(ht.spatial.cdist), symmetric_ring),
    "rbf of one array": (lambda: of_samples(ht.spatial.rbf), symmetric_ring),
    "cdist_topk": (
        lambda: of_samples(lambda X: ht.spatial.cdist_topk(X, X, 3)),
        ring_from_a_centre,
    ),
    "cdist_reduce": (lambda: of_samples(lambda X: ht.spatial.cdist_reduce(X, X, torch.exp)), ring),
    "kNN": (neighbours, ring_from_a_centre),
    "Laplacian": (
        lambda: of_samples(lambda X: ht.graph.Laplacian(ht.spatial.rbf).construct(X)),
        lambda size: {**symmetric_ring(size), "allgatherv": others(size, N / size)},
    ),
    "matmul 0 0": (lambda: product(0, 0), partial(slabs_of, LARGE, "exchange")),
    "matmul 0 1": (lambda: product(0, 1), partial(slabs_of, LARGE, "allgatherv")),
    "matmul 1 1": (lambda: product(1, 1), partial(slabs_of, LARGE, "exchange")),
    "matmul 1 0": (
        lambda: product(1, 0),
        lambda size: {"reduce_scatter": numbers(LARGE.size)},
    ),
    "gram": (
        lambda: of_samples(lambda X: X.T @ X),
        lambda size: {"reduce_scatter": numbers(D * D)},
    ),
    "qr": (
        lambda: of_samples(ht.linalg.qr),
        lambda size: {"allgatherv": others(size, D * D)},
    ),
    "qr cholesky": (
        lambda: of_samples(lambda X: ht.linalg.qr(X, method="cholesky")),
        lambda size: {"allreduce": numbers(D * D, D * D)},
    ),
    "svd": (
        lambda: of_samples(lambda X: ht.linalg.svd(X, full_matrices=False)),
        lambda size: {"allgatherv": others(size, D * D)},
    ),
    "cholesky beyond the budget": (
        lambda: panelled("cholesky"),
        lambda size: {"bcast": panels(size, ht.get_comm().rank)},
    ),
    "lu beyond the budget": (lambda: panelled("lu"), lu_panels),
    "qr beyond the budget": (lambda: panelled("qr"), qr_panels),
    "sparse @ vector": (sparse_product, partial(slabs_of, SQUARE[0], "alltoallv")),
    "fft": (lambda: transform("fft", (3600,)), partial(exchanges, (3600,), 3)),
    "fft2": (lambda: transform("fft2", (36, 60)), partial(exchanges, (36, 60), 2)),
    "rfft2": (lambda: transform("rfft2", (36, 58)), partial(exchanges, (36, 30), 2)),
    "fft2 left where it is": (
        lambda: transform("fft2", (36, 60), keep_layout=False),
        partial(exchanges, (36, 60), 1),
    ),
}  # fmt: skip


@pytest.mark.parallel([2, 3])
@pytest.mark.parametrize("name", WHOLE)
def test_all_that_is_sent(name: str) -> None:
    prepare, expected = WHOLE[name]
    assert sent(prepare()) == expected(ht.get_comm().size)


def iterations(name: str, **parameters: Any) -> Callable[[int], object]:
    X, kind = samples(), getattr(ht.cluster, name)
    if "random_state" not in parameters:
        parameters["init"] = ht.array(DATA[:K])
    return lambda n: kind(K, max_iter=n, **parameters).fit(X)


def krylov(name: str, **options: Any) -> Callable[[int], object]:
    A, b = definite(), vector()
    return lambda n: getattr(ht.linalg, name)(A, b, maxiter=n, **options)


def seeded() -> Callable[[int], object]:
    X = samples()
    return lambda k: ht.cluster.KMeans(k, init="k-means++", max_iter=1, random_state=0).fit(X)


def columns() -> Callable[[int], object]:
    A, X = definite(), ht.array(SQUARE[:, :FEW], split=0)
    return lambda n: ht.linalg.lobpcg(A, X, maxiter=n, tol=0)


def steps_of_lanczos() -> Callable[[int], object]:
    A, b = definite(), vector()
    return lambda n: ht.linalg.lanczos(A, n, b)


def with_product(size: int, *counts: float, width: int = 1) -> Sent:
    """Allreduces, and what a product with rows sends."""
    return {
        "allreduce": numbers(*counts),
        "allgatherv": others(size, ORDER * width / size),
    }


# What it is, how it is prepared, from which step to which, and what this rank sends in the last.
STEPS: dict[str, tuple[Callable[[], Callable[[int], object]], int, Callable[[int], Sent]]] = {
    "KMeans": (
        lambda: iterations("KMeans", tol=0),
        4,
        lambda size: {"allreduce": numbers(K * (D + 1))},
    ),
    "MiniBatchKMeans": (
        lambda: iterations("MiniBatchKMeans", batch_size=N),
        3,
        lambda size: {"allreduce": numbers(K * (D + 1) + 1)},
    ),
    "GaussianMixture": (
        lambda: iterations("GaussianMixture", tol=0, random_state=0),
        4,
        lambda size: {"allreduce": numbers(K * (1 + D + D * D) + 1)},
    ),
    "k-means++": (
        seeded,
        5,
        # Totals of the ranks; three candidates and their costs; and Lloyd's one iteration.
        lambda size: {
            "allgather": others(size, 1),
            "allreduce": (2, numbers(3 * D, 3, D + 1)[1]),
        },
    ),
    "cg": (lambda: krylov("cg", tol=1e-30), 3, lambda size: with_product(size, 1, 2)),
    "bicgstab": (
        lambda: krylov("bicgstab", tol=1e-30),
        3,
        lambda size: {
            "allreduce": numbers(1, 2, 2),
            "allgatherv": tuple(2 * n for n in others(size, ORDER / size)),
        },
    ),
    "lanczos": (steps_of_lanczos, 6, lambda size: with_product(size, 6, 6, 1)),
    "lobpcg": (
        columns,
        7,
        lambda size: with_product(
            size, FEW, *[2 * FEW * FEW, FEW * FEW] * 2, (3 * FEW) ** 2, width=FEW
        ),
    ),
}


@pytest.fixture
def _quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Iterations are cut off on purpose."""
    with caplog.at_level("ERROR", "heat_core"):
        yield


@pytest.mark.parallel([2, 3])
@pytest.mark.usefixtures("_quiet")
@pytest.mark.parametrize("name", STEPS)
def test_what_a_step_sends(name: str) -> None:
    prepare, last, expected = STEPS[name]
    run = prepare()
    before, after = sent(partial(run, last - 1)), sent(partial(run, last))
    more = {
        operation: tuple(np.subtract(counts, before.get(operation, (0, 0))).tolist())
        for operation, counts in after.items()
    }
    assert {key: value for key, value in more.items() if value != (0, 0)} == expected(
        ht.get_comm().size
    )
