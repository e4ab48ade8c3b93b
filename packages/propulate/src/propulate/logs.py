"""Showing what a search logs."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from mpi_utils import MPIUnavailableError, world

__all__ = ["set_logger_config"]

_MARK = "_propulate_handler"
_COLOURS = {logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "31;1"}


class _Formatter(logging.Formatter):
    def __init__(self, rank: int | None, *, colours: bool) -> None:
        place = "" if rank is None else f" rank {rank}"
        super().__init__(f"%(asctime)s{place} %(name)s %(levelname)s: %(message)s")
        self.colours = colours

    def format(self, record: logging.LogRecord) -> str:
        """The line, coloured from warnings on."""
        text = super().format(record)
        colour = _COLOURS.get(record.levelno) if self.colours else None
        return text if colour is None else f"\033[{colour}m{text}\033[0m"


def set_logger_config(
    level: int | str = logging.INFO,
    log_file: str | Path | None = None,
    log_to_stdout: bool = True,
    log_rank: bool = False,
    colors: bool = True,
) -> logging.Logger:
    """Send what searches log to the terminal and to a file; calling it again replaces that.

    Rank 0 of a search logs its progress, other ranks only warnings.

    Parameters
    ----------
    level : int or str
    log_file : path, optional
        All ranks append to it.
    log_to_stdout : bool
    log_rank : bool
        Say the rank in each line.
    colors : bool
        Of warnings and errors, on a terminal.

    Returns
    -------
    logging.Logger
        Named ``propulate``.
    """
    rank = None
    if log_rank:
        try:
            rank = world().rank
        except MPIUnavailableError:
            rank = 0
    logger = logging.getLogger("propulate")
    for handler in [h for h in logger.handlers if hasattr(h, _MARK)]:
        logger.removeHandler(handler)
        handler.close()
    handlers: list[logging.Handler] = []
    if log_to_stdout:
        handlers.append(logging.StreamHandler(sys.stdout))
        handlers[0].setFormatter(_Formatter(rank, colours=colors and sys.stdout.isatty()))
    if log_file is not None:
        Path(log_file).parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(log_file))
        handlers[-1].setFormatter(_Formatter(rank, colours=False))
    for handler in handlers:
        setattr(handler, _MARK, True)
        logger.addHandler(handler)
    logger.setLevel(level)
    return logger
