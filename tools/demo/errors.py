"""What the user can put right, said in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mpi_utils import RemoteError

__all__ = ["DemoError", "user_errors"]


class DemoError(Exception):
    """A problem that the user can solve, such as a missing file; raised on all ranks together."""


@contextmanager
def user_errors() -> Iterator[None]:
    """Say what is wrong with a file in one line, where all ranks fail together."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise DemoError(_describe(error)) from error


def _describe(error: Exception) -> str:
    if isinstance(error, RemoteError):
        return f"{' '.join(error.message.split())} (on rank {error.rank})"
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.strerror}: {error.filename}"
    return " ".join(str(error).split())
