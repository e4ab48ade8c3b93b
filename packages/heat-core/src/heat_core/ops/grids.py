"""Arrays that are functions of positions: logarithmic ranges, grids, Vandermonde matrices."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from heat_core.array.conversion import convert
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.dispatch.operands import common_comm, local_operand
from heat_core.dtypes import canonical_heat_type, default_float, float64, int64, promote_types
from heat_core.layout import Layout
from heat_core.ops.creation import Shape, asarray, placed
from heat_core.ops.ranges import arange, linspace
from heat_core.ops.reshape import ravel
from heat_core.ops.shape import expand_dims

__all__ = ["fromfunction", "geomspace", "logspace", "meshgrid", "vander"]


def logspace(
    start: float,
    stop: float,
    num: int = 50,
    endpoint: bool = True,
    base: float = 10.0,
    dtype: object = None,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
) -> DNDarray:
    """Powers of ``base`` with evenly spaced exponents from ``start`` to ``stop``. Local.

    Other parameters as for ``linspace``.
    """
    exponents = linspace(start, stop, num, endpoint, False, float64, split, device, comm)
    assert isinstance(exponents, DNDarray)
    chosen = default_float() if dtype is None else canonical_heat_type(dtype)
    values = torch.pow(float(base), exponents.larray)
    return wrap(values.to(chosen.torch), exponents.layout, exponents.comm)


def geomspace(
    start: float,
    stop: float,
    num: int = 50,
    endpoint: bool = True,
    dtype: object = None,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
) -> DNDarray:
    """Values from ``start`` to ``stop`` with a constant ratio. Local.

    Parameters as for ``linspace``; ValueError if ``start`` or ``stop`` is 0, or their signs differ.
    """
    if start * stop <= 0:
        raise ValueError(f"there is no constant ratio from {start} to {stop}")
    exponents = linspace(0.0, 1.0, num, endpoint, False, float64, split, device, comm)
    assert isinstance(exponents, DNDarray)
    part = exponents.larray
    values = start * torch.exp(part * math.log(stop / start))
    # The ends are exact, whatever the rounding between.
    values = torch.where(part == 1, float(stop), values)
    chosen = default_float() if dtype is None else canonical_heat_type(dtype)
    return wrap(values.to(chosen.torch), exponents.layout, exponents.comm)


def meshgrid(*arrays: Any, indexing: str = "xy", copy: bool = True) -> tuple[DNDarray, ...]:
    """Coordinates of a grid, of its axes. Collective if more than one array is distributed.

    Parameters
    ----------
    *arrays : array_like
        With one axis, or none.
    indexing : {"xy", "ij"}
        "ij": array ``i`` varies along axis ``i``; "xy": the first two are exchanged.
    copy : bool
        False: views, in which many elements share memory.

    Returns
    -------
    tuple of DNDarray
        All with the same layout: split along the axis of the first distributed array. The others
        are brought to every rank, as far as it needs them.
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"indexing is 'xy' or 'ij', not {indexing!r}")
    comm = common_comm(arrays)
    vectors = [ravel(a if isinstance(a, DNDarray) else asarray(a, comm=comm)) for a in arrays]
    axes = list(range(len(vectors)))
    if indexing == "xy" and len(axes) > 1:
        axes[:2] = 1, 0
    shape = [0] * len(vectors)
    for vector, axis in zip(vectors, axes, strict=True):
        shape[axis] = vector.size
    leader = next(((v, a) for v, a in zip(vectors, axes, strict=True) if v.split is not None), None)
    layout = Layout(tuple(shape))
    if leader is not None:
        layout = Layout(tuple(shape), leader[1], leader[0].layout.counts)
    grids = []
    for vector, axis in zip(vectors, axes, strict=True):
        line = expand_dims(vector, tuple(a for a in range(len(shape)) if a != axis))
        grid = local_operand(line, layout).expand(layout.lshape(comm.rank))
        grids.append(wrap(grid.contiguous() if copy else grid, layout, comm))
    return tuple(grids)


def vander(
    x: Any,
    N: int | None = None,
    increasing: bool = False,
) -> DNDarray:
    """The matrix of powers of ``x``: a row for each element, a column for each power. Local.

    Parameters
    ----------
    x : DNDarray, (n,)
    N : int, optional
        Number of columns; as many as rows by default.
    increasing : bool
        Whether the powers 0, 1, 2, ... ascend or descend.
    """
    if x.ndim != 1:
        raise ValueError(f"vander needs one axis, the array has shape {x.shape}")
    columns = x.size if N is None else N
    if columns < 0:
        raise ValueError(f"a matrix has no {columns} columns")
    dtype = promote_types(x.dtype, int64)
    layout = Layout((x.size, columns), x.split, x.layout.counts)
    powers = convert(x.larray, dtype.torch)[:, None].repeat(1, columns)
    powers[:, :1] = 1
    powers = powers.cumprod(1)
    return wrap(powers if increasing else powers.flip(1), layout, x.comm)


def fromfunction(
    function: Callable[..., Any],
    shape: Shape,
    *,
    dtype: object = None,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
    **kwargs: Any,
) -> Any:
    """What ``function`` returns for the coordinates of all elements. Local, if ``function`` is.

    Parameters
    ----------
    function : callable
        Called once with one array per axis, of full shape and with slabs along ``split``.
    shape : int or tuple of int
    dtype : data type, optional
        Of the coordinates; default: the default floating-point type.
    split : int or None
    device : {"cpu", "gpu"} or Device, optional
    comm : Communicator, optional
    **kwargs
        Passed to ``function``.
    """
    layout, comm, _, _ = placed(shape, split, device, comm)
    chosen = default_float() if dtype is None else dtype
    grids = []
    for axis, extent in enumerate(layout.gshape):
        along = 0 if axis == layout.split else None
        line = arange(extent, dtype=chosen, split=along, device=device, comm=comm)
        spread = expand_dims(line, tuple(a for a in range(layout.ndim) if a != axis))
        local = local_operand(spread, layout).expand(layout.lshape(comm.rank))
        grids.append(wrap(local, layout, comm))
    return function(*grids, **kwargs)
