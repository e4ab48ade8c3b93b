"""Diagonals, grids, insertions, windows and halos, against NumPy in every layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view

import heat_core as ht
from heat_core.layout import Layout

CUBE = np.arange(60).reshape(5, 4, 3)


@pytest.mark.parallel([1, 3])
def test_diagonals_and_triangles(every_layout: Any, check: Any) -> None:
    for data in (CUBE, np.arange(28).reshape(7, 4), np.arange(4)):
        for x in every_layout(data):
            for k in (-9, -2, 0, 1, 5):
                check(ht.tril(x, k), np.tril(data, k))
                check(ht.triu(x, k), np.triu(data, k))
                if data.ndim > 1:
                    check(ht.diagonal(x, k), np.diagonal(data, k))
                    swapped = ht.diagonal(x, k, dim1=-1, dim2=0)
                    check(swapped, np.diagonal(data, k, -1, 0))
                    assert swapped.is_balanced() or x.split == 1
                if data.ndim < 3:
                    check(ht.diag(x, k), np.diag(data, k))
            check(ht.diagflat(x, -1), np.diagflat(data, -1))
    for split in (None, 0, 1):
        check(ht.tri(5, 4, 1, split=split), np.tri(5, 4, 1))
        unsigned = ht.array(np.arange(9, dtype=np.uint16).reshape(3, 3), split=split)
        check(ht.triu(unsigned), np.triu(unsigned.numpy()))
    with pytest.raises(ValueError, match="diagonal"):
        ht.diagonal(ht.zeros(3, split=0))
    with pytest.raises(ValueError, match="twice"):
        ht.diagonal(ht.zeros((3, 3), split=0), dim1=1, dim2=-1)


@pytest.mark.parallel([1, 3])
def test_grids(every_layout: Any, check: Any) -> None:
    first, second, third = np.arange(5), np.arange(3.0), np.arange(2)
    for indexing in ("xy", "ij"):
        expected = np.meshgrid(first, second, third, indexing=indexing)
        for x in every_layout(first):
            for y in every_layout(second):
                grids = ht.meshgrid(x, y, third, indexing=indexing)
                for grid, values in zip(grids, expected, strict=True):
                    check(grid, values)
                    assert grid.layout == grids[0].layout
                if x.split is not None:
                    assert grids[0].split == (1 if indexing == "xy" else 0)
    for x in every_layout(first):
        check(ht.vander(x), np.vander(first))
        check(ht.vander(x, 3, increasing=True), np.vander(first, 3, increasing=True))
    for split in (None, 0, 1):
        result = ht.fromfunction(lambda i, j: 10 * i + j, (5, 3), split=split, dtype=ht.int64)
        check(result, np.fromfunction(lambda i, j: 10 * i + j, (5, 3)))
    for split in (None, 0):
        for endpoint in (True, False):
            check(ht.logspace(0, 3, 7, endpoint, split=split), np.logspace(0, 3, 7, endpoint))
            for ends in ((1, 1000), (-2, -0.5)):
                result = ht.geomspace(*ends, 7, endpoint, split=split)
                check(result, np.geomspace(*ends, 7, endpoint))
    assert ht.geomspace(1, 1000, 4, dtype=ht.float64).numpy()[-1] == 1000
    with pytest.raises(ValueError, match="ratio"):
        ht.geomspace(0, 1)
    with pytest.raises(ValueError, match="indexing"):
        ht.meshgrid(first, indexing="ji")


@pytest.mark.parallel([1, 3])
def test_insert_and_delete(every_layout: Any, check: Any) -> None:
    matrix = np.arange(28).reshape(7, 4)
    for x in every_layout(matrix):
        for where in (0, -1, [1, 5, 1], slice(None, None, 3), [], [6], np.arange(7) % 3 == 0):
            for axis in (0, None):
                if axis is None and isinstance(where, np.ndarray):
                    continue
                check(ht.delete(x, where, axis), np.delete(matrix, where, axis))
                check(ht.insert(x, where, -5, axis), np.insert(matrix, where, -5, axis))
        check(ht.delete(x, [3, 0], 1), np.delete(matrix, [3, 0], 1))
        check(ht.insert(x, [0, 4], [[-1], [-2]], 0), np.insert(matrix, [0, 4], [[-1], [-2]], 0))
        check(ht.insert(x, 7, matrix[:2, :], 0), np.insert(matrix, 7, matrix[:2, :], 0))
        column = np.arange(7)
        check(ht.insert(x, 2, column, 1), np.insert(matrix, 2, column, 1))
        values = ht.array(column, split=0)[:, None]
        check(ht.insert(x, [4, 0], values, 1), np.insert(matrix, [4, 0], column[:, None], 1))
        assert ht.delete(x, 0, 0).is_balanced() or x.split == 1
        for wrong in (8, -8, [0.5]):
            with pytest.raises(IndexError):
                ht.insert(x, wrong, 0, 0)
        with pytest.raises(IndexError):
            ht.delete(x, 7, 0)
        with pytest.raises(ValueError, match="broadcast"):
            ht.insert(x, [1, 2], [1, 2, 3], 0)


@pytest.mark.parallel([1, 3])
def test_windows(every_layout: Any, check: Any) -> None:
    for x in every_layout(CUBE):
        for axis, size, step in ((0, 2, 1), (0, 5, 1), (1, 2, 2), (2, 1, 2), (0, 3, 2)):
            expected = np.moveaxis(sliding_window_view(CUBE, size, axis), axis, 0)[::step]
            check(ht.unfold(x, axis, size, step), np.moveaxis(expected, 0, axis))
        check(ht.sliding_window_view(x, (2, 3, 1)), sliding_window_view(CUBE, (2, 3, 1)))
        check(ht.sliding_window_view(x, (2, 3), (0, 0)), sliding_window_view(CUBE, (2, 3), (0, 0)))
    for size, step in ((0, 1), (6, 1), (2, 0)):
        with pytest.raises(ValueError, match="windows"):
            ht.unfold(ht.zeros(5, split=0), 0, size, step)


@pytest.mark.parallel([1, 3])
def test_halos(every_layout: Any) -> None:
    data = np.arange(22).reshape(11, 2)
    for x in every_layout(data):
        assert x.halo_prev is None
        for halo in (0, 1, 3, 20):
            x.get_halo(halo)
            if not x.is_distributed():
                assert x.halo_prev is None
                assert x.array_with_halos is x.larray
                continue
            rank, axis = x.comm.rank, x.split
            start, count = x.layout.offset(rank), x.lshape[axis]
            low, high = max(0, start - halo), min(start + count + halo, data.shape[axis])
            low, high = (low, high) if count else (start, start)
            expected = data.take(range(low, high), axis)
            np.testing.assert_array_equal(x.array_with_halos.numpy(), expected)
            for part, extent in ((x.halo_prev, start - low), (x.halo_next, high - start - count)):
                assert (0 if part is None else part.shape[axis]) == extent
    x = ht.arange(8, split=0)
    x.get_halo(2, next=False)
    assert x.halo_next is None
    x.larray.add_(1)
    assert x.halo_prev is None
    assert x.array_with_halos is x.larray
    with pytest.raises(TypeError):
        x.get_halo(1.5)
    with pytest.raises(ValueError, match="negative"):
        x.get_halo(-1)


@pytest.mark.parallel([1, 3])
def test_map_blocks(every_layout: Any, check: Any) -> None:
    data = np.arange(11.0)

    def smooth(slab: torch.Tensor) -> torch.Tensor:
        left, right = slab.roll(1), slab.roll(-1)
        left[:1], right[-1:] = slab[:1], slab[-1:]
        return left + slab + right

    padded = np.pad(data, 1, mode="edge")
    expected = padded[:-2] + data + padded[2:]
    for x in every_layout(data):
        check(ht.map_blocks(smooth, x, halo=1), expected)
        assert ht.map_blocks(smooth, x, halo=1).layout == x.layout
    x = ht.arange(8, split=0)
    with pytest.raises(ValueError, match="extent"):
        ht.map_blocks(lambda slab: slab[:-1], x)

    def fails(slab: torch.Tensor) -> torch.Tensor:
        if x.comm.rank == 0:
            raise RuntimeError("no luck")
        return slab

    with pytest.raises(RuntimeError, match="no luck"):
        ht.map_blocks(fails, x)
    check(ht.map_blocks(lambda slab: slab[:, None] * 2, x), 2 * np.arange(8)[:, None])
    assert x.layout == Layout((8,), 0, x.layout.counts)
