"""Axes moved, added and removed; none of it moves data between ranks."""

from __future__ import annotations

from collections.abc import Sequence

from heat_core.array.axes import normalize_axes, normalize_axis
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import replicated

__all__ = ["expand_dims", "moveaxis", "permute_dims", "squeeze", "swapaxes", "transpose"]


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
