"""What one rank does and says for all: functions of rank 0, loggers, a progress bar."""

from __future__ import annotations

import contextlib
import functools
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import ParamSpec, TypeVar

from mpi_utils.communicator import Communicator, world
from mpi_utils.runtime import MPIUnavailableError

P = ParamSpec("P")
T = TypeVar("T")


def _rank_and_size(comm: Communicator | None) -> tuple[int, int]:
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
    return _rank_and_size(comm)[0] == 0


def rank_zero(fn: Callable[P, T]) -> Callable[P, T | None]:
    """Make a function run on rank 0 of the world only, and return None elsewhere."""

    @functools.wraps(fn)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T | None:
        return fn(*args, **kwargs) if is_rank_zero() else None

    return wrapper


def _add_rank(rank: int, size: int, record: logging.LogRecord) -> bool:
    record.rank, record.size = rank, size
    return True


def get_logger(
    name: str,
    comm: Communicator | None = None,
    *,
    level: int | str = logging.INFO,
    levels: Mapping[int, int | str] | None = None,
) -> logging.Logger:
    """The logger `name`, with ``rank`` and ``size`` in each of its records.

    Parameters
    ----------
    name : str
    comm : Communicator, optional
        Default: the world.
    level : int or str
        Level of rank 0; the other ranks log warnings and worse.
    levels : mapping of int to level, optional
        Other levels for single ranks, such as ``{3: "DEBUG"}``.

    Examples
    --------
    >>> import logging
    >>> from mpi_utils import get_logger
    >>> logging.basicConfig(format="[%(rank)d/%(size)d] %(message)s")
    >>> get_logger("simulation").info("started")
    """
    rank, size = _rank_and_size(comm)
    logger = logging.getLogger(name)
    logger.filters = [f for f in logger.filters if getattr(f, "func", None) is not _add_rank]
    logger.addFilter(functools.partial(_add_rank, rank, size))
    logger.setLevel((levels or {}).get(rank, level if rank == 0 else logging.WARNING))
    return logger


def progress(
    iterable: Iterable[T],
    comm: Communicator | None = None,
    *,
    total: int | None = None,
    description: str = "",
) -> Iterator[T]:
    """Yield from `iterable`, with a bar on the standard error of rank 0.

    Silent on other ranks, where standard error is no terminal, and without the extra
    ``mpi-utils[progress]`` (rich).

    Parameters
    ----------
    iterable : iterable
    comm : Communicator, optional
        Default: the world.
    total : int, optional
        Default: the length of `iterable`, if it has one.
    description : str
        Stands before the bar.
    """
    if sys.stderr.isatty() and is_rank_zero(comm):
        with contextlib.suppress(ImportError):
            from rich.console import Console
            from rich.progress import track

            iterable = track(iterable, description, total=total, console=Console(stderr=True))
    yield from iterable
