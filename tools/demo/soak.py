"""What the ranks of a long run hold: memory, open files and threads must not grow."""

from __future__ import annotations

import threading
from typing import Any

import psutil

__all__ = ["Usage"]


class Usage:
    """Counts what every rank uses after each round, and prints the largest on rank 0.

    Parameters
    ----------
    comm : Communicator
    """

    def __init__(self, comm: Any) -> None:
        self._comm, self._process, self._rounds = comm, psutil.Process(), 0

    def add(self) -> None:
        """A round is over. Collective."""
        process = self._process
        own = (process.memory_info().rss >> 20, process.num_fds(), threading.active_count())
        everyone = self._comm.handle.allgather(own)
        self._rounds += 1
        if self._comm.rank == 0:
            memory, files, threads = (max(values) for values in zip(*everyone, strict=True))
            print(
                f"round {self._rounds}: at most {memory} MiB, {files} open files, "
                f"{threads} threads a rank",
                flush=True,
            )
