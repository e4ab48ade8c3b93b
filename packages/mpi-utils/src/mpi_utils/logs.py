"""Loggers that know their rank."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from mpi_utils.communicator import Communicator
from mpi_utils.ranks import rank_and_size


class _RankFilter(logging.Filter):
    """Adds ``rank`` and ``size`` to each record."""

    def __init__(self, rank: int, size: int) -> None:
        super().__init__()
        self.rank, self.size = rank, size

    def filter(self, record: logging.LogRecord) -> bool:
        record.rank, record.size = self.rank, self.size
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
    rank, size = rank_and_size(comm)
    logger = logging.getLogger(name)
    logger.filters = [f for f in logger.filters if not isinstance(f, _RankFilter)]
    logger.addFilter(_RankFilter(rank, size))
    logger.setLevel((levels or {}).get(rank, level if rank == 0 else logging.WARNING))
    return logger
