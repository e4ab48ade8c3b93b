"""Debug mode: say which rank does what, instead of a silent deadlock."""

from __future__ import annotations

import contextlib
import faulthandler
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from mpi_utils.errors import CollectiveMismatchError, per_rank_table

_LENGTH = 512  # bytes of a fingerprint on the wire; longer ones are cut
_SEPARATOR = "\x1f"
_OF_OBJECTS = (
    *("allgather", "allreduce", "alltoall", "bcast", "exscan", "gather", "reduce", "scan"),
    "scatter",
)


class Fingerprints:
    """Compares what the ranks of a communicator are about to do.

    The call site is shown but not compared: a broadcast may well stand in both branches of
    ``if rank == 0``.

    Parameters
    ----------
    handle : mpi4py.MPI.Comm
        Duplicated, which is collective, so that a mismatch can't disturb the operations themselves.
    packages : tuple of str
        Whose own frames are no call sites.
    """

    def __init__(self, handle: Any, packages: tuple[str, ...]) -> None:
        self.handle = handle.Dup()
        self._packages = packages

    def post(self, name: str, signature: tuple[Any, ...]) -> Callable[[], None]:
        """Start comparing; the result waits for the other ranks and raises on a mismatch."""
        # torch.Size((2,)) and (2,) are equal, and so must be their texts
        plain = [tuple(x) if isinstance(x, tuple) else str(x) for x in signature]
        what = f"{name}{tuple(plain)}" if plain else name
        text = f"{what[: _LENGTH // 2]}{_SEPARATOR}{_call_site(self._packages)}"
        mine = text.encode()[:_LENGTH].ljust(_LENGTH)
        everyone = bytearray(self.handle.Get_size() * _LENGTH)
        request = self.handle.Iallgather(mine, everyone)

        def verify() -> None:
            request.Wait()
            rows = [everyone[i : i + _LENGTH] for i in range(0, len(everyone), _LENGTH)]
            fields = [row.decode(errors="replace").strip().split(_SEPARATOR) for row in rows]
            if any(field[0] != fields[0][0] for field in fields):
                table = per_rank_table(f"{field[0]}  at {field[-1]}" for field in fields)
                raise CollectiveMismatchError(f"The ranks call different collectives:\n{table}")

        return verify


def _call_site(packages: tuple[str, ...]) -> str:
    """File and line of the innermost frame outside the packages."""
    inside = {*packages, "contextlib"}  # `collective` is entered and left through it
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in inside:
        frame = frame.f_back
    return f"{frame.f_code.co_filename[-_LENGTH // 3 :]}:{frame.f_lineno}"


def verified(handle: Any, verify: Callable[[str, tuple[Any, ...]], None]) -> Any:
    """The same mpi4py communicator, whose collectives of Python objects are compared, too."""

    def method(name: str) -> Callable[..., Any]:
        plain = getattr(type(handle), name)

        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            verify(f"{name} of objects", ())
            return plain(self, *args, **kwargs)

        return call

    return type("VerifiedComm", (type(handle),), {name: method(name) for name in _OF_OBJECTS})(
        handle
    )


@contextlib.contextmanager
def watchdog(seconds: float, what: str, verify: Callable[[], None] | None = None) -> Iterator[None]:
    """Print the stacks of all threads if the block takes longer than `seconds`; 0 means never.

    `verify` compares fingerprints first; a rank may wait there, too.
    """

    def bark() -> None:
        sys.stderr.write(f"{what} has taken more than {seconds:g} s; the stacks:\n")
        sys.stderr.flush()
        faulthandler.dump_traceback(all_threads=True)

    timer = threading.Timer(seconds, bark)
    timer.daemon = True
    if seconds:
        timer.start()
    try:
        if verify is not None:
            verify()
        yield
    finally:
        timer.cancel()
