"""The communicator: mpi4py's, for arrays."""

from __future__ import annotations

import atexit
import functools
import os
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar

from mpi_utils import blockwise, operations
from mpi_utils.debug import Fingerprints, verified, watchdog
from mpi_utils.largecount import is_too_large, pieces
from mpi_utils.operations import Call
from mpi_utils.requests import Request
from mpi_utils.runtime import has_large_counts, load_mpi

P = ParamSpec("P")
R = TypeVar("R")
_Method = Callable[Concatenate["Communicator", P], R]


def _methods(build: _Method[P, Call]) -> tuple[_Method[P, Any], _Method[P, Request[Any]]]:
    """The blocking and the non-blocking method of an operation."""
    method = build.__name__.capitalize()

    @functools.wraps(build)
    def run(self: Communicator, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        call = build(self, *args, **kwargs)
        whole = call.pieces is None and not (self._segmented and is_too_large(call))
        if self._watched or self.counters or not whole:
            return self._start(call).wait()
        getattr(self.handle, method)(*call.args)
        return call.deliver() if call.copies else call.result

    @functools.wraps(build)
    def start(self: Communicator, /, *args: P.args, **kwargs: P.kwargs) -> Request[Any]:
        return self._start(build(self, *args, **kwargs))

    start.__name__ = f"i{build.__name__}"
    start.__doc__ = f"Start `{build.__name__}` and return its `Request` without waiting."
    return run, start


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
        handle = comm.Dup() if duplicate else comm
        self.rank: int = comm.Get_rank()
        self.size: int = comm.Get_size()
        self.counters: list[Any] = []  # traffic counters, shared with all communicators split off
        self._root = self
        self._timeout = float(self._setting("TIMEOUT"))
        debug = self._setting("DEBUG") != "0"
        self._fingerprints = Fingerprints(handle, self.packages) if debug else None
        self.handle = verified(handle, self.verify) if debug else handle
        self._watched = bool(self._timeout or debug)
        self._segmented = not has_large_counts()
        if duplicate:
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
        part = type(self)(handle, duplicate=False)
        part.counters, part._root = self.counters, self._root
        _open.append(part)
        return part

    def free(self) -> None:
        """Give the MPI communicator back. Collective; happens at exit for those that are left."""
        if self in _open:
            _open.remove(self)
            if self._fingerprints is not None:
                self._fingerprints.handle.Free()
            self.handle.Free()

    def root_ranks(self) -> list[int]:
        """Rank of each member in the communicator that this one was split from, at the root."""
        group, root = self.handle.Get_group(), self._root.handle.Get_group()
        return list(group.Translate_ranks(range(self.size), root))

    def check_rank(self, rank: int) -> int:
        """`rank`; ValueError if there is no such rank."""
        if not 0 <= rank < self.size:
            raise ValueError(f"There is no rank {rank} among {self.size} ranks")
        return rank

    # -------------------------------------------------------------- running calls

    def verify(self, name: str, signature: tuple[Any, ...]) -> None:
        """In debug mode, raise on all ranks unless all are about to do the same. Collective."""
        if self._fingerprints is not None:
            self._fingerprints.post(name, signature)()

    def _start(self, call: Call) -> Request[Any]:
        for counter in self.counters:
            counter.record(self, call)
        while_waiting: Callable[[], Any] = nullcontext
        if self._watched:
            verify = None
            if self._fingerprints is not None and call.signature is not None:
                verify = self._fingerprints.post(call.name, call.signature)
            what = f"rank {self.rank}: {call.name}"
            while_waiting = partial(watchdog, self._timeout, what, verify)
        return Request(call, self._post(call), while_waiting)

    def _post(self, call: Call) -> list[Any]:
        """Start a call, cut into pieces if MPI can't take it whole; MPI's requests."""
        parts = call.pieces
        if self._segmented and is_too_large(call):
            parts = list(pieces(self, call))
        if parts is None:
            return [getattr(self.handle, f"I{call.name}")(*call.args)]
        return [request for part in parts for request in self._post(part)]

    # -------------------------------------------------------------- the operations

    bcast, ibcast = _methods(operations.bcast)
    reduce, ireduce = _methods(operations.reduce)
    allreduce, iallreduce = _methods(operations.allreduce)
    scan, iscan = _methods(operations.scan)
    exscan, iexscan = _methods(operations.exscan)
    gather, igather = _methods(blockwise.gather)
    gatherv, igatherv = _methods(blockwise.gatherv)
    allgather, iallgather = _methods(blockwise.allgather)
    allgatherv, iallgatherv = _methods(blockwise.allgatherv)
    scatter, iscatter = _methods(blockwise.scatter)
    scatterv, iscatterv = _methods(blockwise.scatterv)
    alltoall, ialltoall = _methods(blockwise.alltoall)
    alltoallv, ialltoallv = _methods(blockwise.alltoallv)
    reduce_scatter, ireduce_scatter = _methods(blockwise.reduce_scatter)
    send, isend = _methods(operations.send)
    recv, irecv = _methods(operations.recv)
    sendrecv, isendrecv = _methods(operations.sendrecv)
    exchange, iexchange = _methods(operations.exchange)
    barrier, ibarrier = _methods(operations.barrier)


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
