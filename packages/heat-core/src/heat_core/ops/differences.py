"""Differences of neighbours, and what is made of them: gradients and integrals.

Neighbours are two slices of one array; where slabs meet, the element-wise dispatcher moves single
elements.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from heat_core.array.axes import normalize_axes, normalize_axis
from heat_core.array.conversion import astype
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import replicated, to_layout
from heat_core.dispatch.flat import flattened, lengthened
from heat_core.dispatch.operands import as_tensor, coerce
from heat_core.dtypes import float_type, result_type
from heat_core.indexing.access import getitem
from heat_core.indexing.functions import where
from heat_core.ops.arithmetic import absolute, add, divide, multiply, remainder, subtract
from heat_core.ops.logical import logical_and
from heat_core.ops.reductions import sum as sum_
from heat_core.ops.relational import equal, greater, less, not_equal
from heat_core.ops.scans import cumsum
from heat_core.ops.shape import expand_dims

__all__ = ["diff", "ediff1d", "gradient", "trapezoid", "unwrap"]


def _part(x: DNDarray, axis: int, start: int | None, stop: int | None) -> DNDarray:
    return getitem(x, (*(slice(None),) * axis, slice(start, stop)))


def diff(
    a: DNDarray, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None
) -> DNDarray:
    """The ``n``-th differences along an axis. Collective if it is the split axis.

    Parameters
    ----------
    a : DNDarray
    n : int
        How often to take differences; 0 returns ``a`` itself.
    axis : int
    prepend, append : scalar or array_like, optional
        Values before and behind those of ``a``: of its shape but for ``axis``.

    Returns
    -------
    DNDarray
        Bool for bool. Along the split axis slabs stay where they are, so that the result may be
        unbalanced by the elements that are lost and added.
    """
    if n < 0:
        raise ValueError(f"the order of differences is at least 0, not {n}")
    if a.ndim == 0:
        raise ValueError("diff takes arrays with at least one axis")
    dim = normalize_axis(axis, a.ndim)
    if n == 0:
        return a
    a = _extended(a, dim, prepend, append)
    for _ in range(n):
        pair = _part(a, dim, 1, None), _part(a, dim, None, -1)
        a = not_equal(*pair) if a.larray.dtype is torch.bool else subtract(*pair)
    return a


def _extended(a: DNDarray, dim: int, before: Any, behind: Any) -> DNDarray:
    """The array with more values at both ends of an axis."""
    ends = [_end_of(a, dim, value) for value in (before, behind)]
    given = [end for end in ends if end is not None]
    if not given:
        return a
    dtype = result_type(a, *given)
    a = astype(a, dtype, copy=False)
    local, layout = a.larray, a.layout
    for end, rank in ((ends[0], 0), (ends[1], a.comm.size - 1)):
        if end is None:
            continue
        whole = replicated(astype(end, dtype, copy=False))
        if layout.split is not None and layout.split != dim:
            whole = whole[
                tuple(
                    own if i == layout.split else slice(None)
                    for i, own in enumerate(layout.slices(a.comm.rank))
                )
            ]
        layout = lengthened(layout, dim, end.shape[dim], rank)
        if layout.split != dim or a.comm.rank == rank:
            parts = (local, whole) if end is ends[1] else (whole, local)
            local = torch.cat(parts, dim)
    return wrap(local, layout, a.comm)


def _end_of(a: DNDarray, dim: int, value: Any) -> DNDarray | None:
    if value is None:
        return None
    if isinstance(value, (list, tuple)):
        value = as_tensor(value)
    end = coerce(value, a.comm, a.larray.device)
    if not isinstance(end, DNDarray):
        dtype = result_type(a, end).torch
        end = coerce(torch.tensor(end, dtype=dtype), a.comm, a.larray.device)
        assert isinstance(end, DNDarray)
    shape = list(a.shape)
    if end.ndim == 0:
        shape[dim] = 1
        local = end.larray.expand(shape)
        end = coerce(local, a.comm, local.device)
        assert isinstance(end, DNDarray)
    shape[dim] = end.shape[dim] if end.ndim == a.ndim else -1
    if end.shape != tuple(shape):
        raise ValueError(f"shape {end.shape} does not fit at the end of {a.shape} along axis {dim}")
    return end


def ediff1d(a: DNDarray, to_end: Any = None, to_begin: Any = None) -> DNDarray:
    """Differences of neighbours in the flattened array. Collective.

    Parameters
    ----------
    a : DNDarray
    to_end, to_begin : scalar or array_like, optional
        Values behind and before the differences, of a type that fits that of ``a``.
    """
    x = flattened(a)
    result = diff(x) if x.size else x
    ends = [_flat_end(x, value) for value in (to_begin, to_end)]
    return astype(_extended(result, 0, *ends), x.dtype, copy=False)


def _flat_end(x: DNDarray, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, DNDarray):
        return flattened(value)
    return torch.as_tensor(value).reshape(-1).to(x.larray)


def trapezoid(y: DNDarray, x: Any = None, dx: Any = 1.0, axis: int = -1) -> DNDarray:
    """Integral by the trapezoidal rule along an axis. Collective if it is the split axis.

    Parameters
    ----------
    y : DNDarray
    x : array_like, optional
        Where ``y`` was sampled: of its shape, or one coordinate for each position of ``axis``.
    dx : scalar
        Distance of the samples if ``x`` is not given.
    axis : int
    """
    dim = normalize_axis(axis, y.ndim)
    y = astype(y, float_type(y.dtype), copy=False)
    width: Any = dx
    if x is not None:
        points = _coordinates(x, y)
        width = diff(points, axis=dim if points.ndim == y.ndim else -1)
        if points.ndim == 1 < y.ndim:
            width = expand_dims(width, [i for i in range(y.ndim) if i != dim])
    pairs = add(_part(y, dim, 1, None), _part(y, dim, None, -1))
    return divide(sum_(multiply(pairs, width), dim), 2)


def _coordinates(x: Any, like: DNDarray) -> DNDarray:
    given = as_tensor(x) if isinstance(x, (list, tuple)) else x
    points = coerce(given, like.comm, like.larray.device)
    if not isinstance(points, DNDarray):
        raise TypeError("coordinates are an array")
    return astype(points, float_type(points.dtype), copy=False)


def gradient(
    f: DNDarray, *varargs: Any, axis: int | Sequence[int] | None = None, edge_order: int = 1
) -> DNDarray | tuple[DNDarray, ...]:
    """Derivatives by central differences, one-sided at the edges. Collective.

    Parameters
    ----------
    f : DNDarray
    *varargs : scalar or array_like of one axis
        Distance of the samples, or their coordinates: one for all axes, or one for each.
    axis : int, sequence of int or None
        None: all.
    edge_order : {1, 2}
        Accuracy at the edges.

    Returns
    -------
    DNDarray or tuple of DNDarray
        A tuple for several axes; with the slabs of ``f``.
    """
    axes = sorted(normalize_axes(axis, f.ndim)) if axis is None else _in_order(axis, f.ndim)
    if edge_order not in (1, 2):
        raise ValueError(f"edge_order is 1 or 2, not {edge_order}")
    if len(varargs) not in (0, 1, len(axes)):
        raise TypeError(f"gradient takes 1 or {len(axes)} distances, not {len(varargs)}")
    if any(f.shape[a] < edge_order + 1 for a in axes):
        raise ValueError(f"a gradient needs at least {edge_order + 1} samples along each axis")
    distances = list(varargs or (1.0,)) * (1 if len(varargs) == len(axes) else len(axes))
    f = astype(f, float_type(f.dtype), copy=False)
    results = tuple(_derivative(f, a, h, edge_order) for a, h in zip(axes, distances, strict=True))
    return results[0] if len(axes) == 1 else results


def _in_order(axis: int | Sequence[int], ndim: int) -> list[int]:
    normalize_axes(axis, ndim)
    return [normalize_axis(a, ndim) for a in ([axis] if isinstance(axis, int) else axis)]


def _weights(dx1: Any, dx2: Any) -> tuple[Any, Any, Any]:
    """Of the left, middle and right sample in the derivative at the middle one."""
    total = dx1 + dx2
    return -dx2 / (dx1 * total), (dx2 - dx1) / (dx1 * dx2), dx1 / (dx2 * total)


def _derivative(f: DNDarray, dim: int, distance: Any, edge_order: int) -> DNDarray:
    steps, n = _steps(f, dim, distance), f.shape[dim]
    last, middle = n - 1, [_part(f, dim, i, i + n - 2) for i in (0, 1, 2)]
    if steps.numel() == 0 or bool((steps == steps[0]).all()):
        h = float(steps[0])
        inner = divide(subtract(middle[2], middle[0]), 2 * h)
    else:
        shape = [1] * f.ndim
        shape[dim] = -1
        factors = (w.reshape(shape).to(f.larray.dtype) for w in _weights(steps[:-1], steps[1:]))
        terms = [multiply(part, w) for part, w in zip(middle, factors, strict=True)]
        inner = add(add(terms[0], terms[1]), terms[2])
    first = _edge(f, dim, [0, 1, 2], steps[:2].tolist(), edge_order)
    final = _edge(f, dim, [last, last - 1, last - 2], (-steps[-2:]).flip(0).tolist(), edge_order)
    return to_layout(_extended(inner, dim, first, final), f.layout)


def _steps(f: DNDarray, dim: int, distance: Any) -> torch.Tensor:
    """Distances of neighbours along the axis, (n - 1,), on every rank. Replicates coordinates."""
    points = replicated(distance) if isinstance(distance, DNDarray) else torch.as_tensor(distance)
    points = points.to(torch.float64)
    if points.ndim == 0:
        return points.expand(f.shape[dim] - 1)
    if points.shape != (f.shape[dim],):
        raise ValueError(f"{tuple(points.shape)} coordinates for an axis of extent {f.shape[dim]}")
    return points.diff()


def _edge(
    f: DNDarray, dim: int, places: list[int], steps: list[float], edge_order: int
) -> DNDarray:
    """The derivative at an edge, from the samples at and next to it."""
    values = [_part(f, dim, i, i + 1) for i in places[: edge_order + 1]]
    values = [wrap(replicated(v), v.layout.with_split(None, f.comm.size), f.comm) for v in values]
    if edge_order == 1:
        return divide(subtract(values[1], values[0]), steps[0])
    h1, h2 = steps
    near, far = (h1 + h2) / (h1 * h2), -h1 / (h2 * (h1 + h2))
    terms = [multiply(v, w) for v, w in zip(values, (-near - far, near, far), strict=True)]
    return add(add(terms[0], terms[1]), terms[2])


def unwrap(
    p: DNDarray, discont: float | None = None, axis: int = -1, *, period: float = 2 * math.pi
) -> DNDarray:
    """Jumps of more than half a period replaced by the small steps. Collective along the split.

    Parameters
    ----------
    p : DNDarray
    discont : float, optional
        Jumps below this stay; at least, and by default, half the period.
    axis : int
    period : float

    Returns
    -------
    DNDarray
        Of floating-point type, laid out like ``p``.
    """
    dim = normalize_axis(axis, p.ndim)
    p = astype(p, float_type(p.dtype), copy=False)
    half = period / 2
    jump = diff(p, axis=dim, prepend=_part(p, dim, None, 1))
    small = subtract(remainder(add(jump, half), period), half)
    # At exactly half a period the sign of the jump decides.
    small = where(logical_and(equal(small, -half), greater(jump, 0)), half, small)
    correction = where(less(absolute(jump), max(half, discont or 0)), 0.0, subtract(small, jump))
    return add(p, cumsum(correction, dim))
