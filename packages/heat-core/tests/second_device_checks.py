"""Arrays on another device than the CPU: nothing is left on the CPU, or mixed with what is.

Run by ``test_heat_devices.py`` in a process of its own: torch keeps a device that it was told of.
"""

from __future__ import annotations

import inspect
import runpy
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import heat_core as ht
from heat_core import devices
from heat_core.cli.selftest import run_checks

HERE = Path(__file__).parent
second_device = runpy.run_path(str(HERE / "second_device.py"))["second_device"]
numpy_namesake = runpy.run_path(str(HERE / "test_heat_oracle.py"))["numpy_namesake"]
# What a second device in Python cannot show: DLPack, which needs its memory; sparse tensors of
# torch, of which it has none; and programs of their own, which know nothing of it.
TABLES = ["elementwise", "reductions", "movement", "searching", "linalg", "transforms"]


@pytest.fixture(autouse=True)
def _on_second_device(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let "gpu" be the second device, and the one of new arrays."""

    def torch_device(self: devices.Device) -> torch.device:
        return device if self.device_type == "gpu" else torch.device("cpu")

    with second_device() as device:
        monkeypatch.setattr(devices.Device, "torch_device", property(torch_device))
        monkeypatch.setattr(devices, "gpu", lambda comm: devices.Device("gpu"))
        monkeypatch.setattr(devices, "_default", devices.Device("gpu"))
        yield


def _new(data: Any, split: int | None = 0) -> ht.DNDarray:
    return ht.array(data, split=split)


def _check(result: Any, expected: Any) -> None:
    """Equal, and on the device."""
    if isinstance(result, (tuple, list)):
        for got, want in zip(result, expected, strict=True):
            _check(got, want)
        return
    if isinstance(result, ht.DNDarray):
        assert result.device == ht.get_device(), "the result is on the CPU"
        result = result.numpy()
    np.testing.assert_allclose(result, np.asarray(expected), rtol=1e-6, atol=1e-12)


def test_second_device_is_as_strict_as_a_gpu() -> None:
    x, on_cpu = torch.ones(3, device=ht.get_device().torch_device), torch.arange(3)
    for mixture in (
        lambda: x + on_cpu,
        lambda: torch.cat([x, on_cpu]),
        lambda: x.index_select(0, on_cpu),
        lambda: on_cpu[x.long()],
        lambda: on_cpu + x[0],
        lambda: torch.searchsorted(x, on_cpu),
    ):
        with pytest.raises(RuntimeError, match="same device"):
            mixture()
    with pytest.raises((RuntimeError, TypeError)):
        x.numpy()
    assert (x[on_cpu] + torch.tensor(1.0)).tolist() == [2, 2, 2]
    x[1:].view(2, 1).mul_(5)
    assert x.cpu().tolist() == [1, 5, 5]


@pytest.mark.parallel([1, 2])
def test_selftest() -> None:
    assert [result.row() for result in run_checks() if result.error] == []


@pytest.mark.parallel(2)
@pytest.mark.parametrize("group", TABLES)
def test_answers_of_numpy(group: str) -> None:
    """Each function of the oracle's table once, split along the first axis or the last."""
    data = runpy.run_path(str(HERE / "oracle" / "data.py"))["arrays"]()
    failures = []
    for row in runpy.run_path(str(HERE / "oracle" / f"{group}.py"))["CASES"]:
        names, call = row[:2]
        arrays = [data[key] for key in list(inspect.signature(call).parameters)[1:]]
        for number, name in enumerate(names.split()):
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                expected = call(numpy_namesake(name, row), *arrays)
            try:
                inputs = [_new(a, (number + k) % a.ndim) for k, a in enumerate(arrays)]
                _check(call(attrgetter(name)(ht), *inputs), expected)
            except Exception as error:
                failures.append(f"{name}: {str(error)[:300]}")
    assert not failures, "\n".join(failures)


def _values(result: Any) -> Any:
    """As NumPy, and whether all arrays are on the default device."""
    if isinstance(result, (tuple, list)):
        return [_values(part) for part in result]
    if hasattr(result, "todense"):
        result = result.todense()
    if not isinstance(result, ht.DNDarray):
        return result
    assert result.device == ht.get_device(), "the result is on another device"
    return result.numpy()


def _same_on_both(calls: dict[str, Callable[[], Any]]) -> None:
    failures = []
    for name, call in calls.items():
        try:
            ht.use_device("cpu")
            expected = _values(call())
            ht.use_device("gpu")
            _check(_values(call()), expected)
        except Exception as error:
            failures.append(f"{name}: {str(error)[:300]}")
    assert not failures, "\n".join(failures)


@pytest.mark.parallel(2)
def test_new_arrays_and_random_ones() -> None:
    calls: dict[str, Callable[[], Any]] = {}
    for table, space in (("creation", ht), ("randomness", ht.random)):
        for row in runpy.run_path(str(HERE / "oracle" / f"{table}.py"))["CASES"]:
            for name in row[0].split():

                def call(row: Any = row, space: Any = space, name: str = name) -> Any:
                    ht.random.seed(3)
                    return row[1](attrgetter(name)(space), {"split": 0})

                calls[f"{name} {len(calls)}"] = call
    _same_on_both(calls)


@pytest.mark.parallel(2)
def test_estimators() -> None:
    rng = np.random.default_rng(0)
    data = rng.normal(size=(24, 4)) + np.repeat([[0.0], [6.0], [-6.0]], 8, 0)
    classes = np.repeat([0, 1, 2], 8)
    calls = {}
    for name, row in runpy.run_path(str(HERE / "test_heat_estimators.py"))["ROWS"].items():

        def call(row: Any = row) -> Any:
            model, x, y = row.make(), _new(data), _new(classes)
            model.fit(x, y)
            return getattr(model, row.ask)(x)

        calls[name] = call
    _same_on_both(calls)


def _keyed(data: Any, key: Any, split: int | None) -> list[ht.DNDarray]:
    """Reading and writing."""
    x, written = _new(data, split), _new(data, split)
    written[key] = 9.0
    return [x[key], written]


@pytest.mark.parallel(2)
def test_keys() -> None:
    data = np.random.default_rng(0).normal(size=(12, 5))
    hits = data > 0
    keys: list[Any] = [[5, 0, -1, 5], hits, hits[:, 0], (slice(None, None, -2), [0, 1, 2])]
    keys += [([0, 1], [1, 2]), (np.array([[0, 3], [2, 1]]), slice(1, 4)), (slice(2, 9), hits[0])]
    keys += [(None, [1, 2], ...), -1, (..., 2)]
    calls: dict[str, Callable[[], Any]] = {}
    for split in (0, 1):
        for number, key in enumerate(keys):
            calls[f"{number} of {split}"] = partial(_keyed, data, key, split)
    calls["array"] = lambda: _keyed(data, _new(np.array([3, 1, 11])), 0)
    calls["mask"] = lambda: _keyed(data, _new(hits), 0)
    calls["positions"] = lambda: ht.take_along_axis(_new(data), _new(data.argsort(0)), 0)
    calls["choices"] = lambda: ht.select([_new(hits), _new(data) < -1], [_new(data), 1.0], 7)
    calls["masked sum"] = lambda: [ht.sum(_new(data), where=hits), _new(data) + data]
    _same_on_both(calls)


@pytest.mark.parallel(2)
def test_transforms_decompositions_distances_and_sparse_matrices() -> None:
    rng = np.random.default_rng(0)
    data, line, near = rng.normal(size=(12, 5)), rng.normal(size=32), np.repeat([0, 1, 2], 4)
    square = data.T @ data
    triplets = np.where(data > 0.5, data, 0)

    def sparse() -> Any:
        return ht.sparse.sparse_csr_matrix(_new(triplets), split=0)

    _same_on_both(
        {
            "fft": lambda: [
                ht.fft.fft(_new(line)),
                ht.fft.fft2(_new(data)),
                ht.fft.rfft(_new(line)),
            ],
            "convolve": lambda: ht.signal.convolve(_new(line), _new(line[:5]), mode="same"),
            "lu": lambda: ht.linalg.lu(_new(square, 1)),
            "cholesky": lambda: ht.linalg.cholesky(_new(square, 1)),
            "eigvalsh": lambda: ht.linalg.eigvalsh(_new(square, 1)),
            "svdvals": lambda: ht.linalg.svdvals(_new(data, 1)),
            "lanczos": lambda: ht.linalg.lanczos(_new(square), 3),
            "lstsq": lambda: ht.linalg.lstsq(_new(data), _new(line[:12]))[0],
            "cdist": lambda: [
                ht.spatial.cdist(_new(data)),
                *ht.spatial.cdist_topk(*[_new(data)] * 2, 2),
            ],
            "silhouettes": lambda: ht.cluster.silhouette_samples(_new(data), _new(near)),
            "density": lambda: ht.cluster.DBSCAN(1.5, min_samples=2).fit(_new(data)).labels_,
            "merged": lambda: (
                ht.cluster.BatchParallelKMeans(2, random_state=1).fit(_new(data)).cluster_centers_
            ),
            "robust": lambda: ht.preprocessing.RobustScaler().fit_transform(_new(data)),
            "sparse": lambda: [sparse() + sparse(), sparse().T, sparse().sum(0), sparse().max(1)],
        }
    )


@pytest.mark.parallel([1, 2])
def test_other_operands_follow_the_array() -> None:
    """What is not an array goes to the device of the array, not to that of new arrays."""
    data = np.arange(1.0, 13.0).reshape(4, 3)
    line, square = data[:, 0].copy(), data.T @ data
    ht.use_device("cpu")
    x = ht.array(data, split=0, device="gpu")
    row, vector = ht.array(data[1], device="gpu"), ht.array(line, split=0, device="gpu")
    calls: dict[str, tuple[Callable[[], Any], Any]] = {
        "sum": (lambda: x + data, data + data),
        "reflected": (lambda: data[0] - x, data[0] - data),
        "tensor": (lambda: x * torch.tensor(data), data * data),
        "masked": (lambda: ht.add(x, 1, where=data > 3, out=ht.copy(x)), data + (data > 3)),
        "where": (lambda: ht.where(data > 3, x, data), data),
        "where array": (lambda: ht.where(x > 3, data, 0.0), np.where(data > 3, data, 0)),
        "clip": (lambda: ht.clip(x, data[0], 9.0), np.clip(data, data[0], 9)),
        "product": (lambda: x @ data.T, data @ data.T),
        "inner": (lambda: ht.vdot(vector, line), line @ line),
        "einsum": (lambda: ht.einsum("ij,jk->ik", x, data.T), data @ data.T),
        "solve": (
            lambda: ht.linalg.solve(ht.array(square + np.eye(3), device="gpu"), data[0]),
            np.linalg.solve(square + np.eye(3), data[0]),
        ),
        "cross": (lambda: ht.cross(row, data[0]), np.cross(data[1], data[0])),
        "search": (lambda: ht.searchsorted(vector, data[1]), np.searchsorted(line, data[1])),
        "digitize": (lambda: ht.digitize(x, line), np.digitize(data, line)),
        "counts": (
            lambda: ht.histogram(x, data[:, 0], weights=data)[0],
            np.histogram(data, data[:, 0], weights=data)[0],
        ),
        "set": (lambda: ht.union1d(vector, [2.5, 1.0]), np.union1d(line, [2.5, 1])),
        "isin": (lambda: ht.isin(x, data[0]), np.isin(data, data[0])),
        "diff": (
            lambda: ht.diff(x, axis=0, append=data[:1]),
            np.diff(data, axis=0, append=data[:1]),
        ),
        "area": (lambda: ht.trapezoid(vector, data[:, 1]), np.trapezoid(line, data[:, 1])),
        "average": (lambda: ht.average(x, 0, line), np.average(data, 0, line)),
        "vectorize": (
            lambda: ht.vectorize(lambda a, b: a + 2 * b, otypes=[float])(x, data),
            3 * data,
        ),
        "convolve": (lambda: ht.convolve(vector, line), np.convolve(line, line)),
        "take": (lambda: ht.take(x, np.array([2, 0]), 0), data[[2, 0]]),
        "insert": (lambda: ht.append(vector, line), np.append(line, line)),
    }
    _on_the_device(calls)


def _on_the_device(calls: dict[str, tuple[Callable[[], Any], Any]]) -> None:
    """The results are these, and on the second device."""
    failures = []
    for name, (call, expected) in calls.items():
        try:
            result = call()
            assert result.device == devices.Device("gpu"), f"the result is on {result.device}"
            np.testing.assert_allclose(result.numpy(), expected, rtol=1e-6)
        except Exception as error:
            failures.append(f"{name}: {str(error)[:300]}")
    assert not failures, "\n".join(failures)
