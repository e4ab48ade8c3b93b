"""Operations in the background."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from mpi_utils.operations import Call
from mpi_utils.runtime import load_mpi

R = TypeVar("R")

#: Calls of dropped requests: MPI may still write to their memory, so it is never given back.
_abandoned: list[Any] = []


class Request(Generic[R]):
    """A started operation. It keeps all of its memory alive until it is complete.

    Parameters
    ----------
    calls : list of Call
        The operation last, after the pieces that it was cut into.
    mpi_requests : list of mpi4py.MPI.Request
    before_wait : callable
        Runs before the first look at `mpi_requests`; gives a context manager to wait in.
    """

    def __init__(
        self, calls: list[Call[Any]], mpi_requests: list[Any], before_wait: Callable[[], Any]
    ) -> None:
        self._calls = calls
        self._mpi_requests = mpi_requests
        self._before_wait = before_wait
        self._result: Any = None
        self._complete = False

    def wait(self) -> R:
        """Block until the operation is complete, and return its result."""
        if not self._complete:
            with self._before_wait():
                load_mpi().Request.Waitall(self._mpi_requests)
            self._finish()
        result: R = self._result
        return result

    def test(self) -> bool:
        """Whether the operation is complete; `wait` then returns at once."""
        if not self._complete and load_mpi().Request.Testall(self._mpi_requests):
            self._finish()
        return self._complete

    def _finish(self) -> None:
        for call in self._calls:
            self._result = call.deliver()
        self._complete = True
        self._calls = []

    def __del__(self) -> None:
        if getattr(self, "_complete", True) or sys.is_finalizing():
            return
        names = self._calls[-1].name
        _abandoned.append((self._calls, self._mpi_requests))
        warnings.warn(
            f"A request of {names} was dropped before it was complete; call wait() on it",
            ResourceWarning,
            stacklevel=2,
        )


def waitall(requests: Iterable[Request[Any]]) -> list[Any]:
    """Wait for all requests, and return their results in order."""
    return [request.wait() for request in requests]
