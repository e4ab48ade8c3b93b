"""Large results lie where earlier ones lay, and never where something still lies."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import numpy as np
import pytest
import torch

import heat_core as ht
from heat_core import memory

N = memory.LARGE // 4  # elements of float32


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    memory._remembered.clear()
    yield
    memory._remembered.clear()


def new() -> torch.Tensor:
    return memory.empty((N,), torch.float32)


def test_unused_memory_is_used_again() -> None:
    x = new()
    place = x.data_ptr()
    assert new().data_ptr() != place  # while x is there
    del x
    assert place in {new().data_ptr() for _ in range(2)}
    shapes = {torch.bool: (4, N), torch.complex128: (N // 4,), torch.bfloat16: (2, N)}
    for dtype, shape in shapes.items():
        found = memory.empty(shape, dtype)
        assert (found.shape, found.dtype) == (shape, dtype) and found.is_contiguous()
        assert found.data_ptr() % 64 == 0
    small = memory.empty((3,), torch.float32)
    assert small.shape == (3,) and all(piece.nbytes >= memory.LARGE for piece in memory._remembered)


@pytest.mark.parametrize(
    "keep",
    [
        lambda x: x[5:7],
        lambda x: x.numpy(),
        lambda x: np.from_dlpack(x)[::2],
        lambda x: x.view(torch.int32),
        lambda x: x.untyped_storage(),
        lambda x: ht.array(x, copy=False),
    ],
    ids=["view", "numpy", "dlpack", "other type", "storage", "array"],
)
def test_what_refers_to_memory_keeps_it(keep: object) -> None:
    x = new()
    place, kept = x.data_ptr(), keep(x)  # type: ignore[operator]
    del x
    assert place not in [y.data_ptr() for y in [new() for _ in range(3)]]
    del kept
    gc.collect()
    assert place in [y.data_ptr() for y in [new() for _ in range(4)]]


def test_no_more_is_remembered_than_allowed() -> None:
    with ht.config(spare_bytes=3 * memory.LARGE):
        live = [new() for _ in range(5)]
        assert len(memory._remembered) == 3
        assert len({x.data_ptr() for x in live}) == 5
        memory.empty((4 * N,), torch.float32)
        assert len(memory._remembered) == 3
    with ht.config(spare_bytes=0):
        new()
        assert len(memory._remembered) == 3


@pytest.mark.parallel([1, 2])
def test_large_results_are_right_and_apart() -> None:
    n = 2 * N
    a, b = ht.arange(n, dtype=ht.float32, split=0), ht.full(n, 2.0, split=0)
    rows = ht.reshape(a, (n // 4, 4))
    for _ in range(3):  # the later ones in the memory of the former ones
        found = [a + b, a * b, 2.0 - a, -a, a < b, rows - rows[0], ht.where(a < 5, a, b)]
        n_all = np.arange(n, dtype=np.float32)
        wanted = [
            *(n_all + 2, n_all * 2, 2 - n_all, -n_all, n_all < 2),
            *(n_all.reshape(-1, 4) - n_all[:4], np.where(n_all < 5, n_all, 2)),
        ]
        for got, want in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(
                got.larray.numpy(), want[got.layout.slices(got.comm.rank)]
            )
        again = rows.resplit(1).resplit(0)
        assert torch.equal(again.larray, rows.larray) and rows.resplit(None).shape == rows.shape
    assert (rows.T + rows.T).shape == (4, n // 4)
    x = ht.arange(6.0)
    ht.add(x[1:], 0.0, out=x[:-1])  # reads what it writes
    assert x.tolist() == [1, 2, 3, 4, 5, 5]
