"""Sorting, and positions in sorted order.

Across ranks, an array with another long axis is split along that axis and sorted locally; other
arrays are sorted by samples (see ``dispatch.samplesort``), which balances any distribution of
values. Either way the data are exchanged twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from heat_core.array.axes import normalize_axis
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import to_layout
from heat_core.dispatch.flat import flattened
from heat_core.dispatch.operands import local_operand
from heat_core.dispatch.order import (
    Array,
    from_native,
    integers,
    native,
    order_keys,
    sort_values,
)
from heat_core.dispatch.order import (
    argsort as local_argsort,
)
from heat_core.dispatch.reduce import store
from heat_core.dispatch.samplesort import sample_argsort, sample_sort
from heat_core.layout import Layout, canonical_layout
from heat_core.layout.execute import mirror, relayout

__all__ = ["argpartition", "argsort", "lexsort", "partition", "sort", "topk"]

_SIGNED = {torch.uint16: torch.int16, torch.uint32: torch.int32, torch.uint64: torch.int64}


def sort(
    a: DNDarray,
    axis: int | None = -1,
    *,
    descending: bool = False,
    stable: bool = True,
    out: DNDarray | None = None,
    return_sort_indices: bool = False,
) -> DNDarray | tuple[DNDarray, DNDarray]:
    """The elements in sorted order along an axis. Collective if ``axis`` is the split axis.

    Parameters
    ----------
    a : DNDarray
        Complex numbers are ordered by real, then by imaginary part.
    axis : int or None
        None: of the flattened array.
    descending : bool
        In the reverse of the ascending order, in which NaN comes last.
    stable : bool
        Has no effect on values.
    out : DNDarray, optional
        Takes the values under its own layout.
    return_sort_indices : bool
        Return the indices of ``argsort``, too.

    Returns
    -------
    DNDarray or (DNDarray, DNDarray)
        With the slabs of ``a``; balanced if ``axis`` is the split axis.
    """
    x, dim = _along(a, axis)
    result = store(_sorted(x, dim, descending), out)
    if not return_sort_indices:
        return result
    return result, argsort(x, dim, descending=descending, stable=stable)


def argsort(
    a: DNDarray, axis: int | None = -1, *, descending: bool = False, stable: bool = True
) -> DNDarray:
    """Indices that sort along an axis, int64; parameters and layout as for ``sort``.

    Equal elements stay in order, also if ``descending``, whatever ``stable`` says.
    """
    del stable  # always
    x, dim = _along(a, axis)
    return _ordered(x, dim, lambda local: order_keys(native(local), descending=descending))


def lexsort(keys: Sequence[DNDarray] | DNDarray, axis: int = -1) -> DNDarray:
    """Stable order by several keys, the last of which is primary; int64. Collective.

    Parameters
    ----------
    keys : sequence of DNDarray of one shape
        The first one decides about the layout of the result, as in ``argsort``.
    axis : int
    """
    arrays = [keys[i] for i in range(len(keys))]
    if not arrays:
        raise TypeError("lexsort needs at least one key")
    if any(key.shape != arrays[0].shape for key in arrays):
        raise ValueError("the keys of lexsort have one shape")
    x, dim = _along(arrays[0], axis)
    aligned = [local_operand(key, x.layout) for key in arrays]
    if _is_crossed(x, dim) and x.ndim > 1:
        raise ValueError("lexsort along the split axis takes one-dimensional keys: resplit them")
    columns = [column for key in reversed(aligned) for column in order_keys(_last(key, dim))]
    return _from_keys(x, dim, columns)


def partition(a: DNDarray, kth: int | Sequence[int], axis: int | None = -1) -> DNDarray:
    """The elements with those at ``kth`` where sorting puts them. Collective as ``sort``.

    Smaller ones come before, larger ones behind. Along the split axis the result is sorted.
    """
    x, dim = _along(a, axis)
    places = _checked_places(kth, x, dim)
    if _is_crossed(x, dim):
        return _sorted(x, dim, False)
    values = np.partition(native(x.larray), places, axis=dim)
    return wrap(from_native(values, x.larray), x.layout, x.comm)


def argpartition(a: DNDarray, kth: int | Sequence[int], axis: int | None = -1) -> DNDarray:
    """Indices that ``partition``, int64. Collective as ``sort``."""
    x, dim = _along(a, axis)
    places = _checked_places(kth, x, dim)
    if _is_crossed(x, dim):
        return argsort(x, dim)
    order = np.argpartition(native(x.larray), places, axis=dim)
    return wrap(integers(order, x.larray.device), x.layout, x.comm)


def _checked_places(kth: int | Sequence[int], x: DNDarray, dim: int) -> list[int]:
    places = [kth] if isinstance(kth, int) else list(kth)
    extent = x.shape[dim]
    if any(not -extent <= place < extent for place in places):
        raise ValueError(f"kth {kth} is out of bounds for extent {extent}")
    return [place % extent for place in places]


def topk(
    a: DNDarray,
    k: int,
    dim: int = -1,
    largest: bool = True,
    sorted: bool = True,
    out: tuple[DNDarray, DNDarray] | None = None,
) -> tuple[DNDarray, DNDarray]:
    """The ``k`` largest elements along an axis in descending order, and their indices.

    Collective if ``dim`` is the split axis: each rank contributes its ``k`` best.

    Parameters
    ----------
    a : DNDarray
    k : int
        At most the extent of ``dim``.
    dim : int
    largest : bool
        False: the smallest, in ascending order.
    sorted : bool
        Has no effect: results are sorted. Among equals, the lower index comes first.
    out : tuple of DNDarray, optional
        Take values and indices under their own layouts.

    Returns
    -------
    (values, indices)
        Replicated if ``dim`` is the split axis, else with the slabs of ``a``. NaN counts as the
        largest element; indices are global, int64.
    """
    del sorted  # always
    x, axis = _along(a, dim)
    if not 0 <= k <= x.shape[axis]:
        raise ValueError(f"k is between 0 and the extent {x.shape[axis]}, not {k}")
    values = _last(x.larray, axis)
    chosen = _best(values, min(k, values.shape[-1]), largest=largest)
    values = np.take_along_axis(values, chosen, axis=-1)
    layout = x.layout
    if _is_crossed(x, axis):
        kept = [min(k, n) for n in x.layout.counts or ()]
        indices = _gathered(x, chosen + x.layout.offset(x.comm.rank), kept)
        values = _gathered(x, values, kept)
        # Candidates come in rank order, so that positions among them order like indices.
        best = _best(values, k, largest=largest)
        values = np.take_along_axis(values, best, axis=-1)
        chosen = np.take_along_axis(indices, best, axis=-1)
    if layout.split == axis:
        layout = Layout(layout.gshape)
    layout = layout.resize(axis, k)
    parts = (from_native(values, x.larray), integers(chosen, x.larray.device))
    results = [wrap(p.movedim(-1, axis).contiguous(), layout, x.comm) for p in parts]
    targets = (None, None) if out is None else out
    first, second = (store(r, target) for r, target in zip(results, targets, strict=True))
    return first, second


def _gathered(x: DNDarray, part: Array, counts: list[int]) -> Array:
    packed = np.ascontiguousarray(np.moveaxis(part, -1, 0))
    return np.moveaxis(x.comm.allgatherv(packed, counts), 0, -1)


def _best(values: Array, k: int, *, largest: bool) -> Array:
    """Positions along the last axis of the ``k`` best elements, the best one first."""
    n = values.shape[-1]
    if values.ndim > 1 or values.dtype.kind == "c" or not 0 < k * 8 <= n:
        return _first_of_order(order_keys(values, descending=largest), k)
    # A comparison with the k-th value costs less than keys of all elements. NaN is never worse.
    last = np.partition(values, n - k if largest else k - 1)[n - k if largest else k - 1]
    candidates = np.flatnonzero(~(values < last if largest else values > last))
    order = local_argsort(order_keys(values[candidates], descending=largest))
    return candidates[order[:k]]


def _first_of_order(keys: list[Array], k: int) -> Array:
    """Positions along the last axis of the ``k`` first elements in stable order."""
    n = keys[0].shape[-1]
    if len(keys) > 1 or k * 8 > n or k == 0:
        return local_argsort(keys)[..., :k]
    (key,) = keys
    # Everything below the k-th key, and the first of those that equal it.
    last = np.partition(key, k - 1, axis=-1)[..., k - 1 : k]
    below, equal = key < last, key == last
    missing = k - below.sum(axis=-1, keepdims=True)
    if (equal.sum(axis=-1, keepdims=True) != missing).any():
        equal &= np.cumsum(equal, axis=-1) <= missing
    places = np.nonzero(below | equal)[-1].reshape(*key.shape[:-1], k)
    order = local_argsort([np.take_along_axis(key, places, axis=-1)])
    return np.take_along_axis(places, order, axis=-1)


# -- the ways to sort ------------------------------------------------------------------------
def _along(a: DNDarray, axis: int | None) -> tuple[DNDarray, int]:
    if axis is None:
        return flattened(a), 0
    return a, normalize_axis(axis, a.ndim)


def _is_crossed(x: DNDarray, dim: int) -> bool:
    return x.split == dim and x.comm.size > 1


def _long_axis(x: DNDarray, dim: int) -> int | None:
    """The longest other axis, if every rank gets a part of it."""
    others = [axis for axis in range(x.ndim) if axis != dim]
    longest = max(others, key=lambda axis: x.shape[axis], default=None)
    return longest if longest is not None and x.shape[longest] >= x.comm.size else None


def _last(local: torch.Tensor, dim: int) -> Array:
    return native(local.movedim(dim, -1))


def _sorted(x: DNDarray, dim: int, descending: bool) -> DNDarray:
    if _is_crossed(x, dim):
        line = _line_in_descending_order if descending else _line_in_order
        return _across(x, dim, lambda y: _sorted(y, dim, descending), line, x.larray.dtype)
    values = sort_values(native(x.larray), dim)
    values = np.flip(values, dim) if descending else values
    return wrap(from_native(values, x.larray), x.layout, x.comm)


def _ordered(x: DNDarray, dim: int, keys_of: Callable[[torch.Tensor], list[Array]]) -> DNDarray:
    if not _is_crossed(x, dim):
        return _from_keys(x, dim, keys_of(x.larray.movedim(dim, -1)))

    def order_line(line: DNDarray) -> torch.Tensor:
        return _order_across(line, keys_of(line.larray))

    return _across(x, dim, lambda y: _ordered(y, dim, keys_of), order_line, torch.int64)


def _from_keys(x: DNDarray, dim: int, keys: list[Array]) -> DNDarray:
    if _is_crossed(x, dim):
        return wrap(_order_across(x, keys), x.layout.canonical(), x.comm)
    order = integers(local_argsort(keys), x.larray.device)
    return wrap(order.movedim(-1, dim).contiguous(), x.layout, x.comm)


def _across(
    x: DNDarray,
    dim: int,
    on_array: Callable[[DNDarray], DNDarray],
    on_line: Callable[[DNDarray], torch.Tensor],
    dtype: torch.dtype,
) -> DNDarray:
    """Sort along the split axis: with the array split along another, or line by line."""
    target = canonical_layout(x.shape, dim, x.comm.size)
    other = _long_axis(x, dim)
    if other is not None:
        return to_layout(on_array(to_layout(x, x.layout.with_split(other, x.comm.size))), target)
    line_layout = Layout((x.shape[dim],), 0, x.layout.counts)
    lines = x.larray.movedim(dim, -1)
    result = torch.empty(target.lshape(x.comm.rank), dtype=dtype, device=lines.device)
    for place in np.ndindex(*lines.shape[:-1]):
        line = wrap(lines[place].contiguous(), line_layout, x.comm)
        result.movedim(dim, -1)[place] = on_line(line)
    return wrap(result, target, x.comm)


def _line_in_order(line: DNDarray) -> torch.Tensor:
    part, parts = _sorted_parts(line)
    return relayout(line.comm, part, parts, parts.canonical())


def _line_in_descending_order(line: DNDarray) -> torch.Tensor:
    part, parts = _sorted_parts(line)
    # torch cannot flip its wide unsigned types, but their bits.
    bits = part.view(_SIGNED.get(part.dtype, part.dtype))
    return mirror(line.comm, bits, parts, parts.canonical()).view(part.dtype)


def _sorted_parts(line: DNDarray) -> tuple[torch.Tensor, Layout]:
    assert line.layout.counts is not None
    part, lengths = sample_sort(line.comm, native(line.larray), line.layout.counts)
    return from_native(part, line.larray), Layout(line.shape, 0, lengths)


def _order_across(line: DNDarray, keys: list[Array]) -> torch.Tensor:
    counts = line.layout.counts
    assert counts is not None
    offset = line.layout.offset(line.comm.rank)
    part, lengths = sample_argsort(line.comm, keys, counts, offset)
    parts = Layout(line.shape, 0, lengths)
    return relayout(line.comm, integers(part, line.larray.device), parts, parts.canonical())
