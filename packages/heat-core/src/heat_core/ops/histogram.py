"""Histograms: each rank counts its own elements between common edges, and the counts add up."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from heat_core.array.conversion import astype
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import replicated, to_layout
from heat_core.dispatch.bins import count_in_bins
from heat_core.dispatch.flat import flattened
from heat_core.dispatch.operands import as_array, local_operand
from heat_core.dispatch.order import Array, native
from heat_core.dispatch.reduce import store
from heat_core.dtypes import float_type
from heat_core.layout import Layout, replicated_layout
from heat_core.ops.moments import skew, std
from heat_core.ops.quantile import percentile
from heat_core.ops.reductions import max as max_
from heat_core.ops.reductions import min as min_

__all__ = ["bincount", "histc", "histogram", "histogram2d", "histogram_bin_edges", "histogramdd"]

Range = tuple[float, float]


def _replicated(values: Array, like: DNDarray) -> DNDarray:
    tensor = torch.from_numpy(np.ascontiguousarray(values)).to(like.larray.device)
    return wrap(tensor, replicated_layout(tuple(tensor.shape)), like.comm)


def _sum_of_ranks(values: Array, x: DNDarray) -> Array:
    total: Array = x.comm.allreduce(values, "sum") if x.is_distributed() else values
    return total


def _span(x: DNDarray, given: Sequence[float] | None) -> Range:
    """Lower and upper edge: as given, or smallest and largest element. Collective."""
    if given is not None:
        low, high = (float(v) for v in given)
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError(f"the range {(low, high)} is not finite")
        if low > high:
            raise ValueError(f"the range {(low, high)} is not ascending")
    elif x.size == 0:
        low, high = 0.0, 1.0
    else:
        low, high = (v.item() + 0 for v in (min_(x), max_(x)))  # bool becomes int
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError(f"the elements reach from {low} to {high}: give a finite range")
    return (low - 0.5, high + 0.5) if low == high else (low, high)


# -- numbers of bins -------------------------------------------------------------------------
def _scott(x: DNDarray) -> float:
    return float((24.0 * math.pi**0.5 / x.size) ** (1 / 3) * std(x).item())


def _freedman_diaconis(x: DNDarray) -> float:
    upper, lower = percentile(x, [75.0, 25.0]).tolist()
    return float(2.0 * (upper - lower) * x.size ** (-1 / 3))


def _sturges(x: DNDarray) -> float:
    return _extent(x) / (math.log2(x.size) + 1.0)


def _extent(x: DNDarray) -> float:
    return float(max_(x).item() - min_(x).item())


def _doane(x: DNDarray) -> float:
    n = x.size
    if n <= 2 or float(std(x).item()) == 0:
        return 0.0
    spread = math.sqrt(6.0 * (n - 2) / ((n + 1.0) * (n + 3)))
    g1 = float(skew(x, unbiased=False).item())
    return _extent(x) / (1.0 + math.log2(n) + math.log2(1.0 + abs(g1) / spread))


def _auto(x: DNDarray) -> float:
    width = _freedman_diaconis(x)
    sturges = _sturges(x)
    return min(width, sturges) if width else sturges


_WIDTHS: dict[str, Callable[[DNDarray], float]] = {
    "auto": _auto,
    "doane": _doane,
    "fd": _freedman_diaconis,
    "rice": lambda x: _extent(x) / (2.0 * x.size ** (1 / 3)),
    "scott": _scott,
    "sqrt": lambda x: _extent(x) / math.sqrt(x.size),
    "sturges": _sturges,
}


def _number_of_bins(x: DNDarray, rule: str, span: Range, given: Sequence[float] | None) -> int:
    if rule not in _WIDTHS:
        raise ValueError(f"bins is one of {', '.join(_WIDTHS)}, not {rule!r}")
    if given is not None:
        raise ValueError(f"the rule {rule!r} looks at all elements: leave the range out")
    if x.size == 0:
        return 1
    width = _WIDTHS[rule](astype(flattened(x), float_type(x.dtype), copy=False))
    if not x.larray.is_floating_point():
        width = max(1.0, width) if width else width
    return math.ceil((span[1] - span[0]) / width) if width else 1


def _edges(x: DNDarray, bins: Any, given: Sequence[float] | None) -> Array:
    """The edges of the bins, on every rank. Collective."""
    if not isinstance(bins, (int, str, np.integer)):
        edges = native(replicated(as_array(bins, x)))
        if edges.ndim != 1 or (edges[1:] < edges[:-1]).any():
            raise ValueError("edges are a vector of ascending numbers")
        return edges
    if not isinstance(bins, str) and bins < 1:
        raise ValueError(f"there is at least one bin, not {bins}")
    span = _span(x, given)
    n = _number_of_bins(x, bins, span, given) if isinstance(bins, str) else int(bins)
    own = native(x.larray).dtype
    dtype = own if own.kind == "f" else np.dtype(np.float64)
    return np.linspace(span[0], span[1], n + 1, dtype=dtype)


# -- histograms ------------------------------------------------------------------------------
def histogram_bin_edges(
    a: DNDarray, bins: Any = 10, range: Sequence[float] | None = None, weights: Any = None
) -> DNDarray:
    """The edges that ``histogram`` uses; replicated. Collective unless they are given.

    Parameters
    ----------
    a : DNDarray
    bins : int, array_like or {"auto", "doane", "fd", "rice", "scott", "sqrt", "sturges"}
        Number of bins, their edges, or the rule that finds a number.
    range : (float, float), optional
        Lower and upper edge of all bins. Default: smallest and largest element.
    weights : array_like, optional
        Has no effect.
    """
    del weights
    return _replicated(_edges(a, bins, range), a)


def histogram(
    a: DNDarray,
    bins: Any = 10,
    range: Sequence[float] | None = None,
    normed: bool | None = None,
    weights: Any = None,
    density: bool | None = None,
) -> tuple[DNDarray, DNDarray]:
    """Number of elements in each bin, and the edges of the bins. Collective.

    Parameters
    ----------
    a : DNDarray
        Real.
    bins, range
        As for ``histogram_bin_edges``.
    normed : bool, optional
        An old name of ``density``.
    weights : array_like, optional
        Of the shape of ``a``: what each element counts.
    density : bool, optional
        Divide by the total and the width of each bin.

    Returns
    -------
    (counts, edges)
        Replicated. The last bin contains its upper edge; elements outside are not counted.
    """
    if a.larray.is_complex():
        raise TypeError("histograms are defined for real arrays")
    if isinstance(bins, str) and weights is not None:
        raise TypeError("the number of bins of weighted elements must be given")
    edges = _edges(a, bins, range)
    own = native(a.larray).reshape(-1)
    own = own.view(np.uint8) if own.dtype.kind == "b" else own
    factors = None if weights is None else _weights(weights, a)
    if isinstance(bins, (int, str, np.integer)) and factors is None:
        counts = count_in_bins(own, edges)
    else:
        counts, _ = np.histogram(own, edges, weights=factors)
    counts = _sum_of_ranks(counts, a)
    if density or (density is None and normed):
        counts = counts / np.diff(edges.astype(np.float64)) / counts.sum()
    return _replicated(counts, a), _replicated(edges, a)


def _weights(weights: Any, x: DNDarray) -> Array:
    factors = as_array(weights, x)
    if factors.shape != x.shape:
        raise ValueError(f"weights of shape {factors.shape} for elements of shape {x.shape}")
    return native(local_operand(factors, x.layout)).reshape(-1)


def histc(
    input: DNDarray, bins: int = 100, min: float = 0, max: float = 0, out: DNDarray | None = None
) -> DNDarray:
    """Counts between ``min`` and ``max``, as in torch: of the type of the elements. Collective.

    ``min == max`` stands for smallest and largest element. Replicated.
    """
    span = None if min == max else (min, max)
    counts, _ = histogram(input, bins, span)
    return store(astype(counts, input.dtype), out)


def bincount(x: DNDarray, weights: Any = None, minlength: int = 0) -> DNDarray:
    """How often each of 0, 1, ..., the largest element comes. Collective; replicated.

    Parameters
    ----------
    x : DNDarray, (n,)
        Integers, not negative.
    weights : array_like, (n,), optional
        What each element counts; the result is float64 then, else int64.
    minlength : int
        Least length of the result.
    """
    if x.ndim != 1:
        raise ValueError(f"bincount takes vectors, not {x.ndim} axes")
    if x.larray.is_floating_point() or x.larray.is_complex():
        raise TypeError("bincount takes integers")
    if minlength < 0:
        raise ValueError(f"minlength is at least 0, not {minlength}")
    own = native(x.larray).astype(np.int64, copy=False)
    factors = None if weights is None else _weights(weights, x)
    counts: Array
    try:
        counts, lowest = np.bincount(own, factors, minlength), 0
    except ValueError:  # NumPy looks for negative elements itself
        counts, lowest = np.zeros(0), int(own.min())
    if factors is not None:
        counts = counts.astype(np.float64)  # NumPy counts nothing in integers
    if x.is_distributed():
        limits = x.comm.allreduce(np.array([-lowest, len(counts)]), "max")
        lowest = -int(limits[0])
        counts = np.pad(counts, (0, int(limits[1]) - len(counts)))
    if lowest < 0:
        raise ValueError(f"bincount of a negative element, {lowest}")
    return _replicated(_sum_of_ranks(counts, x), x)


def histogramdd(
    sample: Any,
    bins: Any = 10,
    range: Sequence[Sequence[float] | None] | None = None,
    density: bool | None = None,
    weights: Any = None,
) -> tuple[DNDarray, tuple[DNDarray, ...]]:
    """Number of points in each cell of a grid, and the edges along each axis. Collective.

    Parameters
    ----------
    sample : DNDarray, (n, d), or sequence of d DNDarray, (n,)
        The points.
    bins : int, sequence of int, or sequence of array_like
        Number of bins, for all axes or each; or edges for each.
    range : sequence of (float, float) or None, optional
        Lower and upper edge for each axis. Default: of the points.
    density : bool, optional
        Divide by the total and the volume of each cell.
    weights : array_like, (n,), optional
        What each point counts.

    Returns
    -------
    (counts, edges)
        Float64, (bins along each axis); replicated, as the tuple of edges is.
    """
    columns = _columns(sample)
    first, d = columns[0], len(columns)
    kinds = [bins] * d if isinstance(bins, (int, np.integer)) else list(bins)
    spans = [None] * d if range is None else list(range)
    if len(kinds) != d or len(spans) != d:
        raise ValueError(f"bins and range have one entry for each of the {d} axes")
    edges = [
        _edges(column, kind, span).astype(np.float64)
        for column, kind, span in zip(columns, kinds, spans, strict=True)
    ]
    points = np.stack([native(column.larray) for column in columns], axis=1)
    factors = None if weights is None else _weights(weights, first)
    counts = _sum_of_ranks(np.histogramdd(points, edges, weights=factors)[0], first)
    if density:
        total = counts.sum()
        for axis, edge in enumerate(edges):
            shape = [1] * d
            shape[axis] = -1
            counts = counts / np.diff(edge).reshape(shape)
        counts = counts / total
    return _replicated(counts, first), tuple(_replicated(edge, first) for edge in edges)


def _columns(sample: Any) -> list[DNDarray]:
    """The coordinates of the points, (n,) each, with the same slabs."""
    if isinstance(sample, DNDarray):
        if sample.ndim == 1:
            return [sample]
        if sample.ndim != 2:
            raise ValueError(f"points are (n, d), not {sample.shape}")
        if sample.split == 1:
            sample = to_layout(sample, sample.layout.with_split(0, sample.comm.size))
        layout = Layout(sample.shape[:1], sample.split, sample.layout.counts)
        return [wrap(column, layout, sample.comm) for column in sample.larray.unbind(1)]
    columns = [as_array(column, *sample) for column in sample]
    if not columns or any(c.ndim != 1 or c.shape != columns[0].shape for c in columns):
        raise ValueError("coordinates are vectors of one length")
    split = [c for c in columns if c.split is not None]
    target = (split or columns)[0].layout
    return [to_layout(column, target) for column in columns]


def histogram2d(
    x: Any,
    y: Any,
    bins: Any = 10,
    range: Sequence[Sequence[float] | None] | None = None,
    density: bool | None = None,
    weights: Any = None,
) -> tuple[DNDarray, DNDarray, DNDarray]:
    """``histogramdd`` of points in the plane: counts, edges of x, edges of y. Collective.

    ``bins`` may also be one vector of edges for both axes.
    """
    if not isinstance(bins, (int, np.integer)) and len(bins) not in (1, 2):
        bins = [bins, bins]
    counts, edges = histogramdd([x, y], bins, range, density, weights)
    return counts, edges[0], edges[1]
