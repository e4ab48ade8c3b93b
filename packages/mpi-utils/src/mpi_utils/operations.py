"""What each operation asks of MPI, as data: one function an operation, each returning a `Call`.

`mpi_utils.communicator` runs a call at once or in the background; the docstrings here are those of
`Communicator`'s methods, which come in both forms (``allreduce`` and ``iallreduce``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mpi_utils.buffers import Copies, as_array, landing, pack
from mpi_utils.datatypes import identity, reduction
from mpi_utils.runtime import load_mpi

if TYPE_CHECKING:
    from mpi_utils.communicator import Communicator as Comm

Messages = Sequence[tuple[int, Any]]


@dataclass(slots=True)
class Call:
    """One operation, ready to run.

    Attributes
    ----------
    name : str
        The operation, spelt as the method of `Communicator`.
    args : tuple
        Arguments of mpi4py's method of that name; lists are buffers.
    result : object
        What the caller gets.
    keep : tuple
        The arrays behind the buffers, kept alive until the call is complete.
    copies : sequence of (target, source)
        Copies to make when MPI is done.
    signature : tuple or None
        What the ranks must agree on; None for point-to-point messages.
    count : float or None
        Elements in the largest buffer of any rank, equal on all; None: as in the first buffer.
    pieces : sequence of Call or None
        The messages that are to be sent instead of one call of MPI.
    """

    name: str
    args: tuple[Any, ...]
    result: Any
    keep: tuple[Any, ...] = ()
    copies: Copies = ()
    signature: tuple[Any, ...] | None = None
    count: float | None = None
    pieces: Sequence[Call] | None = None

    def deliver(self) -> Any:
        """Finish the call once MPI is done, and give its result."""
        for piece in self.pieces or ():
            piece.deliver()
        for target, source in self.copies:
            target[...] = source
        return self.result


def _reduction(comm: Comm, name: str, x: Any, op: Any, out: Any, root: int | None = None) -> Call:
    array = as_array(x)
    shape, dtype = array.shape, array.dtype
    mpi_op, wide = reduction(dtype, op)
    source, send = pack(array, wide=wide)
    recv = landed = None
    copies: Copies = ()
    if root is not None and comm.rank != root:
        out = None
    elif out is x:
        send, recv = load_mpi().IN_PLACE, send
        copies = () if source is array else ((array, source),)
    else:
        out, landed, recv, copies = landing(out, shape, array, wide=wide)
    if name == "exscan" and comm.rank == 0:  # MPI leaves this result undefined
        copies = ((as_array(out), identity(dtype, op)),)
    args = (send, recv, mpi_op) if root is None else (send, recv, mpi_op, comm.check_rank(root))
    return Call(name, args, out, (source, landed), copies, (shape, dtype, op, root))


def allreduce(comm: Comm, x: Any, op: Any = "sum", *, out: Any = None) -> Call:
    """Combine `x` of all ranks element by element; every rank gets the result. Collective.

    16-bit floats are reduced in float32, bool is combined logically (``sum`` and ``max`` mean
    "any", ``prod`` and ``min`` mean "all"), and ``max`` and ``min`` of floats propagate NaN.
    ``land`` and ``lor`` take bool only, ``band`` and ``bor`` bool and integers.

    Parameters
    ----------
    x : array
        Equal shape and dtype on all ranks.
    op : {"sum", "prod", "min", "max", "land", "lor", "band", "bor"} or MPI.Op
    out : array, optional
        Receives the result; ``out=x`` works in place.

    Returns
    -------
    array
        `out`, or a new array like `x`.
    """
    return _reduction(comm, "allreduce", x, op, out)


def reduce(comm: Comm, x: Any, op: Any = "sum", *, root: int = 0, out: Any = None) -> Call:
    """Like `allreduce`, with the result on `root` and None elsewhere. Collective."""
    return _reduction(comm, "reduce", x, op, out, root)


def scan(comm: Comm, x: Any, op: Any = "sum", *, out: Any = None) -> Call:
    """Combine `x` of this rank and those before it. Collective; arguments as in `allreduce`."""
    return _reduction(comm, "scan", x, op, out)


def exscan(comm: Comm, x: Any, op: Any = "sum", *, out: Any = None) -> Call:
    """Combine `x` of the ranks before this one. Collective; arguments as in `allreduce`.

    Rank 0 gets the neutral element of `op` (zeros for an MPI.Op).
    """
    return _reduction(comm, "exscan", x, op, out)


def bcast(comm: Comm, x: Any, root: int = 0) -> Call:
    """Fill `x` on every rank with the values it has on `root`, and return it. Collective.

    Parameters
    ----------
    x : array
        Equal shape and dtype on all ranks; written in place on all but `root`.
    root : int
    """
    array = as_array(x)
    copies: Copies = ()
    if comm.rank == comm.check_rank(root):
        landed, buffer = pack(array)
    else:
        _, landed, buffer, copies = landing(array)
    return Call("bcast", (buffer, root), x, (landed,), copies, (array.shape, array.dtype, root))


def send(comm: Comm, x: Any, dest: int, *, tag: int = 0) -> Call:
    """Send `x` to rank `dest`; the receiver must know shape and dtype."""
    packed, buffer = pack(as_array(x))
    return Call("send", (buffer, comm.check_rank(dest), tag), None, (packed,))


def recv(comm: Comm, out: Any, source: int, *, tag: int = 0) -> Call:
    """Fill `out` with the array that rank `source` sends, and return it.

    Raises
    ------
    mpi4py.MPI.Exception
        If the message has more elements than `out`.
    """
    _, landed, buffer, copies = landing(out)
    return Call("recv", (buffer, comm.check_rank(source), tag), out, (landed,), copies)


def exchange(comm: Comm, sends: Messages, recvs: Messages, *, tag: int = 0) -> Call:
    """Send and receive any number of arrays; all receives are posted before the first send.

    Parameters
    ----------
    sends, recvs : sequence of (rank, array)
        What goes where, and what is filled from where. Several messages between the same two ranks
        arrive in order. An entry for the own rank is a local copy.
    """
    own_sends = [as_array(x) for peer, x in sends if peer == comm.rank]
    own_recvs = [as_array(x) for peer, x in recvs if peer == comm.rank]
    if len(own_sends) != len(own_recvs):
        raise ValueError(
            f"rank {comm.rank} sends {len(own_sends)} arrays to its own rank, "
            f"but receives {len(own_recvs)}"
        )
    copies = list(zip(own_recvs, own_sends, strict=True))
    receives = [recv(comm, x, peer, tag=tag) for peer, x in recvs if peer != comm.rank]
    messages = [send(comm, x, peer, tag=tag) for peer, x in sends if peer != comm.rank]
    return Call("exchange", (), None, copies=copies, pieces=[*receives, *messages])


def sendrecv(comm: Comm, x: Any, dest: int, out: Any, source: int, *, tag: int = 0) -> Call:
    """Send `x` to `dest` while filling `out` from `source`; returns `out`."""
    if (dest == comm.rank) != (source == comm.rank):
        raise ValueError(f"rank {comm.rank} must be both dest and source, or neither")
    call = exchange(comm, [(dest, x)], [(source, out)], tag=tag)
    call.result = out
    return call


def barrier(comm: Comm) -> Call:  # noqa: ARG001 - all operations take the communicator
    """Wait until every rank has come here. Collective."""
    return Call("barrier", (), None, signature=())
