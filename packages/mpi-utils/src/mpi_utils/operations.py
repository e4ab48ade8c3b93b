"""What each operation asks of MPI, as data: one function an operation, each returning a `Call`.

`mpi_utils.communicator` runs a call at once or in the background; the docstrings here are those of
`Communicator`'s methods, which come in both forms (``allreduce`` and ``iallreduce``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from mpi_utils import buffers
from mpi_utils.buffers import as_array, copy_into, landing, pack, spec
from mpi_utils.runtime import load_mpi

if TYPE_CHECKING:
    from mpi_utils.communicator import Communicator

R = TypeVar("R")
Blocks = Sequence[tuple[int, Any]]
Copies = Sequence[tuple[Any, Any]]
Counts = Sequence[int]


@dataclass(slots=True)
class Call(Generic[R]):
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
    pieces : sequence of Call
        The messages of an exchange, which has no args.
    """

    name: str
    args: tuple[Any, ...]
    result: R
    keep: tuple[Any, ...] = ()
    copies: Copies = ()
    signature: tuple[Any, ...] | None = None
    count: float | None = None
    pieces: Sequence[Call[Any]] = ()

    def deliver(self) -> R:
        """Finish the call once MPI is done, and give its result."""
        for target, source in self.copies:
            copy_into(target, source)
        return self.result


def _moved(target: Any, landed: Any) -> Copies:
    return () if landed is target else ((target, landed),)


# ------------------------------------------------------------------ element i meets element i


def _reduction(
    comm: Communicator, name: str, x: Any, op: Any, out: Any, root: int | None = None
) -> Call[Any]:
    array, tail = as_array(x), () if root is None else comm.check_ranks(root)
    mpi_op, wide = buffers.reduction(array.dtype, op)
    source = pack(array, wide=wide)
    send, recv, landed = spec(source), None, None
    copies: Copies = ()
    if root is not None and comm.rank != root:
        out = None
    elif out is x:
        send, recv, copies = load_mpi().IN_PLACE, send, _moved(array, source)
    else:
        target, landed = landing(out, array.shape, array, wide=wide)
        recv, copies = spec(landed), _moved(target, landed)
        out = target if out is None else out
    if name == "exscan" and comm.rank == 0:  # MPI leaves this result undefined
        copies = ((as_array(out), buffers.identity(array, op)),)
    args = (send, recv, mpi_op, *tail)
    return Call(name, args, out, (source, landed), copies, (array.shape, array.dtype, op, root))


def allreduce(comm: Communicator, x: Any, op: Any = "sum", *, out: Any = None) -> Call[Any]:
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


def reduce(
    comm: Communicator, x: Any, op: Any = "sum", *, root: int = 0, out: Any = None
) -> Call[Any]:
    """Like `allreduce`, with the result on `root` and None elsewhere. Collective."""
    return _reduction(comm, "reduce", x, op, out, root)


def scan(comm: Communicator, x: Any, op: Any = "sum", *, out: Any = None) -> Call[Any]:
    """Combine `x` of this rank and those before it. Collective; arguments as in `allreduce`."""
    return _reduction(comm, "scan", x, op, out)


def exscan(comm: Communicator, x: Any, op: Any = "sum", *, out: Any = None) -> Call[Any]:
    """Combine `x` of the ranks before this one. Collective; arguments as in `allreduce`.

    Rank 0 gets the neutral element of `op` (zeros for an MPI.Op).
    """
    return _reduction(comm, "exscan", x, op, out)


def bcast(comm: Communicator, x: Any, root: int = 0) -> Call[Any]:
    """Fill `x` on every rank with the values it has on `root`, and return it. Collective.

    Parameters
    ----------
    x : array
        Equal shape and dtype on all ranks; written in place on all but `root`.
    root : int
    """
    array, tail, is_root = as_array(x), comm.check_ranks(root), comm.rank == root
    landed = pack(array) if is_root else landing(array, array.shape, array)[1]
    copies = () if is_root else _moved(array, landed)
    signature = (array.shape, array.dtype, root)
    return Call("bcast", (spec(landed), *tail), x, (landed,), copies, signature)


def send(comm: Communicator, x: Any, dest: int, *, tag: int = 0) -> Call[None]:
    """Send `x` to rank `dest`; the receiver must know shape and dtype."""
    packed = pack(as_array(x))
    return Call("send", (spec(packed), *comm.check_ranks(dest), tag), None, (packed,))


def recv(comm: Communicator, out: Any, source: int, *, tag: int = 0) -> Call[Any]:
    """Fill `out` with the array that rank `source` sends, and return it.

    Raises
    ------
    mpi4py.MPI.Exception
        If the message has more elements than `out`.
    """
    array = as_array(out)
    _, landed = landing(array, array.shape, array)
    args = (spec(landed), *comm.check_ranks(source), tag)
    return Call("recv", args, out, (landed,), _moved(array, landed))


