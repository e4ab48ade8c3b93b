"""Arrays to Python scalars, to other types, and copies."""

from __future__ import annotations

import builtins
from typing import Any

import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import replicated
from heat_core.devices import sanitize_device
from heat_core.dtypes import canonical_heat_type, isdtype

__all__ = ["astype", "convert", "copy", "item", "to_bool", "to_complex", "to_float", "to_int"]


def item(x: DNDarray) -> Any:
    """The element of a one-element array as a Python scalar. Collective, local if replicated."""
    if x.size != 1:
        raise ValueError(f"item() needs one element; the array has shape {x.shape}")
    return replicated(x).item()


def _scalar(x: DNDarray) -> Any:
    if x.size != 1:
        raise TypeError(f"only an array of one element is a scalar; this one has shape {x.shape}")
    return item(x)


def to_bool(x: DNDarray) -> builtins.bool:
    """``bool(x)``."""
    return builtins.bool(_scalar(x))


def to_int(x: DNDarray) -> builtins.int:
    """``int(x)``."""
    return builtins.int(_scalar(x))


def to_float(x: DNDarray) -> builtins.float:
    """``float(x)``."""
    return builtins.float(_scalar(x))


def to_complex(x: DNDarray) -> builtins.complex:
    """``complex(x)``."""
    return builtins.complex(_scalar(x))


def to_index(x: DNDarray) -> builtins.int:
    """``operator.index(x)``: integer types only."""
    if not isdtype(x.dtype, "integral"):
        raise TypeError(f"an array of {x.dtype.name} is not an index")
    return builtins.int(_scalar(x))


def convert(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """The tensor in another type; itself if it has it. Complex to real drops the imaginary part."""
    if tensor.dtype is dtype:
        return tensor
    if tensor.is_complex() and not dtype.is_complex and dtype is not torch.bool:
        tensor = tensor.real
    return tensor.to(dtype)


def astype(x: DNDarray, dtype: object, /, copy: bool = True, *, device: object = None) -> DNDarray:
    """The array in another type. Local; same layout.

    Parameters
    ----------
    x : DNDarray
    dtype : data type
    copy : bool
        False: ``x`` itself is returned if it has the type and is on the device.
    device : {"cpu", "gpu"} or Device, optional
        Default: that of ``x``.
    """
    target = canonical_heat_type(dtype).torch
    if device is not None and sanitize_device(device, x.comm) != x.device:
        where = sanitize_device(device, x.comm).torch_device
        return wrap(convert(x.larray, target).to(where), x.layout, x.comm)
    if x.larray.dtype is target:
        return wrap(x.larray.clone(), x.layout, x.comm) if copy else x
    return wrap(convert(x.larray, target), x.layout, x.comm)


def copy(x: DNDarray) -> DNDarray:
    """A copy. Local; same layout."""
    return wrap(x.larray.clone(), x.layout, x.comm)
