"""Devices: the CPU, or the GPU that belongs to the rank."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from mpi_utils import Communicator

__all__ = ["Device", "cpu", "device_of", "get_device", "gpu", "sanitize_device", "use_device"]


@dataclass(frozen=True, slots=True)
class Device:
    """A device on which local tensors live.

    Parameters
    ----------
    device_type : str
        ``"cpu"`` or ``"gpu"``.
    device_id : int
    """

    device_type: str
    device_id: int = 0

    @property
    def torch_device(self) -> torch.device:
        """The device in torch's terms."""
        if self.device_type == "cpu":
            return torch.device("cpu")
        return torch.device("cuda", self.device_id)

    def __str__(self) -> str:
        return f"{self.device_type}:{self.device_id}"


cpu = Device("cpu")
_default: Device = cpu


@lru_cache(maxsize=64)
def device_of(device: torch.device) -> Device:
    """The device of a local tensor."""
    return cpu if device.type == "cpu" else Device("gpu", device.index or 0)


def gpu(comm: Communicator) -> Device:
    """The GPU of this rank: the rank within the node, modulo the GPUs that the node has.

    Collective on the first call for a communicator.
    """
    n_devices = torch.cuda.device_count()
    if n_devices == 0:
        raise ValueError("there is no GPU that torch can use on this machine")
    return Device("gpu", _node_rank(comm) % n_devices)


@lru_cache(maxsize=64)
def _node_rank(comm: Communicator) -> int:
    from mpi_utils import Topology

    return int(Topology(comm).node_rank)


def sanitize_device(device: object, comm: Communicator) -> Device:
    """The device that ``device`` names: None, "cpu", "gpu", "cuda", or a ``Device``."""
    if device is None:
        return _default
    if isinstance(device, Device):
        return device
    if isinstance(device, torch.device):
        return device_of(device)
    if device == "cpu":
        return cpu
    if device in ("gpu", "cuda"):
        return gpu(comm)
    raise ValueError(f"unknown device {device!r}; devices are 'cpu' and 'gpu'")


def get_device() -> Device:
    """The device of new arrays. Local."""
    return _default


def use_device(device: object) -> None:
    """Make ``device`` the one of new arrays. Collective for ``"gpu"``."""
    global _default  # noqa: PLW0603 - the one process-wide default
    from heat_core.comm import get_comm

    _default = sanitize_device(device, get_comm())
