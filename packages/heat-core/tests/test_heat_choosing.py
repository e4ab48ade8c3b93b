"""Functions that search and choose elements, and what indexing has to get right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import heat_core as ht
from heat_core.indexing.advanced import owners, parse, selection_layout
from heat_core.layout import Layout
from mpi_utils import traffic

RANKS = [1, 2, 3, 4]


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-2, 3, shape)


# -- pure ------------------------------------------------------------------------------------
def test_place_of_the_new_axes() -> None:
    shape = (2, 3, 4, 5)
    for key, place in (
        ((slice(None), [0], [1]), 1),
        (([0], slice(None), [1]), 0),
        ((slice(None), 0, [1]), 1),
        ((slice(None), 0, ..., [1]), 0),
        ((None, slice(None), [1]), 2),
        ((slice(None), np.ones((3, 4), bool)), 1),
        ((slice(None), True), 1),
    ):
        assert parse(key, shape).place == place, key


def test_owners_are_never_empty_ranks() -> None:
    layout = Layout((5,), 0, (0, 2, 0, 3, 0))
    assert owners(layout, torch.arange(5)).tolist() == [1, 1, 3, 3, 3]


def test_layout_of_selections() -> None:
    source = Layout((4, 5, 6), 1, (2, 3))
    # On other axes than the split axis, which stays.
    assert selection_layout(source, (2,), Layout((7, 8)), 2) == Layout((4, 5, 7, 8), 1, (2, 3))
    assert selection_layout(source, (0, 2), Layout((7,)), 0) == Layout((7, 5), 1, (2, 3))
    # On the split axis: like the index.
    index = Layout((7, 8), 1, (8, 0))
    assert selection_layout(source, (1,), index, 1) == Layout((4, 7, 8, 6), 2, (8, 0))


# -- what went wrong elsewhere -----------------------------------------------------------------
@pytest.mark.parallel(RANKS)
def test_order_of_the_key(every_layout: Any, check: Any) -> None:
    """Pitfall 2: elements came grouped by owner, negative positions as garbage."""
    data = np.arange(40).reshape(10, 4)
    mask = data % 3 == 1
    for x in every_layout(data):
        check(x[[7, 1, 8, 0]], data[[7, 1, 8, 0]])
        check(x[[-1, 0]], data[[-1, 0]])
        check(x[[0, 2], [1, 3]], data[[0, 2], [1, 3]])
        check(x[mask], data[mask])
        check(x[x % 3 == 1], data[mask])
        # Integers of eight bits are positions, not a mask.
        check(x[np.array([1, 0, 1], np.uint8)], data[[1, 0, 1]])


@pytest.mark.parallel(RANKS)
def test_assignment_to_slices(every_layout: Any, check: Any) -> None:
    """Pitfall 3: foreign elements were overwritten, unbalanced arrays raised or hung."""
    for given in every_layout(np.arange(10)):
        x, expected = given.copy(), np.arange(10)
        for key, value in (
            (slice(-3, None), 1),
            (slice(None, None, -1), np.arange(10)),
            (slice(8, 1, -3), ht.array([7, 8, 9], split=0)),
            ([3, 3, 0], [4, 5, 6]),  # the last one counts
            (4, ht.array(2)),
        ):
            x[key] = value
            expected[key] = value.numpy() if isinstance(value, ht.DNDarray) else value
            check(x, expected)
        y = x[5:].copy()
        y[0] = 77
        check(y, [77, *expected[6:]])
        x[1:] = x[:-1]
        expected[1:] = expected[:-1].copy()
        check(x, expected)


@pytest.mark.parallel(RANKS)
def test_types_of_values(every_layout: Any, check: Any) -> None:
    for dtype in ("bool", "uint8", "uint16", "uint64", "float16", "complex64"):
        data = np.arange(12).reshape(6, 2).astype(dtype)
        for given in every_layout(data):
            x, expected = given.copy(), data.copy()
            check(x[[5, 0, 5]], expected[[5, 0, 5]])
            check(x[expected != 3], expected[expected != 3])
            x[[4, 1]], expected[[4, 1]] = x[[0, 5]], expected[[0, 5]]
            x[expected == 2] = expected[expected == 2] = True
            x[1:3, 1], expected[1:3, 1] = 1, 1
            check(x, expected)
            if dtype != "complex64":
                for key in (0, [0], expected == 1):
                    with pytest.raises(TypeError):
                        x[key] = 1j
    x = ht.zeros(3, dtype=ht.int8, split=0)
    with pytest.raises(OverflowError):
        x[0] = 300
    x[:] = 1.7
    check(x, np.ones(3, np.int8))


@pytest.mark.parallel(RANKS)
def test_only_one_rank_has_the_wrong_position() -> None:
    comm = ht.get_comm()
    x = ht.arange(5, split=0)
    mine = torch.tensor([9 if comm.rank == comm.size - 1 else 0])
    index = ht.from_local(mine)
    with pytest.raises(IndexError, match="out of bounds"):
        x[index]
    with pytest.raises(IndexError, match="out of bounds"):
        x[index] = 1
    with pytest.raises(ValueError, match="out of bounds"):
        ht.unravel_index(index, (2, 2))


@pytest.mark.parallel([3])
def test_what_all_ranks_know_is_not_sent() -> None:
    x = ht.zeros((12, 2), split=0)
    with traffic(x.comm) as sent:
        x[[3, 11, 0]] = 1
        x[x.numpy()[:, 0] == 1] = 2
        x[2:9:3] = np.arange(2)
        x[:, [1, 0]]
    assert sent.messages("alltoallv") == sent.messages("allreduce") == 0
    with traffic(x.comm) as sent:
        x[[3, 11, 0]]
    assert sent.messages("alltoallv") == 2  # the elements, to two others


# -- functions ---------------------------------------------------------------------------------
@pytest.mark.parallel(RANKS)
def test_where_selects(every_layout: Any, check: Any) -> None:
    """Pitfall 6: NaN of the other branch came through."""
    data = np.arange(6.0).reshape(3, 2)
    other = np.array([np.nan, np.inf])
    for x in every_layout(data):
        check(ht.where(x > 2, x, np.nan), np.where(data > 2, data, np.nan))
        check(ht.where(x >= 0, x, other), data)
        for y in every_layout(other, unbalanced=False):
            check(ht.where(x < 3, x, y), np.where(data < 3, data, other))
        check(ht.where(x < 3, 1, 2), np.where(data < 3, 1, 2))
        check(ht.where(x, x, 7.0), np.where(data, data, 7))
        choices = [x < 1, x < 3], [x, x * 10]
        check(ht.select(*choices, -1.0), np.select([data < 1, data < 3], [data, data * 10], -1.0))
    assert ht.where(True, ht.ones(2, dtype=ht.int8), 3).dtype is ht.int8
    assert ht.where(ht.ones(2, dtype=ht.bool), ht.uint64(5), ht.uint64(6)).dtype is ht.uint64
    with pytest.raises(ValueError, match="both"):
        ht.where(True, 1)


@pytest.mark.parallel(RANKS)
def test_nonzero(every_layout: Any, check: Any) -> None:
    for shape in ((7,), (4, 5), (2, 3, 4), (0, 3)):
        data = numbers(*shape)
        for x in every_layout(data):
            found = ht.nonzero(x)
            assert all(part.is_balanced() and part.dtype is ht.int64 for part in found)
            for part, expected in zip(found, np.nonzero(data), strict=True):
                check(part, expected)
            check(ht.argwhere(x), np.argwhere(data))
            check(x.nonzero(as_tuple=False), np.argwhere(data))
            check(ht.flatnonzero(x), np.flatnonzero(data))
            for axis in (None, 0, -1):
                check(ht.count_nonzero(x, axis), np.count_nonzero(data, axis))
            check(ht.extract(x > 0, x), np.extract(data > 0, data))
            check(ht.extract(data > 0, x), np.extract(data > 0, data))
    with pytest.raises(ValueError, match="without axes"):
        ht.nonzero(ht.array(1))


@pytest.mark.parallel(RANKS)
def test_take(every_layout: Any, check: Any) -> None:
    data = numbers(4, 5, 3)
    wanted = np.array([[2, -1], [0, 2]])
    for x in every_layout(data):
        for index in (wanted, ht.array(wanted, split=1)):
            for axis in (None, 0, 1, -1):
                check(ht.take(x, index, axis), np.take(data, wanted, axis))
        check(x.take(2, axis=1), data.take(2, axis=1))
        check(ht.compress([True, False, True], x, 1), np.compress([1, 0, 1], data, 1))
        check(ht.compress(data[0, :, 0] > 0, x), np.compress(data[0, :, 0] > 0, data))
        for bad in (60, -61):
            with pytest.raises(IndexError):
                ht.take(x, [bad])


@pytest.mark.parallel(RANKS)
def test_along_axis(every_layout: Any, check: Any) -> None:
    data = numbers(4, 5)
    for axis, n in ((0, 4), (1, 5)):
        order = data.argsort(axis, kind="stable")
        line = np.arange(n)[::-1].reshape((n, 1) if axis == 0 else (1, n))
        for x in every_layout(data):
            for index in (order, ht.array(order, split=0), line):
                positions = index.numpy() if isinstance(index, ht.DNDarray) else index
                check(ht.take_along_axis(x, index, axis), np.take_along_axis(data, positions, axis))
                y, expected = x.copy(), data.copy()
                np.put_along_axis(expected, positions, 9, axis)
                ht.put_along_axis(y, index, 9, axis)
                check(y, expected)
            with pytest.raises(IndexError):
                ht.take_along_axis(x, order + n, axis)
            with pytest.raises(ValueError, match="axes"):
                ht.take_along_axis(x, [0], axis)


@pytest.mark.parallel(RANKS)
def test_fill_diagonal(every_layout: Any, check: Any) -> None:
    for shape in ((4, 4), (3, 5), (7, 2), (3, 3, 3)):
        for value, wrap in ((5, False), (5, True), ([1, 2], False)):
            for given in every_layout(np.zeros(shape)):
                x, expected = given.copy(), np.zeros(shape)
                np.fill_diagonal(expected, value, wrap)
                x.fill_diagonal(value, wrap)
                check(x, expected)


@pytest.mark.parallel([1, 3])
def test_positions(check: Any) -> None:
    for split in (None, 0):
        for n, k, m in ((4, 0, None), (3, -1, 5), (5, 2, 2), (3, 9, 3), (3, -9, 3), (0, 0, 2)):
            for name in ("tril_indices", "triu_indices"):
                found = getattr(ht, name)(n, k, m, split=split)
                for part, expected in zip(found, getattr(np, name)(n, k, m), strict=True):
                    check(part, expected)
        check(ht.diag_indices(4, 3, split=split)[2], np.arange(4))
    for split in (None, 0, 1, 2):
        check(ht.indices((3, 4), split=split), np.indices((3, 4)))
    for part, expected in zip(
        ht.indices((3, 4), sparse=True), np.indices((3, 4), sparse=True), strict=True
    ):
        check(part, expected)
    data = np.arange(20).reshape(4, 5)
    grid = [2, 0], [False, True, True, False, True]
    check(ht.array(data, split=1)[ht.ix_(*grid)], data[np.ix_(*grid)])
    flat = np.array([[3, 19], [0, 7]])
    for split in (None, 0, 1):
        parts = ht.unravel_index(ht.array(flat, split=split), (4, 5))
        for part, expected in zip(parts, np.unravel_index(flat, (4, 5)), strict=True):
            check(part, expected)
        check(ht.ravel_multi_index(parts, (4, 5)), flat)
        for mode in ("wrap", "clip"):
            expected = np.ravel_multi_index((flat, flat - 9), (4, 5), mode=mode)
            index = (ht.array(flat, split=split), flat - 9)
            check(ht.ravel_multi_index(index, (4, 5), mode=mode), expected)
        with pytest.raises(ValueError, match="out of bounds"):
            ht.ravel_multi_index(parts, (2, 5))
