"""Positions of extremes: exact for every type, the lowest position among equals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch

from heat_core.array.axes import normalize_axis
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.dispatch.reduce import store
from heat_core.dispatch.rows import rows_together
from heat_core.dtypes.unsigned import carry

__all__ = ["argreduce"]

_NOWHERE = torch.iinfo(torch.int64).max
_LONG = 4096  # elements, from which on blocks are searched


def argreduce(
    x: DNDarray,
    axis: int | None,
    op: Literal["min", "max"],
    *,
    keepdims: bool = False,
    out: DNDarray | None = None,
) -> DNDarray:
    """Position of the smallest or largest element. Collective if the split axis is searched.

    Positions are int64 and global; with ``axis=None`` they count in the flattened array. NaN
    counts as the extreme, as in NumPy.
    """
    if x.larray.dtype.is_complex:
        raise TypeError(f"arg{op} does not take complex numbers, which have no order")
    dim = None if axis is None else normalize_axis(axis, x.ndim)
    if (x.size if dim is None else x.shape[dim]) == 0:
        raise ValueError(f"arg{op} of no elements")
    axes = frozenset(range(x.ndim) if dim is None else (dim,))
    layout = x.layout.reduce(axes, keepdims=keepdims)
    local = carry(x.larray, "order")
    local = local.byte() if local.dtype is torch.bool else local
    searched = x.split is not None and x.split in axes
    if not searched or x.comm.size == 1:
        positions = _local_positions(local, dim, op)
    else:
        positions = _global_positions(x, local, dim, op)
    return store(wrap(positions.reshape(layout.lshape(x.comm.rank)), layout, x.comm), out)


def _local_positions(
    local: torch.Tensor, dim: int | None, op: Literal["min", "max"]
) -> torch.Tensor:
    """Positions of the first extremes.

    torch finds an extreme many times as fast as its position: that is why blocks are searched
    for the first that has it, and only this one for the position.
    """
    if local.dim() == 0:
        return torch.zeros((), dtype=torch.int64, device=local.device)
    line, axis = (local.reshape(-1), 0) if dim is None else (local, dim)
    search: Callable[..., torch.Tensor] = torch.argmin if op == "min" else torch.argmax
    extreme: Callable[..., torch.Tensor] = torch.amin if op == "min" else torch.amax
    n = line.shape[axis]
    if n < _LONG:
        return search(line, dim=axis)
    length = 1 << n.bit_length() // 2
    whole = n - n % length
    blocks = line.narrow(axis, 0, whole)
    extremes = _of_blocks(blocks, axis, length, extreme)
    if whole < n:
        rest = extreme(line.narrow(axis, whole, n - whole), axis, keepdim=True)
        extremes = torch.cat([extremes, rest], axis)
    start = search(extremes, dim=axis, keepdim=True) * length
    steps = torch.arange(length, device=line.device).reshape(-1, *[1] * (line.dim() - axis - 1))
    inside = (start + steps).clamp_(max=n - 1)  # repeats of the last element come behind it
    return start.squeeze(axis) + search(line.gather(axis, inside), dim=axis)


def _of_blocks(
    line: torch.Tensor, axis: int, length: int, extreme: Callable[..., torch.Tensor]
) -> torch.Tensor:
    """The extremes of blocks of ``length`` positions along an axis."""
    row = line.shape[1:].numel()
    together = rows_together(row, line.shape[0]) if axis == 0 and line.is_contiguous() else 1
    if row == 1 or together == 1 or together > length:
        return extreme(line.unflatten(axis, (-1, length)), axis + 1)
    wide = extreme(line.view(-1, length // together, together * row), 1)
    return extreme(wide.view(-1, together, *line.shape[1:]), 1)


def _global_positions(
    x: DNDarray, local: torch.Tensor, dim: int | None, op: Literal["min", "max"]
) -> torch.Tensor:
    """Two small allreduces: the extreme value, then the lowest position that attains it."""
    shape = local.shape[:0] if dim is None else (*local.shape[:dim], *local.shape[dim + 1 :])
    if local.numel() and (dim is None or local.shape[dim]):
        at = _local_positions(local, dim, op)
        if dim is None:
            value = local.reshape(-1)[at]
            position = _flat_position(x, at)
        else:
            value = local.gather(dim, at.unsqueeze(dim)).squeeze(dim)
            position = at + x.layout.offset(x.comm.rank)
    else:
        value = local.new_full(shape, _identity(local.dtype, op))
        position = torch.full(shape, _NOWHERE, dtype=torch.int64, device=local.device)
    extreme = x.comm.allreduce(value, op)
    attains = (value == extreme) | ((value != value) & (extreme != extreme))
    candidate = torch.where(attains, position, _NOWHERE)
    lowest: torch.Tensor = x.comm.allreduce(candidate, "min")
    return lowest


def _flat_position(x: DNDarray, at: torch.Tensor) -> torch.Tensor:
    """Position in the flattened global array of a position in the flattened local tensor."""
    assert x.split is not None
    inner = 1
    for extent in x.shape[x.split + 1 :]:
        inner *= extent
    local_block = x.larray.shape[x.split] * inner
    outer, within = at // local_block, at % local_block
    return outer * (x.shape[x.split] * inner) + x.layout.offset(x.comm.rank) * inner + within


def _identity(dtype: torch.dtype, op: Literal["min", "max"]) -> int | float:
    if dtype.is_floating_point:
        return float("inf") if op == "min" else float("-inf")
    limits = torch.iinfo(dtype)
    return limits.max if op == "min" else limits.min