def exchange(comm: Communicator, sends: Blocks, recvs: Blocks, *, tag: int = 0) -> Call[None]:
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


def sendrecv(
    comm: Communicator, x: Any, dest: int, out: Any, source: int, *, tag: int = 0
) -> Call[Any]:
    """Send `x` to `dest` while filling `out` from `source`; returns `out`."""
    if (dest == comm.rank) != (source == comm.rank):
        raise ValueError(f"rank {comm.rank} must be both dest and source, or neither")
    call: Call[Any] = exchange(comm, [(dest, x)], [(source, out)], tag=tag)
    call.result = out
    return call


# ------------------------------------------------------------------ a block for each pair of ranks


def _rows(x: Any, name: str) -> Any:
    array = as_array(x)
    if array.ndim == 0:
        raise ValueError(f"{name} works along axis 0, but the array has no axes")
    return array


def _all_counts(comm: Communicator, counts: Counts | None, rows: int) -> list[int]:
    """The rows of every rank: as given, or asked from the ranks."""
    if counts is None:
        return [int(n) for n in comm.handle.allgather(rows)]
    if len(counts) != comm.size or counts[comm.rank] != rows:
        raise ValueError(
            f"counts must hold the rows of each of the {comm.size} ranks; "
            f"rank {comm.rank} has {rows}, counts are {list(counts)}"
        )
    return list(counts)


def _gather(
    comm: Communicator, name: str, x: Any, counts: list[int] | None, root: int | None, out: Any
) -> Call[Any]:
    array, tail = as_array(x), comm.check_ranks(root)
    source, recv, target, landed = pack(array), None, None, None
    shape = (comm.size, *array.shape) if counts is None else (sum(counts), *array.shape[1:])
    if root is None or comm.rank == root:
        target, landed = landing(out, shape, array)
        recv = spec(landed, counts, blocks=comm.size)
    else:
        out = None
    return Call(
        name, (spec(source), recv, *tail), target if out is None else out, (source, landed),
        _moved(target, landed), (shape, array.dtype, root), math.prod(shape),
    )  # fmt: skip


def allgather(comm: Communicator, x: Any, *, out: Any = None) -> Call[Any]:
    """Stack `x` of all ranks: shape ``(size, *x.shape)``, on every rank. Collective.

    Parameters
    ----------
    x : array
        Equal shape and dtype on all ranks.
    out : array, optional
    """
    return _gather(comm, "allgather", x, None, None, out)


def allgatherv(
    comm: Communicator, x: Any, counts: Counts | None = None, *, out: Any = None
) -> Call[Any]:
    """Concatenate `x` of all ranks along axis 0, on every rank. Collective.

    Parameters
    ----------
    x : array, shape (rows, ...)
        Rows may differ between ranks.
    counts : sequence of int, optional
        Rows of each rank. Left out, the ranks ask each other first, which blocks.
    out : array, shape (sum(counts), ...), optional
    """
    array = _rows(x, "allgatherv")
    return _gather(comm, "allgatherv", x, _all_counts(comm, counts, len(array)), None, out)


def gather(comm: Communicator, x: Any, *, root: int = 0, out: Any = None) -> Call[Any]:
    """Like `allgather`, with the result on `root` and None elsewhere. Collective."""
    return _gather(comm, "gather", x, None, root, out)


def gatherv(
    comm: Communicator, x: Any, counts: Counts | None = None, *, root: int = 0, out: Any = None
) -> Call[Any]:
    """Like `allgatherv`, with the result on `root` and None elsewhere. Collective."""
    array = _rows(x, "gatherv")
    return _gather(comm, "gatherv", x, _all_counts(comm, counts, len(array)), root, out)


def _scatter(
    comm: Communicator, name: str, x: Any, counts: list[int] | None, root: int, out: Any
) -> Call[Any]:
    tail, rows, source, send = comm.check_ranks(root), counts or [1] * comm.size, None, None
    if comm.rank == root:
        array = _rows(x, name)
        if len(rows) != comm.size or len(array) != sum(rows):
            raise ValueError(f"{name} of {len(array)} rows among {comm.size} ranks, counts {rows}")
        source = pack(array)
        send = spec(source, counts, blocks=comm.size)
        shape = array.shape[1:] if counts is None else (rows[root], *array.shape[1:])
        target, landed = landing(out, shape, array)
    elif out is None:
        raise ValueError(f"{name} needs `out` on every rank but the root, to know what arrives")
    else:
        array = as_array(out)
        target, landed = landing(array, array.shape, array)
    row = math.prod(landed.shape if counts is None else landed.shape[1:])
    return Call(
        name, (send, spec(landed), *tail), target if out is None else out, (source, landed),
        _moved(target, landed), (array.dtype, root), sum(rows) * row,
    )  # fmt: skip


