"""Exchange of tensors with other libraries in the process through DLPack, and moves of devices."""

from __future__ import annotations

from typing import Any

import torch
import torch.utils.dlpack

from heat_core.array.conversion import astype
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.comm import sanitize_comm
from heat_core.devices import sanitize_device
from heat_core.layout import replicated_layout

__all__ = ["dlpack", "dlpack_device", "from_dlpack", "to_device"]


def dlpack_device(x: DNDarray, /) -> tuple[Any, int]:
    """The device of the local tensor in DLPack's terms. Local."""
    kind, index = x.larray.__dlpack_device__()
    return kind, index


def dlpack(
    x: DNDarray,
    /,
    *,
    stream: Any = None,
    max_version: tuple[int, int] | None = None,
    dl_device: tuple[Any, int] | None = None,
    copy: bool | None = None,
) -> Any:
    """A DLPack capsule of the array; arguments as in the array API standard. Local.

    Raises
    ------
    BufferError
        If the ranks hold different parts: no process has the array that the reader would expect.
    """
    if x.is_distributed():
        raise BufferError(
            "a distributed array has no DLPack capsule: take x.larray or resplit(x, None)"
        )
    return x.larray.__dlpack__(
        stream=stream, max_version=max_version, dl_device=dl_device, copy=copy
    )


def from_dlpack(
    x: Any, /, *, device: object = None, copy: bool | None = None, comm: Any = None
) -> DNDarray:
    """The array of another library's, the same on all ranks; replicated. Local.

    Parameters
    ----------
    x : object with ``__dlpack__``
    device : {"cpu", "gpu"} or Device, optional
        Default: that of ``x``.
    copy : bool or None
        True: never share memory with ``x``; None: share where possible; False: ValueError where
        it is not.
    comm : Communicator, optional
    """
    if isinstance(x, DNDarray):
        moved = to_device(x, x.device if device is None else device)
        if copy is False and moved is not x:
            raise ValueError("cannot move the array to another device without a copy")
        return astype(moved, moved.dtype, copy=bool(copy) and moved is x)
    comm = sanitize_comm(comm)
    source = torch.utils.dlpack.from_dlpack(x)
    target = source.device if device is None else sanitize_device(device, comm).torch_device
    tensor = source.to(target)
    if copy is False and tensor is not source:
        raise ValueError("cannot move the array to another device without a copy")
    if copy and tensor is source:
        tensor = tensor.clone(memory_format=torch.contiguous_format)
    return wrap(tensor, replicated_layout(tuple(tensor.shape)), comm)


def to_device(x: DNDarray, device: object, /, *, stream: Any = None) -> DNDarray:
    """The array with its local tensors on a device; itself if they are there. Local.

    Parameters
    ----------
    x : DNDarray
    device : {"cpu", "gpu"} or Device
    stream : torch.cuda.Stream, optional
        On which the copy is made; default: the current one.
    """
    target = sanitize_device(device, x.comm).torch_device
    if x.larray.device == target:
        return x
    with torch.cuda.stream(stream):
        return wrap(x.larray.to(target), x.layout, x.comm)
