"""Distinct elements of arrays.

Each rank finds its own, sends them to the ranks in charge of their range, and learns from there
which number an element has among all: no rank ever sees all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from heat_core.array.axes import normalize_axis
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import to_layout
from heat_core.comm import Communicator
from heat_core.dispatch.order import Array, from_native, integers, native, order_keys
from heat_core.dispatch.samplesort import Partition, partition
from heat_core.dispatch.uniques import Distinct, distinct, distinct_rows, row_keys
from heat_core.layout import Layout
from heat_core.layout.execute import relayout
from heat_core.ops.shape import moveaxis

__all__ = [
    "UniqueAllResult",
    "UniqueCountsResult",
    "UniqueInverseResult",
    "unique",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "unique_values",
]


class UniqueAllResult(NamedTuple):
    """Distinct values, where each comes first, which one each element is, and how often."""

    values: DNDarray
    indices: DNDarray
    inverse_indices: DNDarray
    counts: DNDarray


class UniqueCountsResult(NamedTuple):
    """Distinct values, and how often each comes."""

    values: DNDarray
    counts: DNDarray


class UniqueInverseResult(NamedTuple):
    """Distinct values, and which one each element is."""

    values: DNDarray
    inverse_indices: DNDarray


def unique(
    a: DNDarray,
    sorted: bool = True,
    return_inverse: bool = False,
    axis: int | None = None,
    *,
    return_index: bool = False,
    return_counts: bool = False,
    equal_nan: bool = True,
) -> DNDarray | tuple[DNDarray, ...]:
    """The distinct elements in ascending order, or the distinct parts along an axis. Collective.

    Parameters
    ----------
    a : DNDarray
    sorted : bool
        Has no effect: the result is sorted.
    return_inverse : bool
        Return which one each element is, too: of the shape and layout of ``a``, or one number for
        each position of ``axis``.
    axis : int or None
        None: elements. Else parts, compared element by element, in which NaN are never equal.
    return_index : bool
        Return the position of the first occurrence, too: in the flattened array, or along ``axis``.
    return_counts : bool
        Return how often each one comes, too.
    equal_nan : bool
        Whether all NaN are one element.

    Returns
    -------
    DNDarray or tuple of DNDarray
        Values, index, inverse, counts, in this order. Split at 0 and balanced if ``a`` is split
        (values of ``axis``: along it), else replicated.
    """
    del sorted  # always
    if axis is None:
        found = _elements(a, return_inverse or return_index, equal_nan)
    else:
        found = _parts(a, normalize_axis(axis, a.ndim))
    wanted = ((return_index, found.first), (return_inverse, found.inverse))
    extra = [
        part for flag, part in (*wanted, (return_counts, found.counts)) if flag and part is not None
    ]
    return (found.values, *extra) if extra else found.values


def unique_all(x: DNDarray, /) -> UniqueAllResult:
    """Distinct values with indices, inverse and counts; every NaN is distinct. See ``unique``."""
    found = _elements(x, True, False)
    assert found.first is not None and found.inverse is not None
    return UniqueAllResult(found.values, found.first, found.inverse, found.counts)


def unique_counts(x: DNDarray, /) -> UniqueCountsResult:
    """Distinct values and their counts; every NaN is distinct. See ``unique``."""
    found = _elements(x, False, False)
    return UniqueCountsResult(found.values, found.counts)


def unique_inverse(x: DNDarray, /) -> UniqueInverseResult:
    """Distinct values and the inverse; every NaN is distinct. See ``unique``."""
    found = _elements(x, True, False)
    assert found.inverse is not None
    return UniqueInverseResult(found.values, found.inverse)


def unique_values(x: DNDarray, /) -> DNDarray:
    """Distinct values; every NaN is distinct. See ``unique``."""
    return _elements(x, False, False).values


@dataclass(frozen=True, slots=True)
class _Found:
    """As ``Distinct``, of a global array."""

    values: DNDarray
    first: DNDarray | None
    counts: DNDarray
    inverse: DNDarray | None


def _elements(x: DNDarray, positions: bool, equal_nan: bool) -> _Found:
    own = distinct(native(x.larray).reshape(-1), positions=positions, equal_nan=equal_nan)
    if not x.is_distributed():
        return _local_result(x, own, x.layout)
    run = order_keys(own.values)
    moves = partition(x.comm, run, _lengths(x.comm, len(own.values)), keep_equal=True)
    first = None if own.first is None else _flat_index(x, own.first)
    merged = _merged(own, first, moves, partial(distinct, positions=True, equal_nan=equal_nan))
    return _global_result(x, own, moves, merged, x.layout)


def _parts(x: DNDarray, dim: int) -> _Found:
    """Distinct parts along an axis; ``x`` is split along that axis for it."""
    moved = moveaxis(x, dim, 0)
    if not moved.is_distributed():
        found = _local_result(moved, distinct_rows(native(moved.larray)), Layout(moved.shape[:1]))
    else:
        moved = to_layout(moved, moved.layout.with_split(0, x.comm.size))
        layout = Layout(moved.shape[:1], 0, moved.layout.counts)
        own = distinct_rows(native(moved.larray))
        run = row_keys(own.values.reshape(len(own.values), int(np.prod(moved.shape[1:]))))
        run = run or [np.zeros(len(own.values), dtype=np.int8)]
        moves = partition(x.comm, run, _lengths(x.comm, len(own.values)), keep_equal=True)
        assert own.first is not None
        first = own.first + layout.offset(x.comm.rank)
        merged = _merged(own, first, moves, distinct_rows)
        found = _global_result(moved, own, moves, merged, layout)
    return _Found(moveaxis(found.values, 0, dim), found.first, found.counts, found.inverse)


def _lengths(comm: Communicator, n: int) -> tuple[int, ...]:
    return tuple(comm.allgather(np.array(n, dtype=np.int64)).tolist())


def _flat_index(x: DNDarray, position: Array) -> Array:
    """Position in the flattened global array of a position in the flattened local one.

    The former grows with the latter, so that local first occurrences are candidates.
    """
    assert x.split is not None
    inner = int(np.prod(x.shape[x.split + 1 :], dtype=np.int64))
    block = max(1, x.lshape[x.split] * inner)
    outer, within = np.divmod(position, block)
    index: Array = outer * (x.shape[x.split] * inner) + x.layout.offset(x.comm.rank) * inner
    return index + within


def _local_result(x: DNDarray, own: Distinct, inverse_layout: Layout) -> _Found:
    split = None if x.split is None else 0

    def result(part: Array | None) -> DNDarray | None:
        if part is None:
            return None
        counts = None if split is None else (len(part),)
        return wrap(integers(part, x.larray.device), Layout(part.shape, split, counts), x.comm)

    counts = result(own.counts)
    assert counts is not None
    values = from_native(own.values, x.larray)
    value_counts = None if split is None else (len(values),)
    layout = Layout(tuple(values.shape), split, value_counts)
    return _Found(
        wrap(values, layout, x.comm),
        result(own.first),
        counts,
        None if own.inverse is None else _inverse(x, own.inverse, inverse_layout),
    )


def _inverse(x: DNDarray, inverse: Array, layout: Layout) -> DNDarray:
    return wrap(
        integers(inverse, x.larray.device).reshape(layout.lshape(x.comm.rank)), layout, x.comm
    )


def _merged(
    own: Distinct, first: Array | None, moves: Partition, of: Callable[[Array], Distinct]
) -> Distinct:
    """The distinct elements that this rank is in charge of, of those that all ranks found.

    Counts and first occurrences are global ones; the inverse is that of what arrived.
    """
    values, own_counts = moves.forward(own.values), moves.forward(own.counts)
    firsts = None if first is None else moves.forward(first)
    # In the order of the global array, so that the first of equal elements is its first occurrence.
    order = np.arange(len(values)) if firsts is None else np.argsort(firsts)
    found = of(values[order])
    assert found.inverse is not None and found.first is not None
    inverse = np.empty(len(values), dtype=np.int64)
    inverse[order] = found.inverse
    counts = np.zeros(len(found.values), dtype=np.int64)
    np.add.at(counts, inverse, own_counts)
    places = None if firsts is None else firsts[order][found.first]
    return Distinct(found.values, places, counts, inverse)


def _global_result(
    x: DNDarray, own: Distinct, moves: Partition, merged: Distinct, inverse_layout: Layout
) -> _Found:
    """The merged elements of all ranks, balanced."""
    lengths = _lengths(x.comm, len(merged.values))

    def result(part: torch.Tensor) -> DNDarray:
        parts = Layout((sum(lengths), *part.shape[1:]), 0, lengths)
        target = parts.canonical()
        return wrap(relayout(x.comm, part, parts, target), target, x.comm)

    inverse = None
    if own.inverse is not None and merged.inverse is not None:
        numbers = moves.back(merged.inverse + sum(lengths[: x.comm.rank]))
        inverse = _inverse(x, numbers[own.inverse], inverse_layout)
    return _Found(
        result(from_native(merged.values, x.larray)),
        None if merged.first is None else result(integers(merged.first, x.larray.device)),
        result(integers(merged.counts, x.larray.device)),
        inverse,
    )
