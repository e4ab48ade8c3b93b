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
    call : Call
    mpi_requests : list of mpi4py.MPI.Request
        Of the call, or of the pieces that it was cut into.
    while_waiting : callable
        Gives the context manager to wait in.
    """

    def __init__(
        self, call: Call, mpi_requests: list[Any], while_waiting: Callable[[], Any]
    ) -> None:
        self._call: Call | None = call  # None when complete
        self._result: R = call.result
        self._mpi_requests = mpi_requests
        self._while_waiting = while_waiting

    def wait(self) -> R:
        """Block until the operation is complete, and return its result."""
        if self._call is not None:
            with self._while_waiting():
                load_mpi().Request.Waitall(self._mpi_requests)
            self._finish(self._call)
        return self._result

    def test(self) -> bool:
        """Whether the operation is complete; `wait` then returns at once."""
        if self._call is not None and load_mpi().Request.Testall(self._mpi_requests):
            self._finish(self._call)
        return self._call is None

    def _finish(self, call: Call) -> None:
        call.deliver()
        self._call = None

    def __del__(self) -> None:
        if self._call is None or sys.is_finalizing():
            return
        _abandoned.append((self._call, self._mpi_requests))
        warnings.warn(
            f"A request of {self._call.name} was dropped before it was complete; call wait() on it",
            ResourceWarning,
            stacklevel=2,
        )


def waitall(requests: Iterable[Request[Any]]) -> list[Any]:
    """Wait for all requests, and return their results in order."""
    return [request.wait() for request in requests]
