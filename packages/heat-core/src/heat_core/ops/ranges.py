"""Arrays computed from the global index of their elements."""

from __future__ import annotations

import math
from typing import Any

import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.comm import Communicator
from heat_core.dtypes import DType, canonical_heat_type, default_float
from heat_core.layout import Layout
from heat_core.ops.creation import Shape, placed, shape_of

__all__ = ["arange", "eye", "identity", "linspace"]


def _indices(layout: Layout, axis: int, comm: Communicator, device: torch.device) -> torch.Tensor:
    """Global indices of this rank along ``axis``, int64."""
    start = layout.slices(comm.rank)[axis].start
    return torch.arange(start, start + layout.lshape(comm.rank)[axis], device=device)


def arange(
    start: Any,
    stop: Any = None,
    step: Any = 1,
    *,
    dtype: object = None,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
) -> DNDarray:
    """Evenly spaced values of ``[start, stop)``. Local.

    Parameters
    ----------
    start, stop, step : int or float
        One number is ``stop``, with start 0.
    dtype : data type, optional
        Default: int64 if all numbers are integers, else floating-point.
    split : int or None
        0 or None.
    device : {"cpu", "gpu"} or Device, optional
    comm : Communicator, optional

    Returns
    -------
    DNDarray
        Element ``i`` is ``start + i * step``, whatever rank holds it.
    """
    if stop is None:
        start, stop = 0, start
    if step == 0:
        raise ValueError("step is 0")
    integers = all(isinstance(number, int) for number in (start, stop, step))
    exact = -((start - stop) // step) if integers else math.ceil((stop - start) / step)
    layout, comm, _, where = placed(max(0, exact), split, device, comm)
    positions = _indices(layout, 0, comm, where)
    values = positions * step + start if integers else positions.double() * step + start
    chosen: DType | None = None if dtype is None else canonical_heat_type(dtype)
    if chosen is None:
        return wrap(values if integers else values.to(default_float().torch), layout, comm)
    return wrap(values.to(chosen.torch), layout, comm)


def linspace(
    start: float,
    stop: float,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: object = None,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
) -> DNDarray | tuple[DNDarray, float]:
    """Evenly spaced values from ``start`` to ``stop``. Local.

    Parameters
    ----------
    start, stop : float
    num : int
        Number of values.
    endpoint : bool
        Whether ``stop`` is the last value.
    retstep : bool
        Return the spacing, too.
    dtype : data type, optional
        Default: the default floating-point type.
    split : int or None
        0 or None.
    device : {"cpu", "gpu"} or Device, optional
    comm : Communicator, optional
    """
    layout, comm, _, where = placed(num, split, device, comm)
    intervals = num - 1 if endpoint else num
    spacing = (stop - start) / intervals if intervals > 0 else math.nan
    positions = _indices(layout, 0, comm, where)
    values = positions.double() * (0.0 if intervals <= 0 else spacing) + start
    if endpoint and num > 1:
        values = torch.where(positions == num - 1, float(stop), values)
    chosen = default_float() if dtype is None else canonical_heat_type(dtype)
    result = wrap(values.to(chosen.torch), layout, comm)
    return (result, spacing) if retstep else result


def eye(
    shape: Shape,
    n_cols: int | None = None,
    k: int = 0,
    dtype: object = None,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
) -> DNDarray:
    """A matrix with ones on a diagonal. Local.

    Parameters
    ----------
    shape : int or (int, int)
        Number of rows, or of rows and columns.
    n_cols : int, optional
        Number of columns; default: as many as rows.
    k : int
        The diagonal: 0 main, positive above.
    dtype : data type, optional
        Default: the default floating-point type.
    split : int or None
    device : {"cpu", "gpu"} or Device, optional
    comm : Communicator, optional
    """
    rows, *rest = shape_of(shape)
    columns = rest[0] if rest else rows if n_cols is None else n_cols
    layout, comm, _, where = placed((rows, columns), split, device, comm)
    row = _indices(layout, 0, comm, where)
    column = _indices(layout, 1, comm, where)
    k = max(-rows, min(columns, k))  # beyond the matrix all diagonals are alike
    chosen = default_float() if dtype is None else canonical_heat_type(dtype)
    return wrap((row[:, None] + k == column).to(chosen.torch), layout, comm)


def identity(
    n: int,
    dtype: object = None,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
) -> DNDarray:
    """The identity matrix of order ``n``; parameters as for ``eye``. Local."""
    return eye(n, dtype=dtype, split=split, device=device, comm=comm)
