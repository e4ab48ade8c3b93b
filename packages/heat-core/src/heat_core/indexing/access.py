"""``x[key]``, ``x[key] = value`` and iteration: the cases of a key, and who handles them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from heat_core.array.conversion import convert
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import replicated, to_layout
from heat_core.dispatch.operands import (
    Scalar,
    as_tensor,
    broadcast_shapes,
    coerce,
    common_comm,
    local_operand,
)
from heat_core.dtypes.unsigned import signed_view
from heat_core.indexing.advanced import AdvancedKey, Entry, parse, selection_layout
from heat_core.indexing.gather import gather
from heat_core.indexing.mask import hit_counts, mask_select
from heat_core.indexing.normalize import is_basic, normalize
from heat_core.indexing.positions import positions_of
from heat_core.indexing.scatter import scatter
from heat_core.indexing.views import View, reverse, select, view
from heat_core.layout import Layout, replicated_layout

__all__ = ["getitem", "iterate", "setitem"]

# In which Python's numbers become tensors without a loss, whatever torch's default is.
_EXACT = {float: torch.float64, complex: torch.complex128}


def getitem(x: DNDarray, key: Any) -> DNDarray:
    """``x[key]`` with NumPy's meaning. Collective, local if ``x`` and the key are replicated.

    Parameters
    ----------
    x : DNDarray
    key : int, slice, Ellipsis, None, bool, array_like of int or bool, or a tuple of these
        Arrays are lists, NumPy arrays or tensors (the same on all ranks), or DNDarrays of any
        split. Slices may have any step but 0.

    Returns
    -------
    DNDarray
        In the order of the key. Slices leave the data where they are, so that the result may be
        unbalanced; one that reverses the split axis mirrors the slabs. An integer on the split
        axis makes the result replicated. Index arrays on the split axis make it split like them,
        if they are distributed, else canonically along their first axis; on other axes they leave
        the split as it is. Masks of the split axis give canonical slabs along their axis.

    Raises
    ------
    IndexError
        Too many indices, positions out of range, masks of the wrong shape, or anything else.

    Examples
    --------
    >>> x = ht.arange(10, split=0)
    >>> x[[7, 1, 8]].tolist()
    [7, 1, 8]
    """
    parts = key if type(key) is tuple else (key,)
    if is_basic(parts):
        return select(x, normalize(parts, x._layout.gshape))
    parsed = parse(parts, x.shape)
    if parsed.is_pure:
        mask = _leading_mask(x, parsed)
        if mask is not None:
            return mask_select(x, mask)
        base = x
    else:
        base = select(x, parsed.basic)
    positions = positions_of(parsed.entries, base.shape, x.comm, x.larray.device)
    return gather(base, positions, parsed.place)


def _mask_array(x: DNDarray, entry: Entry) -> DNDarray:
    array = entry.array
    if isinstance(array, DNDarray):
        common_comm((x, array))
        return array
    return wrap(array.to(x.larray.device), replicated_layout(tuple(array.shape)), x.comm)


def _leading_mask(x: DNDarray, key: AdvancedKey) -> DNDarray | None:
    """The mask under the slabs of ``x``, if it is all there is and covers the split axis."""
    entry = key.entries[0]
    if len(key.entries) > 1 or not entry.is_mask or entry.axes[0] != 0:
        return None
    mask = _mask_array(x, entry)
    if x.split is None:
        return mask if mask.split is None else None
    if x.split not in entry.axes:
        return None
    layout = Layout(mask.shape, x.split, x.layout.counts)
    return to_layout(mask, layout)


def iterate(x: DNDarray) -> Iterator[DNDarray]:
    """Iterate over axis 0. Collective, one small broadcast per row if split along it."""
    if x.ndim == 0:
        raise TypeError("iteration over a 0-d array")
    return (getitem(x, position) for position in range(x.shape[0]))


# -- assignment ------------------------------------------------------------------------------
def setitem(x: DNDarray, key: Any, value: Any) -> None:
    """``x[key] = value`` with NumPy's meaning. Collective unless key and value are replicated.

    The layout and the type of ``x`` stay. Of positions that come several times in the key, the
    last one counts.

    Parameters
    ----------
    x : DNDarray
    key : as for ``x[key]``
    value : scalar, array_like or DNDarray of any split
        Broadcasts to ``x[key]``; cast to the type of ``x``.

    Raises
    ------
    IndexError
        As for ``x[key]``.
    ValueError
        If the value does not broadcast to the selection.
    TypeError
        Complex values for real arrays.
    """
    parts = key if type(key) is tuple else (key,)
    content = _content(x, value)
    if is_basic(parts):
        part = view(x, normalize(parts, x._layout.gshape))
        _set_view(x, part, content)
        return
    parsed = parse(parts, x.shape)
    part = view(x, parsed.basic)
    base = wrap(part.local, part.layout, x.comm)
    entry = parsed.entries[0]
    array = _as_array(x, content)
    is_mask = len(parsed.entries) == 1 and entry.is_mask
    if is_mask and _set_by_mask(base, entry, part.reversed_axes, array):
        return
    positions = positions_of(parsed.entries, base.shape, x.comm, x.larray.device)
    work = replicated_layout(positions.shape)
    shape = selection_layout(replicated_layout(base.shape), positions.axes, work, parsed.place)
    axes = _result_axes(part.reversed_axes, positions.axes, len(work.gshape), parsed.place)
    scatter(base, positions, parsed.place, _fitted(array, shape.gshape, axes))


def _content(x: DNDarray, value: Any) -> DNDarray | Scalar:
    """The value as a scalar, or as an array of the type of ``x`` with memory of its own."""
    if isinstance(value, (list, tuple)):
        value = as_tensor(value)
    content = coerce(value, common_comm((x, value)), x.larray.device)
    target = x._local.dtype
    if not isinstance(content, DNDarray):
        if isinstance(content, complex) and not target.is_complex:
            raise TypeError(f"complex values do not fit an array of {x.dtype.name}")
        if type(content) is int and not (target.is_floating_point or target.is_complex):
            _check_range(content, target)
        # torch fills with what fits int64; larger numbers come as tensors.
        return content if target is not torch.uint64 else _as_array(x, content)
    local = content.larray
    if local.is_complex() and not target.is_complex:
        raise TypeError(f"complex values do not fit an array of {x.dtype.name}")
    converted = convert(local, target)
    if converted.untyped_storage().data_ptr() == x._local.untyped_storage().data_ptr():
        converted = converted.clone()
    return wrap(converted, content.layout, content.comm)


def _check_range(value: int, dtype: torch.dtype) -> None:
    if dtype is torch.bool:
        return
    limits = torch.iinfo(dtype)
    if not limits.min <= value <= limits.max:
        raise OverflowError(f"{value} is out of the range of {dtype}")


def _as_array(x: DNDarray, content: DNDarray | Scalar) -> DNDarray:
    if isinstance(content, DNDarray):
        return content
    dtype = x.larray.dtype
    exact: torch.dtype | None = _EXACT.get(type(content))
    if type(content) is int and dtype is not torch.bool:
        exact = dtype
    tensor = torch.tensor(content, dtype=exact).to(x.larray.device, dtype)
    return wrap(tensor, replicated_layout(()), x.comm)


def _fitted(
    value: DNDarray, shape: tuple[int, ...], reversed_axes: list[int] | tuple[int, ...] = ()
) -> DNDarray:
    """The value for the selection of ``shape`` in ascending order; ValueError if it cannot be."""
    while value.ndim > len(shape) and value.shape[0] == 1:
        value = select(value, normalize((0,), value.shape))
    try:
        fits = broadcast_shapes(value.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"a value of shape {value.shape} does not fit a selection of {shape}")
    lost = len(shape) - value.ndim
    axes = [axis - lost for axis in reversed_axes if axis >= lost and value.shape[axis - lost] > 1]
    return reverse(value, axes) if axes else value


def _result_axes(
    axes: list[int], indexed: tuple[int, ...], n_new: int, place: int
) -> tuple[int, ...]:
    """Where axes of the array before its indexing by arrays are afterwards."""
    numbers = [axis - sum(other < axis for other in indexed) for axis in axes]
    return tuple(number if number < place else number + n_new for number in numbers)


def _set_view(x: DNDarray, part: View, content: DNDarray | Scalar) -> None:
    comm, rank = x._comm, x._comm.rank
    if not isinstance(content, DNDarray):
        if part.owner is None or part.owner == rank:
            part.local.fill_(content)
        return
    layout = part.layout
    value = _fitted(content, layout.gshape, part.reversed_axes)
    if part.owner is None:
        part.local.copy_(local_operand(value, layout))
        return
    if value.split is not None:
        # All of it to the one rank that needs it.
        counts = tuple(value.shape[value.split] * (r == part.owner) for r in range(comm.size))
        value = to_layout(value, Layout(value.shape, value.split, counts))
    if part.owner == rank:
        part.local.copy_(value.larray)


def _set_by_mask(base: DNDarray, entry: Entry, reversed_axes: list[int], value: DNDarray) -> bool:
    """Assign by one mask where no positions need to travel; whether that was so."""
    first, layout, comm = entry.axes[0], base.layout, base.comm
    covers_split = layout.split in entry.axes
    if value.size != 1 and (first != 0 or (covers_split and layout.split != 0)):
        return False
    mask = _mask_array(base, entry)
    target = replicated_layout(mask.shape)
    if covers_split:
        assert layout.split is not None
        target = Layout(mask.shape, layout.split - first, layout.counts)
    local_mask = local_operand(mask, target)
    local = signed_view(base.larray)
    if value.size == 1 and value.ndim <= 1:
        scalar = signed_view(replicated(value).reshape(()))
        local[(slice(None),) * first + (local_mask,)] = scalar
        return True
    if value.size == 1:
        return False
    n_hits = int(local_mask.sum())
    counts = hit_counts(comm, n_hits) if covers_split else (n_hits,)
    hits = replicated_layout((sum(counts),))
    if covers_split:
        hits = Layout(hits.gshape, 0, counts)
    selection = selection_layout(layout, entry.axes, hits, 0)
    value = _fitted(value, selection.gshape, _result_axes(reversed_axes, entry.axes, 1, 0))
    rows = local_operand(value, selection).expand(selection.lshape(comm.rank))
    local[local_mask] = signed_view(rows)
    return True
