"""Layouts and plans, exhaustively for small sizes, without MPI."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest

from heat_core.layout import (
    Layout,
    Plan,
    canonical_counts,
    canonical_layout,
    mirror_plan,
    redistribution_plan,
    resplit_plan,
)


def compositions(extent: int, parts: int) -> Iterator[tuple[int, ...]]:
    if parts == 1:
        yield (extent,)
        return
    for first in range(extent + 1):
        for rest in compositions(extent - first, parts - 1):
            yield (first, *rest)


def carry_out(
    plans: list[Plan], sources: list[np.ndarray], targets: list[np.ndarray]
) -> list[np.ndarray]:
    """What ``execute`` does, with all ranks in one process."""
    messages = {
        (sender, receiver): sources[sender][block]
        for sender, plan in enumerate(plans)
        for receiver, block in plan.sends
    }
    for receiver, plan in enumerate(plans):
        for sender, block in plan.receives:
            targets[receiver][block] = messages.pop((sender, receiver))
    assert not messages
    return targets


@pytest.mark.parametrize("size", range(1, 6))
@pytest.mark.parametrize("extent", range(10))
def test_canonical_counts_are_balanced(extent: int, size: int) -> None:
    counts = canonical_counts(extent, size)
    assert sum(counts) == extent
    assert max(counts) - min(counts) <= 1
    assert list(counts) == sorted(counts, reverse=True)


@pytest.mark.parametrize("size", range(1, 5))
def test_owner_agrees_with_offsets(size: int) -> None:
    for extent in range(7):
        for counts in compositions(extent, size):
            layout = Layout((extent,), 0, counts)
            for index in range(extent):
                owner = layout.owner(index)
                assert layout.offset(owner) <= index < layout.offset(owner) + counts[owner]


@pytest.mark.parametrize(("size", "largest"), [(1, 9), (2, 9), (3, 6), (4, 4), (5, 3)])
def test_redistribution_moves_every_element_home(size: int, largest: int) -> None:
    for extent in range(largest + 1):
        data = np.arange(extent)
        for before, after in product(compositions(extent, size), repeat=2):
            source, target = Layout((extent,), 0, before), Layout((extent,), 0, after)
            plans = [redistribution_plan(source, target, rank) for rank in range(size)]
            results = carry_out(
                plans,
                [data[source.slices(rank)] for rank in range(size)],
                [np.full(count, -1) for count in after],
            )
            np.testing.assert_array_equal(np.concatenate(results), data)


@pytest.mark.parametrize("size", range(1, 6))
def test_resplit_moves_every_element_home(size: int) -> None:
    for rows, columns in product(range(10), repeat=2):
        data = np.arange(rows * columns).reshape(rows, columns)
        source = canonical_layout(data.shape, 0, size)
        target = canonical_layout(data.shape, 1, size)
        for a, b in ((source, target), (target, source)):
            plans = [resplit_plan(a, b, rank) for rank in range(size)]
            results = carry_out(
                plans,
                [data[a.slices(rank)] for rank in range(size)],
                [np.full(b.lshape(rank), -1) for rank in range(size)],
            )
            for rank, result in enumerate(results):
                np.testing.assert_array_equal(result, data[b.slices(rank)])


@pytest.mark.parametrize(("size", "largest"), [(1, 9), (2, 9), (3, 6), (4, 4)])
def test_mirroring_reverses(size: int, largest: int) -> None:
    for extent in range(largest + 1):
        data = np.arange(extent)
        for before, after in product(compositions(extent, size), repeat=2):
            source, target = Layout((extent,), 0, before), Layout((extent,), 0, after)
            plans = [mirror_plan(source, target, rank) for rank in range(size)]
            results = carry_out(
                plans,
                [data[source.slices(rank)][::-1] for rank in range(size)],
                [np.full(count, -1) for count in after],
            )
            np.testing.assert_array_equal(np.concatenate(results), data[::-1])


@pytest.mark.parametrize("size", range(1, 4))
def test_slices_of_the_split_axis_stay_where_they_are(size: int) -> None:
    for extent in range(7):
        for counts, start, stop, step in product(
            compositions(extent, size), range(extent + 1), range(extent + 1), range(1, 4)
        ):
            layout = Layout((extent,), 0, counts)
            expected = [
                len([i for i in range(start, stop, step) if layout.owner(i) == rank])
                for rank in range(size)
            ]
            assert layout.slice(start, max(start, stop), step).counts == tuple(expected)


def test_derived_layouts() -> None:
    layout = Layout((4, 5, 6), 1, (2, 3))
    assert layout.transpose((2, 0, 1)) == Layout((6, 4, 5), 2, (2, 3))
    assert layout.expand(1) == Layout((4, 1, 5, 6), 2, (2, 3))
    assert layout.expand(2) == Layout((4, 5, 1, 6), 1, (2, 3))
    assert layout.reduce(frozenset((0,)), keepdims=False) == Layout((5, 6), 0, (2, 3))
    assert layout.reduce(frozenset((0,)), keepdims=True) == Layout((1, 5, 6), 1, (2, 3))
    assert layout.reduce(frozenset((1,)), keepdims=False) == Layout((4, 6))
    assert layout.broadcast((7, 4, 5, 6)) == Layout((7, 4, 5, 6), 2, (2, 3))
    assert Layout((1,), 0, (1, 0)).broadcast((3,)) is None
    assert layout.is_balanced is False
    assert layout.canonical().counts == (3, 2)


@pytest.mark.parametrize(
    ("shape", "split", "counts"),
    [((4,), 0, (1, 2)), ((4,), 1, (4,)), ((4,), None, (4,)), ((4,), 0, None), ((4,), 0, (5, -1))],
)
def test_impossible_layouts_are_refused(
    shape: tuple[int, ...], split: int | None, counts: tuple[int, ...] | None
) -> None:
    with pytest.raises(ValueError, match=r"counts|split"):
        Layout(shape, split, counts)
