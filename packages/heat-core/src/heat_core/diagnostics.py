"""What this installation is, and how much memory a process uses."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from heat_core._version import __version__
from heat_core.comm import sanitize_comm
from heat_core.config import config

__all__ = ["MemoryUsage", "info", "memory_usage"]

_OPTIONAL = ("h5py", "netCDF4", "zarr", "pyarrow", "scipy")


@dataclass(frozen=True, slots=True)
class MemoryUsage:
    """Memory of one process, in bytes.

    Parameters
    ----------
    resident : int
        In main memory now.
    peak : int
        The most that there was in main memory.
    gpu : int
        Of the tensors on this process's GPU.
    """

    resident: int
    peak: int
    gpu: int


def memory_usage() -> MemoryUsage:
    """The memory that this process uses. Local.

    Examples
    --------
    >>> usage = ht.memory_usage()
    >>> usage.peak >= usage.resident > 0
    True
    """
    import resource

    in_kib = sys.platform != "darwin"
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1024 if in_kib else 1)
    status = Path("/proc/self/statm")
    now = most
    if status.exists():
        now = int(status.read_text().split()[1]) * resource.getpagesize()
    gpu = torch.cuda.memory_allocated() if torch.cuda.is_initialized() else 0
    return MemoryUsage(now, max(most, now), gpu)


def info(comm: Any = None) -> dict[str, str]:
    """Versions, MPI library, nodes, devices and optional libraries. Collective.

    Parameters
    ----------
    comm : Communicator, optional

    Returns
    -------
    dict of str
    """
    from mpi_utils.__main__ import describe

    comm = sanitize_comm(comm)
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "heat-core": __version__,
        **dict(describe(comm)),
        "GPUs": ", ".join(gpus) or "none",
        "default type": config.default_dtype,
        "file formats": ", ".join(map(_versioned, _OPTIONAL)),
    }


def _versioned(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"no {package}"
