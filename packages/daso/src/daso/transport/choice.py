"""Choosing a transport."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from daso.topology import Topology, is_mpi_job
from daso.transport.base import Transport
from daso.transport.throttle import throttled_from_env

__all__ = ["make_transport"]


def make_transport(
    transport: Transport | Literal["auto", "mpi", "torch", "single"] = "auto",
    topology: Topology | None = None,
    *,
    timeout_s: float = 300.0,
) -> Transport:
    """The transport of this job. Collective.

    Parameters
    ----------
    transport : Transport or {"auto", "mpi", "torch", "single"}
        ``"auto"``: torch.distributed if it is initialised or torchrun has started this process;
        else MPI if a launcher of MPI has; else a single process.
    topology : Topology, optional
    timeout_s : float
    """
    if isinstance(transport, Transport):
        return transport
    made: Transport
    from daso.transport.torchdist import is_torch_job, torch_transport

    if transport == "torch" or (transport == "auto" and is_torch_job()):
        made = torch_transport(topology, timeout_s=timeout_s)
    elif transport == "mpi" or (transport == "auto" and is_mpi_job()):
        from daso.transport.mpi import mpi_transport

        made = mpi_transport(topology)
    elif transport in ("auto", "single"):
        from daso.transport.inproc import inproc_transports

        (made,) = inproc_transports([0])
    else:
        raise ValueError(f"transport must be auto, mpi, torch or single, not {transport!r}")
    return replace(made, cross=throttled_from_env(made.cross))
