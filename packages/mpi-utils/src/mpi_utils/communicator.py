"""The communicator: mpi4py's, for arrays."""

from __future__ import annotations

import atexit
import functools
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Concatenate, ParamSpec, TypeVar

from mpi_utils import blockwise, operations
from mpi_utils.debug import Fingerprints, verified, watchdog
from mpi_utils.largecount import is_too_large, pieces
from mpi_utils.operations import Call
from mpi_utils.requests import Request
from mpi_utils.runtime import has_large_counts, load_mpi

P = ParamSpec("P")
R = TypeVar("R")
_Build = Callable[Concatenate["Communicator", P], Call[R]]


def _blocking(build: _Build[P, R]) -> Callable[Concatenate[Communicator, P], R]:
    @functools.wraps(build)
    def run(self: Communicator, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._run(build(self, *args, **kwargs))

    return run


def _nonblocking(build: _Build[P, R]) -> Callable[Concatenate[Communicator, P], Request[R]]:
    @functools.wraps(build)
    def start(self: Communicator, /, *args: P.args, **kwargs: P.kwargs) -> Request[R]:
        return self._start(build(self, *args, **kwargs))

    start.__name__ = f"i{build.__name__}"
    start.__doc__ = f"Start `{build.__name__}` and return its `Request` without waiting."
    return start


class Communicator:
    """A group of ranks that exchange arrays.

    Takes torch tensors (on CPU or GPU), NumPy arrays, and whatever offers DLPack or a buffer;
    results are of the same kind. Contiguous memory is used in place; strided memory is packed once,
    and a result is written once. Every dtype from bool to complex128 moves, bfloat16 and the
    unsigned integers included, and counts may exceed 2^31. Python objects travel through `handle`,
    the mpi4py communicator underneath. Every operation has a non-blocking form, ``i<name>``, which
    returns a `Request`.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm, optional
        Default: ``MPI.COMM_WORLD``.
    duplicate : bool
        Keep the traffic apart from that of `comm`. Duplicating is collective.

    Attributes
    ----------
    handle : mpi4py.MPI.Comm
    rank, size : int

    Notes
    -----
    With ``MPI_UTILS_DEBUG=1`` the ranks compare what they are about to do before each collective,
    and raise `CollectiveMismatchError` on all ranks if they differ. With ``MPI_UTILS_TIMEOUT=30``
    an operation of more than 30 seconds prints the stacks of all threads. Both are read on
    construction.

    Examples
    --------
    >>> import numpy as np
    >>> from mpi_utils import Communicator
    >>> comm = Communicator()
    >>> bool((comm.allreduce(np.ones(3)) == comm.size).all())
    True
    """

    #: The package of a derived class stands before this one. ``<PACKAGE>_DEBUG`` and
    #: ``<PACKAGE>_TIMEOUT`` of the first that sets them count, and frames of these packages are
    #: not call sites.
    packages: tuple[str, ...] = ("mpi_utils",)

    def __init__(self, comm: Any = None, *, duplicate: bool = True) -> None:
        comm = load_mpi().COMM_WORLD if comm is None else comm
        self._adopt(comm.Dup() if duplicate else comm, owned=duplicate)
        self.counters: list[Any] = []  # traffic counters, shared with all communicators split off
        self._root = self

    def _adopt(self, handle: Any, *, owned: bool) -> None:
        self.rank: int = handle.Get_rank()
        self.size: int = handle.Get_size()
        self._timeout = float(self._setting("TIMEOUT"))
        debug = self._setting("DEBUG") != "0"
        self._fingerprints = Fingerprints(handle, self.packages) if debug else None
        self.handle = verified(handle, self.verify) if debug else handle
        self._methods = {
            name: (getattr(handle, name.capitalize()), getattr(handle, f"I{name}"))
            for name in _OPERATIONS
        }
        self._watched = bool(self._timeout or debug)
        self._segmented = not has_large_counts()
        if owned:
            _open.append(self)

    def _setting(self, name: str) -> str:
        """The environment's setting, "0" if there is none."""
        values = (os.environ.get(f"{package.upper()}_{name}") for package in self.packages)
        return next((value for value in values if value), "0")

    def __repr__(self) -> str:
        return f"Communicator(rank={self.rank}, size={self.size})"

    def split(self, color: int | None, key: int = 0) -> Communicator | None:
        """Part the ranks into communicators, one for each color. Collective.

        Parameters
        ----------
        color : int or None
            Non-negative; ranks with None get None.
        key : int
            Orders the ranks of the new communicator; ties go by rank.
        """
        handle = self.handle.Split(load_mpi().UNDEFINED if color is None else color, key)
        if handle == load_mpi().COMM_NULL:
            return None
        part = type(self).__new__(type(self))
        part._adopt(handle, owned=True)
        part.counters, part._root = self.counters, self._root
        return part

    def free(self) -> None:
        """Give the MPI communicator back. Collective; happens at exit for those that are left."""
        if self in _open:
            _open.remove(self)
            if self._fingerprints is not None:
                self._fingerprints.free()
            self.handle.Free()

    def root_ranks(self) -> list[int]:
        """Rank of each member in the communicator that this one was split from, at the root."""
        group, root = self.handle.Get_group(), self._root.handle.Get_group()
        return list(group.Translate_ranks(range(self.size), root))

    def check_ranks(self, rank: int | None) -> tuple[int, ...]:
        """``(rank,)``, or nothing for None; ValueError if there is no such rank."""
        if rank is None:
            return ()
        if not 0 <= rank < self.size:
            raise ValueError(f"There is no rank {rank} among {self.size} ranks")
        return (rank,)

    # -------------------------------------------------------------- running calls

    def verify(self, name: str, signature: tuple[Any, ...]) -> None:
        """In debug mode, raise on all ranks unless all are about to do the same. Collective."""
        if self._fingerprints is not None:
            self._fingerprints.post(name, signature)()

    def _run(self, call: Call[R]) -> R:
        if self._watched or self.counters:
            with self._observe(call)():
                return self._complete(call)
        return self._complete(call)

    def _complete(self, call: Call[R]) -> R:
        if call.name == "exchange" or (self._segmented and is_too_large(call)):
            return self._post(call, nullcontext).wait()
        self._methods[call.name][0](*call.args)
        return call.deliver() if call.copies else call.result

    def _start(self, call: Call[R]) -> Request[R]:
        if self._watched or self.counters:
            return self._post(call, self._observe(call))
        return self._post(call, nullcontext)

    def _post(self, call: Call[R], before_wait: Callable[[], Any]) -> Request[R]:
        """Start a call, cut into pieces if MPI can't take it whole."""
        calls: list[Call[Any]] = []
        mpi_requests: list[Any] = []

        def post(call: Call[Any]) -> None:
            too_large = self._segmented and is_too_large(call)
            if too_large or call.name == "exchange":
                for piece in pieces(self, call) if too_large else call.pieces:
                    post(piece)
            else:
                mpi_requests.append(self._methods[call.name][1](*call.args))
            calls.append(call)

        post(call)
        return Request(calls, mpi_requests, before_wait)

    def _observe(self, call: Call[Any]) -> Callable[[], AbstractContextManager[None]]:
        """Count the call and post its fingerprint; the result verifies it and watches the wait."""
        for counter in self.counters:
            counter.record(self, call)
        verify = None
        if self._fingerprints is not None and call.signature is not None:
            verify = self._fingerprints.post(call.name, call.signature)

        def before_wait() -> AbstractContextManager[None]:
            if verify is not None:
                verify()
            return watchdog(self._timeout, f"rank {self.rank}: {call.name}")

        return before_wait

    # -------------------------------------------------------------- the operations

    bcast, ibcast = _blocking(operations.bcast), _nonblocking(operations.bcast)
    reduce, ireduce = _blocking(operations.reduce), _nonblocking(operations.reduce)
    allreduce, iallreduce = _blocking(operations.allreduce), _nonblocking(operations.allreduce)
    scan, iscan = _blocking(operations.scan), _nonblocking(operations.scan)
    exscan, iexscan = _blocking(operations.exscan), _nonblocking(operations.exscan)
    gather, igather = _blocking(blockwise.gather), _nonblocking(blockwise.gather)
    gatherv, igatherv = _blocking(blockwise.gatherv), _nonblocking(blockwise.gatherv)
    allgather, iallgather = _blocking(blockwise.allgather), _nonblocking(blockwise.allgather)
    allgatherv, iallgatherv = _blocking(blockwise.allgatherv), _nonblocking(blockwise.allgatherv)
    scatter, iscatter = _blocking(blockwise.scatter), _nonblocking(blockwise.scatter)
    scatterv, iscatterv = _blocking(blockwise.scatterv), _nonblocking(blockwise.scatterv)
    alltoall, ialltoall = _blocking(blockwise.alltoall), _nonblocking(blockwise.alltoall)
    alltoallv, ialltoallv = _blocking(blockwise.alltoallv), _nonblocking(blockwise.alltoallv)
    reduce_scatter = _blocking(blockwise.reduce_scatter)
    ireduce_scatter = _nonblocking(blockwise.reduce_scatter)
    send, isend = _blocking(operations.send), _nonblocking(operations.send)
    recv, irecv = _blocking(operations.recv), _nonblocking(operations.recv)
    sendrecv, isendrecv = _blocking(operations.sendrecv), _nonblocking(operations.sendrecv)
    exchange, iexchange = _blocking(operations.exchange), _nonblocking(operations.exchange)
    barrier, ibarrier = _blocking(operations.barrier), _nonblocking(operations.barrier)


#: The operations that are one call of mpi4py, ``Allreduce`` or ``Iallreduce`` and so on.
_OPERATIONS = (
    "bcast", "reduce", "allreduce", "scan", "exscan", "reduce_scatter",
    "gather", "gatherv", "allgather", "allgatherv", "scatter", "scatterv", "alltoall", "alltoallv",
    "send", "recv", "barrier",
)  # fmt: skip

_open: list[Communicator] = []


@atexit.register
def _free_all() -> None:
    """Free what is left, newest first, while MPI is still up."""
    for comm in reversed(_open.copy()):
        if not load_mpi().Is_finalized():
            comm.free()


@functools.cache
def world() -> Communicator:
    """The communicator of all ranks: one duplicate of ``MPI.COMM_WORLD``, made on first use."""
    return Communicator()
