"""Axes moved, added, removed and stretched; hardly any of it moves data between ranks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from heat_core.array.axes import normalize_axes, normalize_axis
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import replicated
from heat_core.dispatch.operands import broadcast_shapes
from heat_core.layout import Layout, canonical_layout

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_arrays",
    "broadcast_to",
    "expand_dims",
    "matrix_transpose",
    "moveaxis",
    "permute_dims",
    "rollaxis",
    "squeeze",
    "swapaxes",
    "transpose",
]


def transpose(a: DNDarray, axes: Sequence[int] | None = None) -> DNDarray:
    """Permute the axes. Local; a view, and the split follows its axis.

    Parameters
    ----------
    a : DNDarray
    axes : sequence of int, optional
        Axis ``i`` of the result is axis ``axes[i]`` of ``a``. Default: reverse order.
    """
    if axes is None:
        permutation = tuple(range(a.ndim))[::-1]
    else:
        permutation = tuple(normalize_axis(axis, a.ndim) for axis in axes)
        if sorted(permutation) != list(range(a.ndim)):
            raise ValueError(f"axes {tuple(axes)} are not a permutation of {a.ndim} axes")
    return wrap(a.larray.permute(permutation), a.layout.transpose(permutation), a.comm)


def permute_dims(x: DNDarray, axes: Sequence[int]) -> DNDarray:
    """``transpose`` with ``axes`` required, as in the array API standard. Local."""
    return transpose(x, axes)


def swapaxes(x: DNDarray, axis1: int, axis2: int) -> DNDarray:
    """Exchange two axes. Local; a view, and the split follows its axis."""
    first, second = normalize_axis(axis1, x.ndim), normalize_axis(axis2, x.ndim)
    axes = list(range(x.ndim))
    axes[first], axes[second] = second, first
    return transpose(x, axes)


def matrix_transpose(x: DNDarray) -> DNDarray:
    """Exchange the last two axes. Local; a view, and the split follows its axis."""
    if x.ndim < 2:
        raise ValueError(f"a matrix has two axes, an array of shape {x.shape} has fewer")
    return swapaxes(x, -2, -1)


def rollaxis(a: DNDarray, axis: int, start: int = 0) -> DNDarray:
    """Move ``axis`` before the axis that is at ``start`` now. Local; a view."""
    axis = normalize_axis(axis, a.ndim)
    before = a.ndim if start == a.ndim else normalize_axis(start, a.ndim)
    return moveaxis(a, axis, before - (axis < before))


def moveaxis(
    x: DNDarray, source: int | Sequence[int], destination: int | Sequence[int]
) -> DNDarray:
    """Move axes to other places. Local; a view, and the split follows its axis."""
    sources = [source] if isinstance(source, int) else list(source)
    targets = [destination] if isinstance(destination, int) else list(destination)
    moved = [normalize_axis(axis, x.ndim) for axis in sources]
    places = [normalize_axis(axis, x.ndim) for axis in targets]
    if not len(set(moved)) == len(moved) == len(set(places)) == len(places):
        raise ValueError("source and destination need the same number of distinct axes")
    axes = [axis for axis in range(x.ndim) if axis not in moved]
    for place, axis in sorted(zip(places, moved, strict=True)):
        axes.insert(place, axis)
    return transpose(x, axes)


def expand_dims(a: DNDarray, axis: int | Sequence[int]) -> DNDarray:
    """Add axes of extent 1. Local; a view.

    Parameters
    ----------
    a : DNDarray
    axis : int or sequence of int
        Places in the result.
    """
    places = [axis] if isinstance(axis, int) else list(axis)
    ndim = a.ndim + len(places)
    for place in sorted(normalize_axes(places, ndim)):
        a = wrap(a.larray.unsqueeze(place), a.layout.expand(place), a.comm)
    return a


def squeeze(x: DNDarray, axis: int | Sequence[int] | None = None) -> DNDarray:
    """Remove axes of extent 1. Collective if the split axis is one of them, else a view.

    Parameters
    ----------
    x : DNDarray
    axis : int, sequence of int or None
        ValueError if one has another extent than 1. None: all of extent 1.

    Returns
    -------
    DNDarray
        Replicated if the split axis is removed.
    """
    if axis is None:
        axes = frozenset(a for a, extent in enumerate(x.shape) if extent == 1)
    else:
        axes = normalize_axes(axis, x.ndim)
    if any(x.shape[a] != 1 for a in axes):
        raise ValueError(f"cannot remove axes {sorted(axes)} of shape {x.shape}: extent is not 1")
    local = replicated(x) if x.split in axes else x.larray
    return wrap(local.squeeze(tuple(axes)), x.layout.squeeze(axes), x.comm)


def broadcast_to(x: DNDarray, shape: int | Sequence[int]) -> DNDarray:
    """Stretch axes of extent 1, and put new ones in front. Local, a view of few elements.

    Collective if the split axis, of extent 1, is stretched: every rank then gets what the one
    owner holds, and canonical slabs.

    Parameters
    ----------
    x : DNDarray
    shape : int or tuple of int
        ValueError if ``x`` does not broadcast to it.
    """
    extents = (shape,) if isinstance(shape, int) else tuple(shape)
    if broadcast_shapes(x.shape, extents) != extents:
        raise ValueError(f"an array of shape {x.shape} does not broadcast to {extents}")
    if x.split is None:
        return wrap(x.larray.expand(extents), Layout(extents), x.comm)
    layout = x.layout.broadcast(extents)
    if layout is not None:
        return wrap(x.larray.expand(layout.lshape(x.comm.rank)), layout, x.comm)
    layout = canonical_layout(extents, x.split + len(extents) - x.ndim, x.comm.size)
    return wrap(replicated(x).expand(layout.lshape(x.comm.rank)), layout, x.comm)


def broadcast_arrays(*arrays: DNDarray) -> tuple[DNDarray, ...]:
    """All arrays stretched to their common shape, each with its own split; see ``broadcast_to``."""
    shape = broadcast_shapes(*(array.shape for array in arrays))
    return tuple(broadcast_to(array, shape) for array in arrays)


def _each(arrays: Sequence[DNDarray], places: Sequence[Sequence[int]]) -> Any:
    """With new axes at ``places[ndim]``; one array for one, a tuple for several, as in NumPy."""
    results = tuple(
        expand_dims(array, places[array.ndim]) if array.ndim < len(places) else array
        for array in arrays
    )
    return results[0] if len(results) == 1 else results


def atleast_1d(*arrays: DNDarray) -> Any:
    """Arrays of at least one axis; a tuple, if several are given. Local; views."""
    return _each(arrays, ((0,),))


def atleast_2d(*arrays: DNDarray) -> Any:
    """Arrays of at least two axes, new ones in front. Local; views."""
    return _each(arrays, ((0, 1), (0,)))


def atleast_3d(*arrays: DNDarray) -> Any:
    """Arrays of at least three axes: (n,) becomes (1, n, 1), (m, n) becomes (m, n, 1). Local."""
    return _each(arrays, ((0, 1, 2), (0, 2), (2,)))
