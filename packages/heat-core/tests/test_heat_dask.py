"""Arrays of dask: by its protocol of collections, and by dask itself where it is installed."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import heat_core as ht
from heat_core.array.dask_collections import _chunks_of_ranks


class Lazy:
    """What an array of dask is to others: a shape, chunks, slices of it, and ``compute``."""

    def __init__(self, data: Any, chunks: Any, computed: list[Any]) -> None:
        self.data, self.chunks, self.computed = data, chunks, computed
        self.shape: tuple[float, ...] = data.shape

    def __getitem__(self, key: Any) -> Lazy:
        return Lazy(self.data[key], self.chunks, self.computed)

    def compute(self) -> Any:
        self.computed.append(self.data)
        return self.data


@pytest.mark.parallel([1, 2, 3])
def test_from_lazy_arrays_by_whole_chunks(check: Any) -> None:
    comm = ht.get_comm()
    data = np.arange(60.0).reshape(12, 5)
    for split, chunks in ((0, ((4, 4, 3, 1), (5,))), (1, ((12,), (2, 3))), (None, ((7, 5), (5,)))):
        computed: list[Any] = []
        x = ht.from_dask(Lazy(data, chunks, computed), split)
        assert (x.split, x.is_balanced(), x.dtype) == (split, True, ht.float64)
        check(x, data)
        # Each chunk on one rank.
        axis = split or 0
        (part,) = computed
        edges = np.cumsum([0, *chunks[axis]])
        ends = np.cumsum(comm.handle.allgather(part.shape[axis]))
        assert set(ends) <= set(edges) and ends[-1] == data.shape[axis]
    check(ht.from_dask(Lazy(np.float32(3), (), [])), np.float32(3))
    check(ht.from_dask(Lazy(np.zeros((0, 2)), ((0,), (2,)), [])), np.zeros((0, 2)))


def test_chunks_are_shared_out_evenly() -> None:
    assert _chunks_of_ranks((4, 4, 3, 1), 2) == (8, 4)  # the nearer edge of 4 and 8: a tie
    assert _chunks_of_ranks((3, 3, 3, 3), 2) == (6, 6)
    assert _chunks_of_ranks((10,), 3) in {(10, 0, 0), (0, 10, 0), (0, 0, 10)}
    assert sum(_chunks_of_ranks((1,) * 17, 5)) == 17
    assert max(_chunks_of_ranks((1,) * 17, 5)) == 4


class Failing(Lazy):
    """Of which one rank cannot compute its part."""

    def __getitem__(self, key: Any) -> Failing:
        return self

    def compute(self) -> Any:
        if ht.get_comm().rank == ht.get_comm().size - 1:
            raise KeyError("lost")
        return self.data


@pytest.mark.parallel([1, 3])
def test_errors_come_on_all_ranks() -> None:
    with pytest.raises(TypeError, match="not an array of dask"):
        ht.from_dask(np.zeros(3))
    unknown = Lazy(np.zeros(3), ((np.nan,),), [])
    unknown.shape = (np.nan,)
    with pytest.raises(ValueError, match="compute_chunk_sizes"):
        ht.from_dask(unknown)
    with pytest.raises(Exception, match="lost"):
        ht.from_dask(Failing(np.zeros(3), ((1,) * 3,), []))


@pytest.mark.parallel([1, 2])
def test_to_dask_gathers(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("dask.array")
    module.from_array = lambda data, chunks: (data, chunks)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "dask", ModuleType("dask"))
    monkeypatch.setitem(sys.modules, "dask.array", module)
    x = ht.arange(10, split=0)
    data, chunks = ht.to_dask(x, chunks=5)
    assert (data.tolist(), chunks) == ([*range(10)], 5)
    if x.is_distributed():
        with ht.config(implicit_gather_bytes=8), pytest.raises(ValueError, match="gather"):
            ht.to_dask(x)
    monkeypatch.setitem(sys.modules, "dask.array", None)
    with pytest.raises(ImportError, match="pip install"):
        ht.to_dask(x)


@pytest.mark.parallel([1, 2])
def test_dask_itself(check: Any) -> None:
    array = pytest.importorskip("dask.array")
    data = np.arange(30.0).reshape(10, 3)
    lazy = array.from_array(data, chunks=(4, 2)) * 2 + 1
    for split in (0, 1, None):
        check(ht.from_dask(lazy, split), data * 2 + 1)
    back = ht.to_dask(ht.array(data, split=0), chunks=4)
    np.testing.assert_array_equal((back + 1).compute(), data + 1)
