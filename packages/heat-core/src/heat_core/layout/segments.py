"""An axis put together from pieces of other arrays: which block goes from which rank to which.

Concatenation, roll, flip, tile and pad are lists of `Segment`. Overlapping parts of one
array (halos, sliding windows) are lists of intervals, one for each rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from heat_core.layout.layout import Layout
from heat_core.layout.plans import Block, Plan, intersections

__all__ = ["Assembly", "Part", "Segment", "assembly_plan", "intervals_plan"]

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Segment:
    """``extent`` consecutive positions of the result along the axis.

    Member ``j`` of the segment is position ``start + step * j`` of the source.

    Parameters
    ----------
    source : int or None
        Which source; None: all members are ``fill``.
    start, extent : int
    step : {1, -1, 0}
        In order, reversed, or one position repeated.
    fill : scalar
    """

    source: int | None
    start: int
    extent: int
    step: int = 1
    fill: complex = 0

    def within(self, offset: int, count: int) -> Range:
        """The members ``[low, high)`` that the slab ``[offset, offset + count)`` holds."""
        first = offset - self.start
        if self.step == 1:
            low, high = first, first + count
        elif self.step == -1:
            low, high = 1 - first - count, 1 - first
        else:
            low, high = (0, self.extent) if first <= 0 < first + count else (0, 0)
        return max(low, 0), min(high, self.extent)

    def positions(self, low: int, high: int) -> Range:
        """The source positions ``[start, stop)`` of the members ``[low, high)``."""
        if self.step == 1:
            return self.start + low, self.start + high
        if self.step == -1:
            return self.start - high + 1, self.start - low + 1
        return self.start, self.start + 1


@dataclass(frozen=True, slots=True)
class Part:
    """What one rank gives to another.

    Parameters
    ----------
    peer : int
        The receiver.
    source : int
        Which source.
    block : Block
        Block of the local tensor of this source.
    step, extent : int
        Of the segment's part: -1 reverses the block along the axis, 0 repeats it ``extent`` times.
    """

    peer: int
    source: int
    block: Block
    step: int
    extent: int


@dataclass(frozen=True, slots=True)
class Assembly:
    """What one rank does for a result put together from segments.

    Parameters
    ----------
    sends : tuple of Part
    receives : tuple of (int, Block)
        Sender, and the block of the local result. Messages between the same two ranks come in the
        same order as there.
    fills : tuple of (Block, scalar)
    """

    sends: tuple[Part, ...]
    receives: tuple[tuple[int, Block], ...]
    fills: tuple[tuple[Block, complex], ...]


def _clip(range_: Range, offset: int, count: int) -> Range:
    return max(range_[0], offset), min(range_[1], offset + count)


def _box(
    segment: Segment,
    place: int,
    axis: int,
    source: tuple[Layout | None, int],
    target: tuple[Layout, int],
) -> list[Range] | None:
    """The box of the result, in global positions, that one rank has and another one wants.

    ``source`` and ``target`` are pairs of layout and rank; ``place`` is where the segment begins.
    """
    (given, sender), (wanted, receiver) = source, target
    box = [(0, extent) for extent in wanted.gshape]
    box[axis] = (place, place + segment.extent)
    if wanted.split is not None and wanted.counts is not None:
        slab = wanted.offset(receiver), wanted.counts[receiver]
        box[wanted.split] = _clip(box[wanted.split], *slab)
    if given is not None and given.split is not None and given.counts is not None:
        offset, count = given.offset(sender), given.counts[sender]
        if given.split == axis:
            low, high = segment.within(offset, count)
            offset, count = place + low, high - low
        box[given.split] = _clip(box[given.split], offset, count)
    return box if all(low < high for low, high in box) else None


def _local_block(box: Sequence[Range], layout: Layout, rank: int) -> Block:
    offset = layout.offset(rank)
    return tuple(
        slice(low - offset, high - offset) if axis == layout.split else slice(low, high)
        for axis, (low, high) in enumerate(box)
    )


def assembly_plan(
    sources: Sequence[Layout], target: Layout, axis: int, segments: Sequence[Segment], rank: int
) -> Assembly:
    """The plan that puts the result together, each block in one message to its place.

    Parameters
    ----------
    sources : sequence of Layout
        With equal extents along all axes but ``axis``; any split.
    target : Layout
        Of the result; any split.
    axis : int
        The axis along which the segments follow each other.
    segments : sequence of Segment
    rank : int
        Whose part of the plan.
    """
    sends: list[Part] = []
    receives: list[tuple[int, Block]] = []
    fills: list[tuple[Block, complex]] = []
    place = 0
    for segment in segments:
        source = None if segment.source is None else sources[segment.source]
        # What everybody has, everybody takes from itself.
        counts = None if source is None else source.counts
        senders = (rank,) if counts is None else range(len(counts))
        for peer in senders:
            box = _box(segment, place, axis, (source, peer), (target, rank))
            if box is not None and source is None:
                fills.append((_local_block(box, target, rank), segment.fill))
            elif box is not None:
                receives.append((peer, _local_block(box, target, rank)))
        for peer in senders if source is not None else ():
            box = _box(segment, place, axis, (source, rank), (target, peer))
            if box is not None and source is not None and segment.source is not None:
                low, high = box[axis][0] - place, box[axis][1] - place
                box[axis] = segment.positions(low, high)
                block = _local_block(box, source, rank)
                sends.append(Part(peer, segment.source, block, segment.step, high - low))
        place += segment.extent
    return Assembly(tuple(sends), tuple(receives), tuple(fills))


def intervals_plan(source: Layout, wanted: Sequence[Range], rank: int) -> Plan:
    """The plan that brings every rank ``r`` the positions ``wanted[r]`` of the split axis.

    Parameters
    ----------
    source : Layout
        Distributed.
    wanted : sequence of (start, stop)
        One for each rank; they may overlap, and leave positions out.
    rank : int
        Whose part of the plan.
    """
    assert source.split is not None and source.counts is not None
    before = (slice(None),) * source.split
    mine, (start, stop) = source.offset(rank), wanted[rank]
    sends = []
    for peer, interval in enumerate(wanted):
        low, high = _clip(interval, mine, source.counts[rank])
        if low < high:
            sends.append((peer, (*before, slice(low - mine, high - mine))))
    receives = tuple(
        (peer, (*before, slice(low - start, high - start)))
        for peer, low, high in intersections(start, stop - start, source.counts)
    )
    return Plan(tuple(sends), receives)
