"""torch.distributed among the ranks that evaluate a candidate together.

Needs the extra ``propulate[torch]``.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from mpi_utils import Communicator, collective

__all__ = ["local_device", "process_group"]

_LOCAL_RANK = ("SLURM_LOCALID", "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID")


def local_device() -> torch.device:
    """The device of this rank: GPUs go by position on the node, as launchers tell; else the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    position = next((int(os.environ[name]) for name in _LOCAL_RANK if name in os.environ), 0)
    return torch.device("cuda", position % torch.cuda.device_count())


@contextmanager
def process_group(
    comm: Any, backend: str | None = None, timeout: float = 300.0
) -> Iterator[torch.device]:
    """The default process group of torch over the ranks of `comm`, in a block; gives the device.

    Collective. For loss functions with ``ranks_per_worker`` that train with
    ``DistributedDataParallel``. The port is a free one, so that workers don't meet each other.

    Parameters
    ----------
    comm : mpi4py communicator
        As the loss function gets it.
    backend : str, optional
        Default "nccl" with GPUs, else "gloo".
    timeout : float
        Seconds until an operation in which a rank is missing fails.
    """
    device, ours = local_device(), Communicator(comm)
    wait = timedelta(seconds=timeout)
    try:
        names = ours.handle.allgather(socket.gethostname())
        host = names[0] if len(set(names)) > 1 else "127.0.0.1"
        store, port = None, 0
        with collective(ours):
            if ours.rank == 0:  # takes a free port
                store = TCPStore(host, 0, ours.size, True, wait, wait_for_workers=False)
                port = store.port
        port = ours.handle.bcast(port)
        with collective(ours):
            store = store or TCPStore(host, port, ours.size, False, wait)
            kind = backend or ("nccl" if device.type == "cuda" else "gloo")
            dist.init_process_group(
                kind, store=store, rank=ours.rank, world_size=ours.size, timeout=wait
            )
    finally:
        ours.free()
    try:
        yield device
    finally:
        dist.destroy_process_group()
