"""A correctness test of the installation: functions on distributed arrays against NumPy."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import heat_core as ht
from mpi_utils import collective

__all__ = ["CHECKS", "Result", "run_checks"]

Pair = tuple[Any, Any]  # what was computed, and what NumPy says


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one check."""

    name: str
    error: str
    seconds: float

    def row(self) -> list[str]:
        """The line of the table."""
        return [self.name, self.error or "ok", f"{self.seconds:.2f}"]


def _layouts(data: np.ndarray[Any, Any]) -> Iterator[ht.DNDarray]:
    yield ht.array(data)
    for split in range(data.ndim):
        yield ht.array(data, split=split)
    unbalanced = ht.array(np.concatenate([data[:1], data]), split=0)
    yield unbalanced[1:]


def _elementwise(x: ht.DNDarray, data: np.ndarray[Any, Any]) -> Pair:
    other = ht.array(data, split=data.ndim - 1)
    return ht.exp(-abs(x)) + other * 2, np.exp(-np.abs(data)) + data * 2


def _index(x: ht.DNDarray, data: np.ndarray[Any, Any]) -> Pair:
    rows = [5, 0, -1, 5]
    return x[rows][::-1, 1:], data[rows][::-1, 1:]


def _assign(x: ht.DNDarray, data: np.ndarray[Any, Any]) -> Pair:
    x, data = ht.copy(x), data.copy()
    x[x > 0], data[data > 0] = 0, 0
    x[3:20:4] = data[3:20:4] = 7
    return x, data


def _join(x: ht.DNDarray, data: np.ndarray[Any, Any]) -> Pair:
    return ht.concatenate([x, x[::2]], axis=0).reshape(-1), np.concatenate(
        [data, data[::2]]
    ).ravel()


def _random(x: ht.DNDarray, data: np.ndarray[Any, Any]) -> Pair:
    del data
    drawn = []
    for split in (x.split, None):
        ht.random.seed(1)
        drawn.append(ht.random.randn(*x.shape, split=split))
    return drawn[0], drawn[1].numpy()


def _file(x: ht.DNDarray, data: np.ndarray[Any, Any]) -> Pair:
    comm = ht.get_comm()
    folder = Path(comm.handle.bcast(tempfile.mkdtemp() if comm.rank == 0 else None))
    ht.save(x, folder / "x.npy")
    ht.save_sharded(ht.load(folder / "x.npy", split=0), folder / "shards")
    loaded = ht.load_sharded(folder / "shards", split=x.split)
    comm.barrier()
    if comm.rank == 0:
        shutil.rmtree(folder)
    return loaded, data


CHECKS: dict[str, Callable[[ht.DNDarray, np.ndarray[Any, Any]], Pair]] = {
    "element-wise, mixed layouts": _elementwise,
    "sum": lambda x, data: (x.sum(axis=0), data.sum(axis=0)),
    "mean and var": lambda x, data: (x.mean() / x.var(axis=1), data.mean() / data.var(axis=1)),
    "cumsum": lambda x, data: (ht.cumsum(x, 0), np.cumsum(data, 0)),
    "median": lambda x, data: (ht.median(x), np.median(data)),
    "sort": lambda x, data: (ht.sort(x, axis=0), np.sort(data, axis=0)),
    "unique": lambda x, data: (ht.unique(ht.round(x), sorted=True), np.unique(np.round(data))),
    "indexing": _index,
    "assignment": _assign,
    "concatenate and reshape": _join,
    "matmul": lambda x, data: (x.T @ x, data.T @ data),
    "resplit": lambda x, data: (ht.resplit(x, 1), data),
    "random numbers": _random,
    "files": _file,
}


def run_checks() -> list[Result]:
    """Run all checks on the default communicator. Collective."""
    data = np.random.default_rng(0).standard_normal((101, 13))
    results = []
    for name, check in CHECKS.items():
        start, error = time.perf_counter(), ""
        try:
            for x in _layouts(data):
                actual, expected = check(x, data)
                actual = np.asarray(actual)
                with collective(x.comm):
                    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-9)
        except Exception as problem:
            error = f"{type(problem).__name__}: {str(problem).strip().splitlines()[0]}"
        results.append(Result(name, error, time.perf_counter() - start))
    return results
