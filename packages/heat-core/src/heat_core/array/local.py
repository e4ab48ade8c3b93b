"""What a rank does with its own part, and with the device of it."""

from __future__ import annotations

from typing import Any

import torch

from heat_core.array.dlpack import to_device
from heat_core.array.dndarray import DNDarray
from heat_core.devices import cpu as cpu_device
from heat_core.devices import gpu as gpu_device

__all__ = ["LocalAccess", "cpu", "gpu", "lloc"]


class LocalAccess:
    """Reads and writes the local tensor by local positions: ``x.lloc[0]``. Local."""

    __slots__ = ("_array",)

    def __init__(self, array: DNDarray) -> None:
        self._array = array

    def __getitem__(self, key: Any) -> torch.Tensor:
        return self._array.larray[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._array.larray[key] = value.larray if isinstance(value, DNDarray) else value


def lloc(x: DNDarray) -> LocalAccess:
    """Access to the local tensor by local positions. Local."""
    return LocalAccess(x)


def cpu(x: DNDarray) -> DNDarray:
    """The array in main memory; itself if it is there. Local."""
    return to_device(x, cpu_device)


def gpu(x: DNDarray) -> DNDarray:
    """The array on the GPU of each rank. Collective on the first call."""
    return to_device(x, gpu_device(x.comm))
