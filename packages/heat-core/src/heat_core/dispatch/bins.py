"""Counts of numbers in bins of one width; pure."""

from __future__ import annotations

import numpy as np

from heat_core.dispatch.order import Array

__all__ = ["count_in_bins"]

_BLOCK = 1 << 16  # elements, so that what is between two steps stays in the cache


def count_in_bins(values: Array, edges: Array) -> Array:
    """``numpy.histogram(values, edges)[0]`` for equally distant edges.

    The bin is computed from the distance to the lowest edge; only the few elements that rounding
    might bring to the wrong side of an edge are compared with the edges.
    """
    n, low, high = len(edges) - 1, float(edges[0]), float(edges[-1])
    kind = values.dtype if values.dtype in (np.float32, np.float64) else np.dtype(np.float64)
    scale, eps = n / (high - low), float(np.finfo(kind).eps)
    doubt = 8 * eps * (n + max(abs(low), abs(high)) * scale)
    if values.dtype != kind or len(values) < _BLOCK or not doubt < 0.1:
        counts: Array = np.histogram(values, edges)[0]
        return counts
    counts = np.zeros(n + 2, dtype=np.int64)  # one below and one above all bins
    position, rest = np.empty((2, _BLOCK), dtype=kind)
    for start in range(0, len(values), _BLOCK):
        block = values[start : start + _BLOCK]
        f, r = position[: len(block)], rest[: len(block)]
        np.subtract(block, kind.type(low), out=f)
        f *= kind.type(scale)
        f += kind.type(1)
        np.clip(f, 0.5, n + 1.5, out=f)
        np.rint(f, out=r)
        r -= f
        np.abs(r, out=r)
        doubtful = np.flatnonzero(~(r > doubt))  # NaN is
        f[doubtful] = 0.5
        counts += np.bincount(f.astype(np.int64), minlength=n + 2)
        counts[1:-1] += np.histogram(block[doubtful], edges)[0]
    return counts[1:-1]
