"""Operands of a function: what users may pass, and how different layouts are brought together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import replicated
from heat_core.comm import Communicator, get_comm
from heat_core.devices import get_device
from heat_core.dtypes import from_torch
from heat_core.layout import Layout, replicated_layout
from heat_core.layout.execute import relayout

__all__ = [
    "Operand",
    "Scalar",
    "as_array",
    "as_tensor",
    "broadcast_shapes",
    "coerce",
    "common_comm",
    "common_device",
    "local_operand",
    "target_layout",
]

Scalar: TypeAlias = bool | int | float | complex
Operand: TypeAlias = DNDarray | Scalar


def as_tensor(obj: Any) -> torch.Tensor:
    """A tensor of a NumPy array, a tensor or nested sequences; shares memory where it can."""
    if isinstance(obj, torch.Tensor):
        if obj.dtype not in from_torch:
            raise TypeError(f"there are no arrays of {obj.dtype}")
        return obj.detach()
    array = np.asarray(obj)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype.kind not in "biufc" or array.dtype.itemsize > (
        16 if array.dtype.kind == "c" else 8
    ):
        raise TypeError(f"there are no arrays of {array.dtype}")
    if array.dtype.char in "qQ":
        # NumPy's second type of 64 bits, of large Python integers, which torch does not know.
        array = array.view(np.int64 if array.dtype.kind == "i" else np.uint64)
    if any(step < 0 for step in array.strides) or not array.flags.writeable:
        array = array.copy()
    return torch.from_numpy(array)


def common_comm(operands: Sequence[Any]) -> Communicator:
    """The communicator of the arrays among the operands; ValueError if they have several."""
    comm: Communicator | None = None
    for operand in operands:
        if isinstance(operand, DNDarray):
            if comm is None:
                comm = operand.comm
            elif operand.comm is not comm and operand.comm.handle != comm.handle:
                raise ValueError("the operands have different communicators")
    return get_comm() if comm is None else comm


def common_device(operands: Sequence[Any]) -> torch.device:
    """The device of the first array among the operands; that of new arrays if there is none."""
    for operand in operands:
        if isinstance(operand, DNDarray):
            return operand.larray.device
    return get_device().torch_device


def coerce(obj: Any, comm: Communicator, device: torch.device | None = None) -> Operand:
    """An array or a Python scalar. Tensors and NumPy arrays are taken as replicated.

    ``device`` is where they go; default: the one of new arrays.

    Raises
    ------
    TypeError
        If it is neither.
    """
    if isinstance(obj, DNDarray):
        return obj
    # NumPy's float64 is a Python float, too, but has a type of its own.
    if isinstance(obj, (bool, int, float, complex)) and not isinstance(obj, np.generic):
        return obj
    if not isinstance(obj, (np.ndarray, np.generic, torch.Tensor)):
        raise TypeError(
            "operands are arrays, tensors, NumPy arrays or Python scalars, "
            f"not {type(obj).__name__}"
        )
    tensor = as_tensor(obj).to(get_device().torch_device if device is None else device)
    return wrap(tensor, replicated_layout(tuple(tensor.shape)), comm)


def as_array(obj: Any, *others: Any) -> DNDarray:
    """``obj`` as an array, where the arrays among ``others`` are. Local.

    Of anything that ``as_tensor`` takes; an empty list becomes one of integers.
    """
    if isinstance(obj, DNDarray):
        return obj
    is_empty = isinstance(obj, (list, tuple)) and not obj
    tensor = torch.empty(0, dtype=torch.int64) if is_empty else as_tensor(obj)
    array = coerce(tensor, common_comm(others), common_device(others))
    assert isinstance(array, DNDarray)
    return array


def broadcast_shapes(*shapes: Sequence[int]) -> tuple[int, ...]:
    """The shape to which all shapes broadcast. Local.

    Raises
    ------
    ValueError
        If there is none.
    """
    result: list[int] = [1] * max((len(shape) for shape in shapes), default=0)
    for shape in shapes:
        for axis, extent in enumerate(shape, start=len(result) - len(shape)):
            if result[axis] == 1:
                result[axis] = extent
            elif extent not in (1, result[axis]):
                listed = ", ".join(str(tuple(shape)) for shape in shapes)
                raise ValueError(f"shapes {listed} do not broadcast")
    return tuple(result)


def target_layout(arrays: Sequence[DNDarray], shape: tuple[int, ...]) -> Layout:
    """The layout of the result: that of the largest distributed operand that is not stretched."""
    best: Layout | None = None
    most_bytes = -1
    for array in arrays:
        layout = array.layout.broadcast(shape)
        if layout is not None and array.nbytes > most_bytes:
            best, most_bytes = layout, array.nbytes
    return replicated_layout(shape) if best is None else best


def local_operand(array: DNDarray, target: Layout) -> torch.Tensor:
    """The local tensor of ``array`` that broadcasts to this rank's part of ``target``.

    Collective if the layouts differ and ``array`` is distributed.
    """
    source = array.layout
    if target.split is None:
        return replicated(array)
    axis = target.split - target.ndim + array.ndim
    if axis < 0 or array.shape[axis] != target.gshape[target.split]:
        # Stretched along the split axis: every rank needs the whole.
        return replicated(array)
    if source.split == axis and source.counts == target.counts:
        return array.larray
    wanted = Layout(source.gshape, axis, target.counts)
    return relayout(array.comm, array.larray, source, wanted)