def scatter(comm: Communicator, x: Any = None, *, root: int = 0, out: Any = None) -> Call[Any]:
    """Give each rank its entry of axis 0 of `x`. Collective.

    Parameters
    ----------
    x : array, shape (size, ...), on `root`
        Ignored elsewhere.
    root : int
    out : array, shape (...)
        Needed on every rank but `root`.
    """
    return _scatter(comm, "scatter", x, None, root, out)


def scatterv(
    comm: Communicator, x: Any, counts: Counts, *, root: int = 0, out: Any = None
) -> Call[Any]:
    """Give rank r its ``counts[r]`` rows of axis 0 of `x`. Collective; arguments as in `scatter`.

    Every rank passes all `counts`.
    """
    return _scatter(comm, "scatterv", x, list(counts), root, out)


def _alltoall(
    comm: Communicator, name: str, array: Any, counts: tuple[list[int], list[int]] | None, out: Any
) -> Call[Any]:
    send_counts, recv_counts = counts or (None, None)
    rows = send_counts or [1] * comm.size
    if len(rows) != comm.size or len(array) != sum(rows):
        raise ValueError(f"{name} of {len(array)} rows among {comm.size} ranks, counts {rows}")
    source = pack(array)
    received = comm.size if recv_counts is None else sum(recv_counts)
    target, landed = landing(out, (received, *array.shape[1:]), array)
    args = tuple(
        spec(x, n, blocks=comm.size) for x, n in ((source, send_counts), (landed, recv_counts))
    )
    # a rank knows its own counts only, so that without large counts it must always go pairwise
    count = math.prod(array.shape) if counts is None else math.inf
    return Call(
        name, args, target if out is None else out, (source, landed), _moved(target, landed),
        (array.shape[1:], array.dtype), count,
    )  # fmt: skip


def alltoall(comm: Communicator, x: Any, *, out: Any = None) -> Call[Any]:
    """Send ``x[r]`` to rank r; entry s of the result comes from rank s. Collective.

    Parameters
    ----------
    x : array, shape (size, ...)
    out : array, shape (size, ...), optional
    """
    return _alltoall(comm, "alltoall", _rows(x, "alltoall"), None, out)


def alltoallv(
    comm: Communicator,
    x: Any,
    send_counts: Counts,
    recv_counts: Counts | None = None,
    *,
    out: Any = None,
) -> Call[Any]:
    """Send ``send_counts[r]`` rows of axis 0 to rank r, in rank order. Collective.

    Parameters
    ----------
    x : array, shape (sum(send_counts), ...)
    send_counts : sequence of int
    recv_counts : sequence of int, optional
        Rows that come from each rank. Left out, the ranks ask each other first, which blocks.
    out : array, shape (sum(recv_counts), ...), optional
    """
    if recv_counts is None:
        recv_counts = comm.handle.alltoall([int(n) for n in send_counts])
    counts = (list(send_counts), list(recv_counts))
    return _alltoall(comm, "alltoallv", _rows(x, "alltoallv"), counts, out)


def reduce_scatter(
    comm: Communicator, x: Any, counts: Counts | None = None, op: Any = "sum", *, out: Any = None
) -> Call[Any]:
    """Combine `x` of all ranks, and give rank r its ``counts[r]`` rows of axis 0. Collective.

    Parameters
    ----------
    x : array, shape (rows, ...)
        Equal shape and dtype on all ranks.
    counts : sequence of int, optional
        Rows of each rank; left out, equal parts.
    op : str or MPI.Op
        As in `allreduce`.
    out : array, shape (counts[rank], ...), optional
    """
    array = _rows(x, "reduce_scatter")
    if counts is None:
        counts = [len(array) // comm.size] * comm.size
    if len(counts) != comm.size or sum(counts) != len(array):
        raise ValueError(
            f"reduce_scatter needs {comm.size} counts that make up {len(array)} rows, got {counts}"
        )
    mpi_op, wide = buffers.reduction(array.dtype, op)
    source = pack(array, wide=wide)
    target, landed = landing(out, (counts[comm.rank], *array.shape[1:]), array, wide=wide)
    elements = tuple([n * math.prod(array.shape[1:]) for n in counts])
    return Call(
        "reduce_scatter", (spec(source), spec(landed), elements, mpi_op),
        target if out is None else out, (source, landed), _moved(target, landed),
        (array.shape, array.dtype, op, tuple(counts)),
    )  # fmt: skip


def barrier(comm: Communicator) -> Call[None]:  # noqa: ARG001 - all operations take the communicator
    """Wait until every rank has come here. Collective."""
    return Call("barrier", (), None, signature=())
