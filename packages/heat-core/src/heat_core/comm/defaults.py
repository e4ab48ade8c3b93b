"""Communicators that exist from the first use on: importing starts no MPI."""

from __future__ import annotations

from functools import lru_cache

from heat_core.comm.communicator import Communicator, get_comm

__all__ = ["lazy"]


@lru_cache(maxsize=1)
def _alone() -> Communicator:
    from mpi4py import MPI

    return Communicator(MPI.COMM_SELF)


@lru_cache(maxsize=1)
def _world() -> Communicator:
    from mpi4py import MPI

    default = get_comm()
    same = MPI.Comm.Compare(default.handle, MPI.COMM_WORLD) in (MPI.IDENT, MPI.CONGRUENT)
    return default if same else Communicator()


def lazy(name: str) -> Communicator:
    """``MPI_WORLD``, collective on the first use, or ``MPI_SELF``."""
    if name == "MPI_WORLD":
        return _world()
    if name == "MPI_SELF":
        return _alone()
    raise AttributeError(f"module 'heat_core' has no attribute {name!r}")
