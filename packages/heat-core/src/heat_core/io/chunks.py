"""Chunks of stored arrays that no two ranks write: arithmetic without files and messages."""

from __future__ import annotations

import math
from itertools import pairwise

from heat_core.layout import Layout, canonical_counts

__all__ = ["aligned_layout", "chunk_shape"]

_CHUNK_BYTES = 8 << 20


def chunk_shape(layout: Layout, itemsize: int, limit: int = _CHUNK_BYTES) -> tuple[int, ...]:
    """Chunks of at most ``limit`` bytes whose borders are those of the slabs, where that can be.

    Parameters
    ----------
    layout : Layout
    itemsize : int
        Bytes of an element.
    limit : int
    """
    if layout.split is None or layout.counts is None:
        return _shrunk([max(1, n) for n in layout.gshape], itemsize, limit)
    rest = [max(1, n) for n in layout.gshape]
    rest[layout.split] = 1
    inner = _shrunk(rest, itemsize, limit)
    most = max(1, min(max(layout.counts), limit // (itemsize * math.prod(inner))))
    extent = layout.gshape[layout.split]
    borders = [start for start in layout.displs if 0 < start < extent]
    common = math.gcd(*borders)
    # A divisor that is much smaller would make too many chunks: the slabs are moved instead.
    fitting = [n for n in range(most, most // 2, -1) if common % n == 0]
    return (*inner[: layout.split], fitting[0] if fitting else most, *inner[layout.split + 1 :])


def _shrunk(shape: list[int], itemsize: int, limit: int) -> tuple[int, ...]:
    """The shape with its first axes cut until it has at most ``limit`` bytes."""
    for axis, extent in enumerate(shape):
        beyond = itemsize * math.prod(shape[axis + 1 :])
        shape[axis] = max(1, min(extent, limit // beyond))
    return tuple(shape)


def aligned_layout(layout: Layout, chunk: int) -> Layout:
    """The layout whose slabs begin where chunks do; ``layout`` itself if it is one.

    Parameters
    ----------
    layout : Layout
    chunk : int
        Extent of a chunk along the split axis.
    """
    if layout.split is None or layout.counts is None:
        return layout
    extent = layout.gshape[layout.split]
    if all(start % chunk == 0 or start == extent for start in layout.displs):
        return layout
    n_chunks = canonical_counts(-(-extent // chunk), len(layout.counts))
    ends = [0]
    for number in n_chunks:
        ends.append(min(extent, ends[-1] + number * chunk))
    counts = tuple(stop - start for start, stop in pairwise(ends))
    return Layout(layout.gshape, layout.split, counts)
