"""The cross product."""

from __future__ import annotations

from typing import Any

from heat_core.array.axes import normalize_axis
from heat_core.array.dndarray import DNDarray
from heat_core.dispatch.operands import coerce, common_comm, common_device
from heat_core.ops.arithmetic import multiply, subtract
from heat_core.ops.joining import stack
from heat_core.ops.shape import moveaxis

__all__ = ["cross", "cross_of_axes"]


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> DNDarray:
    """The cross product of vectors of three components. Collective if layouts differ.

    Parameters
    ----------
    x1, x2 : array_like
        Broadcast against each other, except along ``axis``.
    axis : int
        Of extent 3 in both.

    Raises
    ------
    ValueError
        If ``axis`` has another extent.
    """
    comm = common_comm((x1, x2))
    device = common_device((x1, x2))
    a, b = coerce(x1, comm, device), coerce(x2, comm, device)
    if not isinstance(a, DNDarray) or not isinstance(b, DNDarray):
        raise TypeError("cross takes arrays, not scalars")
    ndim = max(a.ndim, b.ndim)
    place = normalize_axis(axis, ndim) - ndim
    if min(a.ndim, b.ndim) < -place or a.shape[place] != 3 or b.shape[place] != 3:
        raise ValueError(f"cross of shapes {a.shape} and {b.shape}: axis {axis} must have extent 3")
    return moveaxis(_components(moveaxis(a, place, 0), moveaxis(b, place, 0)), 0, place)


def cross_of_axes(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> DNDarray:
    """NumPy's ``cross``: the components may lie in different axes. Collective if layouts differ.

    Parameters
    ----------
    a, b : array_like
        Broadcast against each other without ``axisa`` and ``axisb``.
    axisa, axisb, axisc : int
        Axes of the components, of extent 3, of ``a``, ``b`` and the result.
    axis : int, optional
        All three.
    """
    comm = common_comm((a, b))
    device = common_device((a, b))
    x, y = coerce(a, comm, device), coerce(b, comm, device)
    if not isinstance(x, DNDarray) or not isinstance(y, DNDarray):
        raise TypeError("cross takes arrays, not scalars")
    places = (axisa, axisb, axisc) if axis is None else (axis,) * 3
    first = normalize_axis(places[0], x.ndim), normalize_axis(places[1], y.ndim)
    if x.shape[first[0]] != 3 or y.shape[first[1]] != 3:
        raise ValueError(
            f"cross of shapes {x.shape} and {y.shape}: axes {first} must have extent 3"
        )
    return moveaxis(_components(moveaxis(x, first[0], 0), moveaxis(y, first[1], 0)), 0, places[2])


def _components(a: DNDarray, b: DNDarray) -> DNDarray:
    """The product of vectors whose components number axis 0."""
    return stack(
        [subtract(multiply(a[i], b[j]), multiply(a[j], b[i])) for i, j in ((1, 2), (2, 0), (0, 1))]
    )
