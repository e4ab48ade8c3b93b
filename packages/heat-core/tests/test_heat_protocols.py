"""What other libraries call: NumPy's and torch's functions, partitions, pickling, copies."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch

import heat_core as ht

RANKS = [1, 2, 3]
DATA = np.arange(24.0).reshape(8, 3) - 7


# -- NumPy -----------------------------------------------------------------------------------
@pytest.mark.parallel(RANKS)
def test_numpy_functions(every_layout: Any, check: Any) -> None:
    for x in every_layout(DATA):
        for function in (
            *(np.sin, np.abs, np.isnan, np.signbit, np.sum, np.mean, np.cumsum, np.argmax),
            *(np.transpose, np.ravel, np.sort, np.median, np.zeros_like),
            lambda a: np.concatenate([a, a], axis=1),
            lambda a: np.where(a > 0, a, -1.0),
            lambda a: np.std(a, axis=0, ddof=1),
            lambda a: np.clip(a, -2, 2),
            lambda a: np.linalg.norm(a, axis=1) if hasattr(ht.linalg, "norm") else np.abs(a),
        ):
            result = function(x)
            assert isinstance(result, ht.DNDarray)
            check(result, function(DATA))
        np.testing.assert_array_equal(np.asarray(x), DATA)
        assert np.asarray(x, dtype=np.float32).dtype == np.float32


@pytest.mark.parallel(RANKS)
def test_numpy_operands_and_ufunc_methods(every_layout: Any, check: Any) -> None:
    row = np.array([1.0, 2.0, 3.0])
    for x in every_layout(DATA):
        check(row + x, row + DATA)
        check(x - row, DATA - row)
        check(np.float64(2) / (x + 100), 2 / (DATA + 100))
        check(row < x, row < DATA)
        check(np.add.reduce(x), DATA.sum(axis=0))
        check(np.maximum.reduce(x, axis=None), DATA.max())
        check(np.logical_and.reduce(x, axis=1), DATA.all(axis=1))
        check(np.multiply.accumulate(x, axis=1), np.multiply.accumulate(DATA, axis=1))
        check(np.subtract.outer(row, x), np.subtract.outer(row, DATA))
        quotient, rest = np.divmod(x, row)
        check(quotient, DATA // row)
        check(rest, DATA % row)
        out = ht.zeros_like(x)
        assert np.add(x, row, out=out) is out
        check(out, DATA + row)


@pytest.mark.parallel([1, 2])
def test_numpy_refusals() -> None:
    x = ht.arange(6.0, split=0)
    with pytest.raises(TypeError, match=r"no numpy\.busday_count"):
        np.busday_count(x, x)
    with pytest.raises(TypeError, match=r"numpy\.savetxt"):
        np.savetxt("nowhere", x)
    with pytest.raises(TypeError):
        np.add(np.ones(6), x, out=np.ones(6))
    with pytest.raises(TypeError):
        np.add.at(x, [0], 1)
    if x.is_distributed():
        with ht.config(implicit_gather_bytes=23), pytest.raises(ValueError, match=r"numpy\(\)"):
            np.asarray(x)
        with pytest.raises(ValueError, match="copy"):
            np.asarray(x, copy=False)
    shared = ht.arange(3.0)
    np.asarray(shared)[0] = 5
    assert float(shared[0]) == 5
    np.array(shared)[0] = 6
    assert float(shared[0]) == 5


# -- torch -----------------------------------------------------------------------------------
@pytest.mark.parallel(RANKS)
def test_torch_functions(every_layout: Any, check: Any) -> None:
    row = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    for x in every_layout(DATA):
        check(torch.sin(x), np.sin(DATA))
        check(torch.sum(x, dim=0), DATA.sum(axis=0))
        check(torch.sum(input=x, dim=1, keepdim=True), DATA.sum(axis=1, keepdims=True))
        check(torch.cat([x, x], dim=1), np.concatenate([DATA, DATA], axis=1))
        check(torch.clamp(x, -1, 1), DATA.clip(-1, 1))
        check(torch.max(x), DATA.max())
        check(row + x, row.numpy() + DATA)
        check(row - x, row.numpy() - DATA)
        check(torch.mul(x, other=x), DATA * DATA)
        proxy = x.__torch_proxy__()
        assert tuple(proxy.shape) == x.shape and proxy.untyped_storage().nbytes() == 1
        for function in (torch.std, torch.sort, torch.nonzero, lambda a: torch.max(a, dim=0)):
            with pytest.raises(TypeError, match="means something else"):
                function(x)
        with pytest.raises(TypeError, match="is not in heat_core"):
            torch.relu(x)


# -- partitions ------------------------------------------------------------------------------
@pytest.mark.parallel([1, 2, 3, 4])
def test_partitions(every_layout: Any, check: Any) -> None:
    for x in every_layout(DATA):
        parts = x.__partitioned__
        assert parts["shape"] == x.shape
        assert len(parts["partitions"]) == np.prod(parts["partition_tiling"])
        for key in parts["locals"]:
            one = parts["partitions"][key]
            slab = tuple(
                slice(start, start + n) for start, n in zip(one["start"], one["shape"], strict=True)
            )
            np.testing.assert_array_equal(parts["get"](one["data"]).numpy(), DATA[slab])
            assert x.comm.rank in one["location"]
        y = ht.from_partitioned(x)
        # On one rank nothing tells a split array from a replicated one.
        assert y.layout == x.layout or x.comm.size == 1
        check(y, DATA)
        assert y.larray.data_ptr() == x.larray.data_ptr()
    check(ht.from_partition_dict(ht.array(2.5).create_partition_interface()), 2.5)


@pytest.mark.parallel([2, 3])
def test_partitions_of_others(check: Any) -> None:
    """Several parts on rank 0, one on the last rank, and a whole array on one rank."""
    comm = ht.get_comm()
    last, data = comm.size - 1, np.arange(10.0)
    cuts = [(0, 3, 0), (3, 4, 0), (4, 10, last)]
    partitions = {
        (number,): {
            "start": (start,),
            "shape": (stop - start,),
            "data": data[start:stop] if comm.rank == owner else None,
            "location": [owner],
            "dtype": np.float64,
        }
        for number, (start, stop, owner) in enumerate(cuts)
    }
    parted = {
        "shape": (10,),
        "partition_tiling": (3,),
        "partitions": partitions,
        "locals": [key for key, part in partitions.items() if part["location"] == [comm.rank]],
        "get": lambda part: part,
    }
    x = ht.from_partition_dict(parted)
    assert x.layout.counts == (4, *[0] * (comm.size - 2), 6)
    check(x, data)
    partitions[0,]["location"] = [last]
    with pytest.raises(ValueError, match="order"):
        ht.from_partition_dict(parted)
    with pytest.raises(ValueError, match="several axes"):
        ht.from_partition_dict({**parted, "partition_tiling": (3, 2)})
    with pytest.raises(TypeError, match="__partitioned__"):
        ht.from_partitioned(data)


# -- copies and pickles ----------------------------------------------------------------------
@pytest.mark.parallel([1, 2, 3])
def test_copies_and_pickles(every_layout: Any, check: Any) -> None:
    for x in every_layout(DATA):
        for y in (copy.copy(x), copy.deepcopy({"x": x})["x"], pickle.loads(pickle.dumps(x))):
            assert y.layout == x.layout and y.comm is x.comm
            assert y.lnumel == 0 or y.larray.data_ptr() != x.larray.data_ptr()
            check(y, DATA)
    part = ht.zeros(100_000)[:3]
    assert len(pickle.dumps(part)) < 5000
    comm = ht.get_comm()
    if comm.size > 1:
        stored = comm.handle.bcast(pickle.dumps(ht.arange(8, split=0)))
        if comm.rank:
            with pytest.raises(ValueError, match="save_sharded"):
                pickle.loads(stored)


# -- functions of the user's -----------------------------------------------------------------
@pytest.mark.parallel([1, 2, 3, 4])
def test_vmap(every_layout: Any, check: Any) -> None:
    weights = ht.array([1.0, -1.0, 2.0])
    for x in every_layout(DATA):
        if x.split is None:
            with pytest.raises(ValueError, match="split"):
                ht.vmap(torch.sum)(x)
            continue
        axis = x.split
        total, twice = ht.vmap(lambda row: (row.sum(), 2 * row), out_dims=(0, 1))(x)
        check(total, DATA.sum(axis=1 - axis))
        check(twice, 2 * (DATA.T if axis == 0 else DATA))
        assert (total.split, twice.split) == (0, 1)
        if axis == 0:
            dot = ht.vmap(lambda row, w: row @ w, chunk_size=2)
            check(dot(x, weights.astype(ht.float64)), DATA @ weights.numpy())
            other = ht.array(DATA[::-1].T, split=1)
            check(ht.vmap(torch.dot)(x, other), (DATA * DATA[::-1]).sum(axis=1))
    with pytest.raises(ValueError, match="extents"):
        ht.vmap(torch.add)(ht.ones(3, split=0), ht.ones(4, split=0))


@pytest.mark.parallel([1, 2, 4])
def test_apply_along_and_over_axes(every_layout: Any, check: Any) -> None:
    for x in every_layout(DATA):
        for axis in (0, 1, -1):
            for function in (np.sum, np.sort, lambda v: v[:2], lambda v: np.outer(v[:2], v[:2])):
                expected = np.apply_along_axis(function, axis, DATA)
                check(ht.apply_along_axis(function, axis, x), expected)
        check(ht.apply_over_axes(ht.sum, x, [0, -1]), np.apply_over_axes(np.sum, DATA, [0, -1]))
    vector = ht.arange(5, split=0)
    check(ht.apply_along_axis(lambda v, power: (v**power).max(), 0, vector, 2), 16)
    with pytest.raises(ValueError, match="no vectors"):
        ht.apply_along_axis(np.sum, 0, ht.zeros((0, 3)))
    with pytest.raises(ht.AxisError):
        ht.apply_along_axis(np.sum, 2, ht.zeros((2, 3)))
    with pytest.raises(ZeroDivisionError):
        ht.apply_along_axis(lambda v: 1 // int(v[0] - 3), 0, ht.ones((2, 4), split=1) * 3)


@pytest.mark.parallel([1, 2, 4])
def test_vectorize_and_piecewise(every_layout: Any, check: Any) -> None:
    def gap(a: float, b: float) -> float:
        return a - b if a > b else b - a

    for x in every_layout(DATA):
        check(ht.vectorize(gap)(x, 2.0), np.vectorize(gap)(DATA, 2.0))
        column = ht.array(DATA[:, :1], split=0)
        check(ht.vectorize(gap, otypes=[np.float32])(x, column), np.abs(DATA - DATA[:, :1]))
        parts: list[Any] = [lambda v: -v, lambda v, k: v * k]
        with pytest.raises(TypeError):
            ht.piecewise(x, [x < 0, x > 5], parts)
        pieces: list[Any] = [lambda v: -v, 100.0, lambda v: v / 2]
        expected = np.piecewise(DATA, [DATA < 0, DATA > 5], pieces)
        check(ht.piecewise(x, [x < 0, x > 5], pieces), expected)
    with pytest.raises(ValueError, match="conditions"):
        ht.piecewise(ht.ones(2), [ht.ones(2) > 0], [1, 2, 3])
    with pytest.raises(ValueError, match="otypes"):
        ht.vectorize(gap)(ht.zeros(0), ht.zeros(0))
