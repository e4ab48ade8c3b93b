"""Joining, splitting, reordering, repeating and padding, against NumPy in every layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import heat_core as ht
from heat_core.layout import Layout, Segment, assembly_plan, intervals_plan

CUBE = np.arange(30).reshape(5, 2, 3)
MATRIX = np.arange(28.0).reshape(7, 4)
ARRAYS = (CUBE, MATRIX, np.arange(11), np.zeros((0, 3)))


def _counts(extent: int, size: int) -> st.SearchStrategy[tuple[int, ...]]:
    cuts = st.lists(st.integers(0, extent), min_size=size - 1, max_size=size - 1).map(sorted)
    return cuts.map(lambda c: tuple(b - a for a, b in zip([0, *c], [*c, extent], strict=True)))


# -- plans -----------------------------------------------------------------------------------
@given(data=st.data(), size=st.integers(1, 4), axis=st.integers(0, 1))
def test_assembly_plans_put_every_element_in_its_place(data: Any, size: int, axis: int) -> None:
    extents = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    shapes = [(n, 4) if axis == 0 else (4, n) for n in extents]
    arrays = [np.arange(np.prod(s)).reshape(s) + 100 * k for k, s in enumerate(shapes)]

    def layout(shape: tuple[int, ...]) -> Layout:
        split = data.draw(st.sampled_from((None, 0, 1)))
        counts = None if split is None else data.draw(_counts(shape[split], size))
        return Layout(shape, split, counts)

    sources = [layout(shape) for shape in shapes]
    segments = []
    for number in data.draw(st.lists(st.integers(0, len(extents) - 1), min_size=1, max_size=4)):
        step, extent = data.draw(st.sampled_from((1, -1, 0))), extents[number]
        start = data.draw(st.integers(0, extent - 1))
        room = {1: extent - start, -1: start + 1, 0: 3}[step]
        segments.append(Segment(number, start, data.draw(st.integers(0, room)), step))
        segments.append(Segment(None, 0, data.draw(st.integers(0, 2)), fill=-7))
    pieces = []
    for s in segments:
        index = s.start + s.step * np.arange(s.extent)
        shape = (s.extent, 4) if axis == 0 else (4, s.extent)
        taken = None if s.source is None else arrays[s.source].take(index, axis)
        pieces.append(np.full(shape, -7) if taken is None else taken)
    expected = np.concatenate(pieces, axis)
    target = layout(expected.shape)

    plans = [assembly_plan(sources, target, axis, segments, rank) for rank in range(size)]
    mail: dict[tuple[int, int], list[Any]] = {}
    for rank, plan in enumerate(plans):
        for part in plan.sends:
            local = arrays[part.source][sources[part.source].slices(rank)]
            block = local[part.block]
            if part.step != 1:
                block = np.flip(block, axis) if part.step else block.repeat(part.extent, axis)
            mail.setdefault((rank, part.peer), []).append(block)
    for rank, plan in enumerate(plans):
        out = np.full(target.lshape(rank), -1)
        for block, fill in plan.fills:
            out[block] = fill
        for peer, block in plan.receives:
            out[block] = mail[peer, rank].pop(0)
        np.testing.assert_array_equal(out, expected[target.slices(rank)])
    assert not any(mail.values())


@given(data=st.data(), size=st.integers(1, 4), extent=st.integers(0, 9))
def test_interval_plans_bring_overlapping_parts(data: Any, size: int, extent: int) -> None:
    source = Layout((extent,), 0, data.draw(_counts(extent, size)))
    bound = st.integers(0, extent)
    wanted = [tuple(sorted((data.draw(bound), data.draw(bound)))) for _ in range(size)]
    plans = [intervals_plan(source, wanted, rank) for rank in range(size)]
    for rank, (start, stop) in enumerate(wanted):
        out = np.full(stop - start, -1)
        for peer, block in plans[rank].receives:
            (sent,) = (b for to, b in plans[peer].sends if to == rank)
            out[block] = np.arange(extent)[source.slices(peer)][sent]
        np.testing.assert_array_equal(out, np.arange(start, stop))


# -- order -----------------------------------------------------------------------------------
@pytest.mark.parallel([1, 3])
def test_flips_rolls_and_rotations(every_layout: Any, check: Any) -> None:
    for data in ARRAYS:
        for x in every_layout(data):
            for axis in (None, 0, -1, tuple(range(data.ndim))):
                check(ht.flip(x, axis), np.flip(data, axis))
            for shift in (1, -9):
                for axis in (None, 0, -1):
                    check(ht.roll(x, shift, axis), np.roll(data, shift, axis))
            assert ht.roll(x, 1, 0).layout == x.layout
            if data.ndim > 1:
                check(ht.fliplr(x), np.fliplr(data))
                check(ht.flipud(x), np.flipud(data))
                check(ht.roll(x, (1, 2, 3), (0, 1, 0)), np.roll(data, (1, 2, 3), (0, 1, 0)))
                check(ht.roll(x, 3, (0, 1)), np.roll(data, 3, (0, 1)))
                for k in (-1, 1, 2):
                    check(ht.rot90(x, k), np.rot90(data, k))
                check(ht.rot90(x, 3, (1, 0)), np.rot90(data, 3, (1, 0)))
    with pytest.raises(ValueError, match="different"):
        ht.rot90(ht.zeros((2, 2)), axes=(0, -2))


@pytest.mark.parallel([2, 3])
def test_roll_sends_two_messages_at_most() -> None:
    from mpi_utils import traffic

    x = ht.zeros((3000, 5), split=0)
    with traffic(ht.get_comm()) as counted:
        ht.roll(x, 1, 0)
    assert counted.bytes("exchange") <= 5 * 4 * 2 or counted.bytes() <= 5 * 4 * 2


# -- copies ----------------------------------------------------------------------------------
@pytest.mark.parallel([1, 3])
def test_tile_and_repeat(every_layout: Any, check: Any) -> None:
    for data in ARRAYS:
        each = np.arange(data.shape[0]) * 5 % 4
        last = np.arange(data.shape[-1]) // 2
        for x in every_layout(data):
            for reps in (2, (7, 1), (0, 2), (2, 1, 1, 2)):
                check(ht.tile(x, reps), np.tile(data, reps))
            for times in (0, 3):
                for axis in (None, 0, -1):
                    check(ht.repeat(x, times, axis), np.repeat(data, times, axis))
            check(ht.repeat(x, each, 0), np.repeat(data, each, 0))
            check(ht.repeat(x, ht.array(each, split=0), 0), np.repeat(data, each, 0))
            check(ht.repeat(x, last.tolist(), -1), np.repeat(data, last, -1))
            check(ht.repeat(x, [2], 0), np.repeat(data, [2], 0))
    x = ht.arange(4, split=0)
    for wrong in (-1, [1, 2, -1, 0], [1, 2]):
        with pytest.raises(ValueError, match="repe"):
            ht.repeat(x, wrong)
    with pytest.raises(TypeError):
        ht.repeat(x, [0.5, 1.0, 1.0, 1.0])


@pytest.mark.parallel([1, 3])
def test_pad(every_layout: Any, check: Any) -> None:
    for data in (MATRIX[:5], np.arange(1, 4)):
        widths = (2, ((0, 9), *((4, 0),) * (data.ndim - 1)))
        for x in every_layout(data):
            for width in widths:
                for mode in ("edge", "reflect", "symmetric", "wrap"):
                    check(ht.pad(x, width, mode), np.pad(data, width, mode))
                for values in (5, ((1, 2),)):
                    expected = np.pad(data, width, constant_values=values)
                    check(ht.pad(x, width, constant_values=values), expected)
    check(ht.pad(ht.zeros((0, 2), split=0), 1), np.pad(np.zeros((0, 2)), 1))
    for width, mode, match in ((1, "mean", "mode"), (-1, "edge", "negative")):
        with pytest.raises(ValueError, match=match):
            ht.pad(ht.zeros(3, split=0), width, mode)
    with pytest.raises(ValueError, match="empty"):
        ht.pad(ht.zeros((0, 2), split=0), 1, "wrap")


# -- joining ---------------------------------------------------------------------------------
@pytest.mark.parallel([1, 3])
def test_concatenate_of_every_pair_of_layouts(every_layout: Any, check: Any) -> None:
    first, second = MATRIX[:5], np.arange(12).reshape(3, 4)
    for x in every_layout(first):
        for y in every_layout(second):
            joined = ht.concatenate([x, y])
            check(joined, np.concatenate([first, second]))
            leader = x.split if x.split is not None else y.split
            assert joined.split == leader
            assert joined.split != 0 or joined.is_balanced()
            check(
                ht.concat([x.T, y.T, x.T], axis=-1),
                np.concatenate([first.T, second.T, first.T], -1),
            )
        check(ht.concatenate([x, second], axis=None), np.concatenate([first, second], axis=None))
        check(ht.append(x, 7.0), np.append(first, 7))
        check(ht.append(x, first, 1), np.append(first, first, 1))
    with pytest.raises(ValueError, match="at least one"):
        ht.concatenate([])
    for shapes in (((2, 3), (2, 4)), ((2,), (2, 1)), ((), ())):
        with pytest.raises(ValueError, match="cannot join"):
            ht.concatenate([ht.zeros(shape) for shape in shapes])


@pytest.mark.parallel([1, 3])
def test_stacks(every_layout: Any, check: Any) -> None:
    for data in (MATRIX, np.arange(5), CUBE, np.arange(1)):
        for x in every_layout(data):
            for axis in (0, -1, data.ndim - 1):
                check(ht.stack([x, x, data], axis), np.stack([data] * 3, axis))
            for name in ("hstack", "vstack", "dstack", "column_stack"):
                check(getattr(ht, name)([x, data]), getattr(np, name)([data, data]))
            rows = [[x, x], [x, x]]
            check(ht.block(rows), np.block([[data, data], [data, data]]))
    assert ht.row_stack is ht.vstack
    with pytest.raises(ValueError, match="one shape"):
        ht.stack([ht.zeros(2), ht.zeros(3)])
    with pytest.raises(ValueError, match="equally deep"):
        ht.block([[ht.zeros(2)], ht.zeros(2)])


@pytest.mark.parallel([1, 3])
def test_splits(every_layout: Any, check: Any) -> None:
    def check_all(results: Any, expected: Any) -> None:
        assert len(results) == len(expected)
        for result, part in zip(results, expected, strict=True):
            check(result, part)

    for data in (np.arange(48).reshape(4, 4, 3), np.arange(12)):
        for x in every_layout(data):
            for sections in (1, 3, 5, (2, 3), (1, 20)):
                check_all(ht.array_split(x, sections), np.array_split(data, sections))
            check_all(ht.split(x, 2), np.split(data, 2))
            check_all(ht.hsplit(x, 2), np.hsplit(data, 2))
            for axis in range(data.ndim):
                check_all(ht.unstack(x, axis), list(np.moveaxis(data, axis, 0)))
            if data.ndim == 3:
                check_all(ht.vsplit(x, 4), np.vsplit(data, 4))
                check_all(ht.dsplit(x, (1,)), np.dsplit(data, (1,)))
    with pytest.raises(ValueError, match="equal parts"):
        ht.split(ht.zeros(5, split=0), 2)
    with pytest.raises(ValueError, match="axes"):
        ht.vsplit(ht.zeros(4, split=0), 2)


@pytest.mark.parallel([1, 2, 3])
@pytest.mark.parametrize("dtype", ["uint16", "uint32", "uint64"])
def test_wide_unsigned_types_are_moved(dtype: str, every_layout: Any, check: Any) -> None:
    a = np.arange(12, dtype=dtype).reshape(4, 3)
    for x in every_layout(a):
        check(ht.flip(x), a[::-1, ::-1])
        check(ht.repeat(x, 2, axis=0), np.repeat(a, 2, axis=0))
        check(ht.repeat(x, ht.array([2, 0, 1]), axis=1), np.repeat(a, [2, 0, 1], axis=1))
