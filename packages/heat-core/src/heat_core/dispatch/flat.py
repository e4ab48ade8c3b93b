"""Arrays as one row-major sequence, and sequences with more elements at an end."""

from __future__ import annotations

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import to_layout
from heat_core.layout import Layout

__all__ = ["flattened", "lengthened"]


def flattened(x: DNDarray) -> DNDarray:
    """The elements in row-major order, (size,); may share memory. Collective unless split at 0."""
    if x.ndim == 1:
        return x
    if x.split not in (None, 0):
        x = to_layout(x, x.layout.with_split(0, x.comm.size))
    if x.split is None:
        return wrap(x.larray.reshape(-1), Layout((x.size,)), x.comm)
    assert x.layout.counts is not None
    inner = 1
    for extent in x.shape[1:]:
        inner *= extent
    counts = tuple(n * inner for n in x.layout.counts)
    return wrap(x.larray.reshape(-1), Layout((x.size,), 0, counts), x.comm)


def lengthened(layout: Layout, axis: int, extra: int, rank: int) -> Layout:
    """The layout with ``extra`` more positions along ``axis``, on ``rank`` if it is the split."""
    shape = list(layout.gshape)
    shape[axis] += extra
    counts = layout.counts
    if counts is not None and layout.split == axis:
        counts = tuple(n + extra * (r == rank % len(counts)) for r, n in enumerate(counts))
    return Layout(tuple(shape), layout.split, counts)
