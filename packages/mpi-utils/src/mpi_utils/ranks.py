"""Things that one rank does for all."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from mpi_utils.communicator import Communicator, world
from mpi_utils.errors import MPIUnavailableError

P = ParamSpec("P")
R = TypeVar("R")


def rank_and_size(comm: Communicator | None = None) -> tuple[int, int]:
    """(rank, size) in `comm`, by default in the world; (0, 1) on a machine without MPI.

    Collective if `comm` is left out, for the first time in a program.
    """
    try:
        comm = comm or world()
    except MPIUnavailableError:
        return 0, 1
    return comm.rank, comm.size


def is_rank_zero(comm: Communicator | None = None) -> bool:
    """Whether this is rank 0 of `comm`, by default of the world."""
    return rank_and_size(comm)[0] == 0


def rank_zero(fn: Callable[P, R]) -> Callable[P, R | None]:
    """Make a function run on rank 0 of the world only, and return None elsewhere."""

    @functools.wraps(fn)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R | None:
        return fn(*args, **kwargs) if is_rank_zero() else None

    return wrapper
