"""Frequencies of the points of a transform, and the order in which they stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from heat_core.array.axes import normalize_axes
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.dtypes import canonical_heat_type, default_float, isdtype
from heat_core.ops.creation import placed
from heat_core.ops.rearrange import roll

__all__ = ["fftfreq", "fftshift", "ifftshift", "rfftfreq"]


def _frequencies(
    n: int, d: float, dtype: object, split: int | None, device: object, comm: Any, *, real: bool
) -> DNDarray:
    if n < 1:
        raise ValueError(f"a transform needs at least one point, not {n}")
    chosen = default_float() if dtype is None else canonical_heat_type(dtype)
    if not isdtype(chosen, "real floating"):
        raise TypeError(f"frequencies are real floating-point numbers, not {chosen.name}")
    points = n // 2 + 1 if real else n
    layout, comm, lshape, where = placed((points,), split, device, comm)
    first = layout.offset(comm.rank)
    number = torch.arange(first, first + lshape[0], dtype=torch.float64, device=where)
    if not real:
        number = torch.where(number < (n + 1) // 2, number, number - n)
    return wrap((number / (n * d)).to(chosen.torch), layout, comm)


def fftfreq(
    n: int,
    /,
    d: float = 1.0,
    dtype: object = None,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
) -> DNDarray:
    """The frequencies of the points of ``fft``, zero first, then positive, then negative. Local.

    Parameters
    ----------
    n : int
        Number of points.
    d : float
        Distance of the samples.
    dtype : data type, optional
        Default: the default floating-point type.
    split : int or None
    device : {"cpu", "gpu"} or Device, optional
    comm : Communicator, optional

    Returns
    -------
    DNDarray, (n,)
    """
    return _frequencies(n, d, dtype, split, device, comm, real=False)


def rfftfreq(
    n: int,
    /,
    d: float = 1.0,
    dtype: object = None,
    split: int | None = None,
    device: object = None,
    comm: Any = None,
) -> DNDarray:
    """The frequencies of the points of ``rfft``, (n // 2 + 1,); see ``fftfreq``. Local."""
    return _frequencies(n, d, dtype, split, device, comm, real=True)


def _shifted(x: DNDarray, axes: int | Sequence[int] | None, sign: int) -> DNDarray:
    chosen = sorted(normalize_axes(axes, x.ndim))
    # Half of an odd extent is rounded down forwards, and up backwards.
    shifts = [sign * (x.shape[axis] // 2) for axis in chosen]
    return roll(x, shifts, chosen)


def fftshift(x: DNDarray, /, *, axes: int | Sequence[int] | None = None) -> DNDarray:
    """The zero frequency moved to the middle. Collective if the split axis is one of ``axes``.

    Parameters
    ----------
    x : DNDarray
    axes : int or sequence of int, optional
        Default: all.
    """
    return _shifted(x, axes, 1)


def ifftshift(x: DNDarray, /, *, axes: int | Sequence[int] | None = None) -> DNDarray:
    """``fftshift`` undone. Collective if the split axis is one of ``axes``."""
    return _shifted(x, axes, -1)
