"""Distinct elements on one rank; pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from heat_core.dispatch.order import Array, argsort, is_nan, order_keys, sort_values

__all__ = ["Distinct", "distinct", "distinct_rows"]


@dataclass(frozen=True, slots=True)
class Distinct:
    """The distinct elements of a sequence in ascending order.

    Parameters
    ----------
    values : (n, ...)
    first : (n,), or None
        Position of the first occurrence.
    counts : (n,)
    inverse : (length,), or None
        Which of ``values`` each element is.
    """

    values: Array
    first: Array | None
    counts: Array
    inverse: Array | None


def distinct(values: Array, *, positions: bool, equal_nan: bool) -> Distinct:
    """The distinct elements of (n,) values.

    Parameters
    ----------
    values : (n,)
    positions : bool
        Whether first occurrences and the inverse are wanted, which costs more.
    equal_nan : bool
        Whether all NaN are one element.
    """
    if values.dtype.kind in "iu" and len(values):
        low, high = int(values.min()), int(values.max())
        if high - low <= len(values):
            return _by_counting(values, low, high, positions=positions)
    order = argsort(order_keys(values)) if positions else None
    ordered = sort_values(values) if order is None else values[order]
    starts = _starts(ordered[1:] != ordered[:-1], len(ordered))
    if equal_nan:
        nan = is_nan(ordered)
        starts[1:] &= ~(nan[1:] & nan[:-1])
    return _from_runs(ordered, starts, order)


def _by_counting(values: Array, low: int, high: int, *, positions: bool) -> Distinct:
    """``distinct`` of integers between two that are not far apart, without sorting them."""
    dtype = values.dtype
    if dtype.kind == "u":
        places = (values - dtype.type(low)).astype(np.int64, copy=False)
    else:  # in int64, where the difference of narrow integers fits
        places = values.astype(np.int64, copy=False) - low
    n_each = np.bincount(places, minlength=high - low + 1)
    present = np.flatnonzero(n_each)
    found, counts = present.astype(dtype) + dtype.type(low), n_each[present]
    if not positions:
        return Distinct(found, None, counts, None)
    number = np.empty(len(n_each), dtype=np.int64)
    # Of repeated places the last assignment counts, hence the first occurrence from behind.
    number[places[::-1]] = np.arange(len(values))[::-1]
    first = number[present]
    number[present] = np.arange(len(present))
    return Distinct(found, first, counts, number[places])


def distinct_rows(rows: Array) -> Distinct:
    """The distinct rows of (n, ...) values, ordered by their elements from the first on."""
    flat = rows.reshape(len(rows), int(np.prod(rows.shape[1:])))
    order = argsort(row_keys(flat)) if flat.shape[1] else np.arange(len(rows))
    ordered = flat[order]
    starts = _starts((ordered[1:] != ordered[:-1]).any(axis=1), len(ordered))
    return _from_runs(rows[order], starts, order)


def row_keys(flat: Array) -> list[Array]:
    """Integer keys that order the rows of an (n, columns) array."""
    return [key for column in flat.T for key in order_keys(column)]


def _starts(differs: Array, n: int) -> Array:
    """Whether each element differs from the one before."""
    starts = np.ones(n, dtype=bool)
    starts[1:] = differs
    return starts


def _from_runs(ordered: Array, starts: Array, order: Array | None) -> Distinct:
    places = np.flatnonzero(starts)
    counts = np.diff(places, append=len(ordered))
    if order is None:
        return Distinct(ordered[places], None, counts, None)
    inverse = np.empty(len(ordered), dtype=np.int64)
    inverse[order] = np.cumsum(starts) - 1
    # Runs are sorted stably: their first elements are first occurrences.
    return Distinct(ordered[places], order[places], counts, inverse)
