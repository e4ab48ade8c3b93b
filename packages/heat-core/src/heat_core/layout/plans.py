"""Exchange plans: which block of an array goes from which rank to which, as pure functions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from heat_core.layout.layout import Layout, displacements

__all__ = [
    "Block",
    "Plan",
    "intersections",
    "mirror_plan",
    "redistribution_plan",
    "resplit_plan",
]

Block: TypeAlias = tuple[slice, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What one rank sends and receives, in blocks of its local source and target tensors.

    Parameters
    ----------
    sends : tuple of (int, Block)
        Receiver, and the block of the local source tensor that it gets.
    receives : tuple of (int, Block)
        Sender, and the block of the local target tensor that its message fills. A rank's message
        to itself is a local copy.
    """

    sends: tuple[tuple[int, Block], ...]
    receives: tuple[tuple[int, Block], ...]


def intersections(
    start: int, count: int, counts: tuple[int, ...]
) -> Iterable[tuple[int, int, int]]:
    """(rank, start, stop) of the non-empty parts of ``[start, start + count)`` under ``counts``."""
    for rank, (offset, extent) in enumerate(zip(displacements(counts), counts, strict=True)):
        low, high = max(start, offset), min(start + count, offset + extent)
        if low < high:
            yield rank, low, high


def _block(axis: int, start: int, stop: int) -> Block:
    return (*(slice(None) for _ in range(axis)), slice(start, stop))


def redistribution_plan(source: Layout, target: Layout, rank: int) -> Plan:
    """The plan that moves slabs along one axis from the counts of ``source`` to ``target``'s.

    Rank s sends to rank t the intersection of their slabs.
    """
    assert source.split is not None and source.split == target.split
    assert source.counts is not None and target.counts is not None
    axis = source.split
    mine, wanted = source.offset(rank), target.offset(rank)
    return Plan(
        sends=tuple(
            (peer, _block(axis, low - mine, high - mine))
            for peer, low, high in intersections(mine, source.counts[rank], target.counts)
        ),
        receives=tuple(
            (peer, _block(axis, low - wanted, high - wanted))
            for peer, low, high in intersections(wanted, target.counts[rank], source.counts)
        ),
    )


def resplit_plan(source: Layout, target: Layout, rank: int) -> Plan:
    """The plan that moves an array from slabs along one axis to slabs along another.

    The message s → t is the block that lies in the source slab of s and the target slab of t.
    """
    assert source.split is not None and target.split is not None
    assert source.counts is not None and target.counts is not None
    my_rows, my_columns = source.counts[rank], target.counts[rank]
    sends = tuple(
        (peer, _block(target.split, offset, offset + count))
        for peer, (offset, count) in enumerate(zip(target.displs, target.counts, strict=True))
        if count and my_rows
    )
    receives = tuple(
        (peer, _block(source.split, offset, offset + count))
        for peer, (offset, count) in enumerate(zip(source.displs, source.counts, strict=True))
        if count and my_columns
    )
    return Plan(sends, receives)


def mirror_plan(source: Layout, target: Layout, rank: int) -> Plan:
    """The plan that reverses the split axis into the counts of ``target``.

    Element ``i`` goes to position ``extent - 1 - i``. Sends are blocks of the *reversed* local
    tensor, so that every message carries its elements in the final order.
    """
    assert source.split is not None and source.counts is not None and target.counts is not None
    axis, extent = source.split, source.gshape[source.split]
    count = source.counts[rank]
    reversed_start = extent - source.offset(rank) - count
    wanted = target.offset(rank)
    sends = tuple(
        (peer, _block(axis, low - reversed_start, high - reversed_start))
        for peer, low, high in intersections(reversed_start, count, target.counts)
    )
    receives = tuple(
        # Intersections with the mirrored slabs come by mirrored rank.
        (
            len(source.counts) - 1 - mirrored,
            _block(axis, low - wanted, high - wanted),
        )
        for mirrored, low, high in intersections(wanted, target.counts[rank], source.counts[::-1])
    )
    return Plan(sends, receives)
