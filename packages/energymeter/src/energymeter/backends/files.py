"""Reading sensors that are small text files: one descriptor each, kept open, read with pread."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence

from energymeter.environment import Environment
from energymeter.sensors import RawReading, Status

__all__ = ["FileReader", "integer", "status_of"]

Parse = Callable[[bytes], tuple[int, int]]
FIRST_RETRY, LAST_RETRY = 1_000_000_000, 60_000_000_000
DENIED = (errno.EACCES, errno.EPERM)


def integer(text: bytes) -> tuple[int, int]:
    """A plain number; no time stamp of its own. Raises ValueError."""
    return int(text), 0


def status_of(error: OSError) -> Status:
    """What an operating system error means for a reading."""
    return Status.DENIED if error.errno in DENIED else Status.MISSING


class FileReader:
    """Reads the same files again and again.

    A file that disappears is opened again after 1 s, 2 s, ... 60 s. Text that is no number is read
    once more at once: a writer may just have been replacing it.

    Parameters
    ----------
    paths : sequence of str
    env : Environment
    parse : callable
        From the text to (raw value, time stamp in ns or 0); raises ValueError.
    """

    def __init__(self, paths: Sequence[str], env: Environment, parse: Parse = integer) -> None:
        self.paths, self.env, self.parse = paths, env, parse
        self.fds = [-1] * len(paths)
        self.failure = [Status.MISSING] * len(paths)
        self.retry_at = [0] * len(paths)
        self.wait = [FIRST_RETRY] * len(paths)
        for index in range(len(paths)):
            self._open(index)

    def _open(self, index: int) -> bool:
        try:
            self.fds[index] = self.env.open_fd(self.paths[index])
        except OSError as error:
            self._broken(index, error)
            return False
        self.wait[index] = FIRST_RETRY
        return True

    def _broken(self, index: int, error: OSError) -> None:
        if self.fds[index] >= 0:
            os.close(self.fds[index])
            self.fds[index] = -1
        self.failure[index] = status_of(error)
        self.retry_at[index] = self.env.monotonic_ns() + self.wait[index]
        self.wait[index] = min(2 * self.wait[index], LAST_RETRY)

    def read_one(self, index: int) -> RawReading:
        """The reading of one file."""
        if self.fds[index] < 0 and (
            self.env.monotonic_ns() < self.retry_at[index] or not self._open(index)
        ):
            return None, self.failure[index], 0
        for _ in range(2):
            try:
                value, stamp = self.parse(os.pread(self.fds[index], 256, 0))
            except ValueError:
                continue
            except OSError as error:
                self._broken(index, error)
                return None, self.failure[index], 0
            return (value, Status.OK, stamp) if value >= 0 else (None, Status.INVALID, 0)
        return None, Status.INVALID, 0

    def read(self) -> list[RawReading]:
        """One reading for each file."""
        return [self.read_one(index) for index in range(len(self.fds))]

    def close(self) -> None:
        """Close all descriptors."""
        for fd in self.fds:
            if fd >= 0:
                os.close(fd)
        self.fds = [-1] * len(self.fds)
