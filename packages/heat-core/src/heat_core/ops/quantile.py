"""Percentiles, quantiles and medians, without sorting distributed data."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from heat_core.array.axes import normalize_axis
from heat_core.array.conversion import convert
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import replicated, to_layout
from heat_core.dispatch.order import from_native, native
from heat_core.dispatch.reduce import store
from heat_core.dispatch.select import select
from heat_core.dtypes import float_type
from heat_core.layout import Layout, replicated_layout

__all__ = ["median", "percentile", "quantile"]

_LONG_LINE = 1024  # elements, from which lines are partitioned one by one

_METHODS: dict[str, Callable[[float], float]] = {
    # Weight of the upper neighbour as a function of the position between both.
    "linear": lambda fraction: fraction,
    "lower": lambda fraction: 0.0,
    "higher": lambda fraction: float(fraction > 0),
    "midpoint": lambda fraction: 0.5 * (fraction > 0),
    "nearest": lambda fraction: math.nan,  # depends on the position, too
}


def percentile(
    x: DNDarray,
    q: Any,
    axis: int | None = None,
    out: DNDarray | None = None,
    interpolation: str = "linear",
    keepdims: bool = False,
) -> DNDarray:
    """``quantile`` with ``q`` in percent. Collective."""
    return quantile(x, _levels(q) / 100, axis, out, interpolation, keepdims)


def median(x: DNDarray, axis: int | None = None, keepdims: bool = False) -> DNDarray:
    """The middle element, or the mean of both. Collective; see ``quantile``."""
    return quantile(x, 0.5, axis, keepdims=keepdims)


def quantile(
    x: DNDarray,
    q: Any,
    axis: int | None = None,
    out: DNDarray | None = None,
    interpolation: str = "linear",
    keepdims: bool = False,
) -> DNDarray:
    """Quantiles. Collective unless ``x`` is replicated or ``axis`` is another axis than the split.

    Parameters
    ----------
    x : DNDarray
        Real; integers are taken as floating-point numbers.
    q : float or array_like of float
        In [0, 1].
    axis : int or None
        None: of all elements.
    out : DNDarray, optional
        Takes the result under its own layout.
    interpolation : {"linear", "lower", "higher", "midpoint", "nearest"}
        Between the neighbours of a position, as in NumPy.
    keepdims : bool
        Keep reduced axes with extent 1.

    Returns
    -------
    DNDarray, (*shape of q, *shape without axis)
        Distributed elements of all axes are selected by counting: data stay where they are.
        Along the split axis of more dimensions, the array
        is first split along another axis. NaN if NaN is among the elements.
    """
    levels = _levels(q)
    if interpolation not in _METHODS:
        raise ValueError(f"interpolation is one of {', '.join(_METHODS)}, not {interpolation!r}")
    if x.larray.is_complex():
        raise TypeError("quantiles are defined for real arrays")
    dim = None if axis is None else normalize_axis(axis, x.ndim)
    extent = x.size if dim is None else x.shape[dim]
    if extent == 0:
        raise ValueError("quantile of no elements")
    neighbours = [_neighbours(float(level), extent, interpolation) for level in levels.reshape(-1)]
    if (
        x.larray.dtype in (torch.uint16, torch.uint32, torch.uint64)
        or not x.larray.is_floating_point()
    ):
        x = wrap(convert(x.larray, float_type(x.dtype).torch), x.layout, x.comm)
    if dim is None or (x.ndim == 1 and x.is_distributed()):
        values, layout = _of_everything(x, neighbours, keepdims)
    else:
        values, layout = _along(x, dim, neighbours, keepdims)
    shape = (*levels.shape, *layout.lshape(x.comm.rank))
    for _ in range(levels.ndim):
        layout = layout.expand(0)
    layout = Layout((*levels.shape, *layout.gshape[levels.ndim :]), layout.split, layout.counts)
    return store(wrap(values.reshape(shape), layout, x.comm), out)


def _levels(q: Any) -> torch.Tensor:
    # Not by way of torch's default type, which would round Python floats to float32.
    levels = replicated(q).cpu() if isinstance(q, DNDarray) else q
    return torch.as_tensor(levels, dtype=torch.float64, device="cpu")


def _neighbours(level: float, extent: int, interpolation: str) -> tuple[int, int, float]:
    """Positions of the neighbours in sorted order, and the weight of the upper one."""
    if not 0 <= level <= 1:
        raise ValueError(f"quantiles lie in [0, 1]; {level} does not")
    position = level * (extent - 1)
    lower = min(math.floor(position), extent - 1)
    upper = min(lower + 1, extent - 1)
    if interpolation == "nearest":
        return lower, upper, float(round(position) > lower)
    return lower, upper, _METHODS[interpolation](position - lower)


Neighbours = list[tuple[int, int, float]]


def _interpolate(sorted_values: Callable[[int], torch.Tensor], wanted: Neighbours) -> torch.Tensor:
    """Stack of the interpolated values, from a function of the position in sorted order."""
    results = []
    for lower, upper, weight in wanted:
        low, high = sorted_values(lower), sorted_values(upper)
        # The outer branches keep infinities, which lerp would turn into NaN.
        value = low if weight == 0 else high if weight == 1 else torch.lerp(low, high, weight)
        results.append(torch.where(low == high, low, value))
    return torch.stack(results)


def _of_everything(x: DNDarray, wanted: Neighbours, keepdims: bool) -> tuple[torch.Tensor, Layout]:
    last = x.size - 1
    positions = sorted({p for lower, upper, _ in wanted for p in (lower, upper)} | {last})
    comm = x.comm if x.is_distributed() else None
    values = select(x.larray.reshape(-1), positions, comm)
    found = dict(zip(positions, values, strict=True))
    result = _interpolate(lambda position: found[position], wanted)
    # NaN sorts last, so the last element tells whether there is one.
    result = torch.where(found[last].isnan(), found[last], result)
    return result, replicated_layout((1,) * x.ndim if keepdims else ())


def _along(
    x: DNDarray, dim: int, wanted: Neighbours, keepdims: bool
) -> tuple[torch.Tensor, Layout]:
    if x.split == dim and x.comm.size > 1:
        others = [axis for axis in range(x.ndim) if axis != dim]
        longest = max(others, key=lambda axis: x.shape[axis])
        x = to_layout(x, x.layout.with_split(longest, x.comm.size))
    last = x.shape[dim] - 1
    positions = sorted({p for lower, upper, _ in wanted for p in (lower, upper)} | {last})
    ordered = _partitioned(x.larray.movedim(dim, -1), positions)
    result = _interpolate(lambda position: ordered[position], wanted)
    result = torch.where(ordered[last].isnan(), ordered[last], result)
    return result, x.layout.reduce(frozenset((dim,)), keepdims=keepdims)


def _partitioned(lines: torch.Tensor, positions: list[int]) -> dict[int, torch.Tensor]:
    """The elements at some positions of the sorted lines, the last axis; NaN sorts last."""
    if lines.shape[-1] >= _LONG_LINE:
        flat = lines.reshape(-1, lines.shape[-1])
        columns = [torch.stack(select(line, positions)) for line in flat]
        table = torch.stack(columns, -1) if columns else lines.new_empty(len(positions), 0)
        return dict(zip(positions, table.reshape(-1, *lines.shape[:-1]), strict=True))
    values = np.partition(native(lines), positions, axis=-1)
    return {p: from_native(values[..., p], lines) for p in positions}
