"""A progress bar for all ranks."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from mpi_utils.communicator import Communicator
from mpi_utils.ranks import is_rank_zero

T = TypeVar("T")


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
    if not (sys.stderr.isatty() and is_rank_zero(comm)):
        yield from iterable
        return
    try:
        from rich.console import Console
        from rich.progress import track
    except ImportError:
        yield from iterable
        return
    yield from track(iterable, description, total=total, console=Console(stderr=True))
