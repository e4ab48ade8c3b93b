"""The operations that move a block for each pair of ranks: gather, scatter, all-to-all.

As in `mpi_utils.operations`, each function returns a `Call`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mpi_utils import buffers
from mpi_utils.buffers import as_array, landing, pack, spec
from mpi_utils.operations import Call, Counts, moved

if TYPE_CHECKING:
    from mpi_utils.communicator import Communicator


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
        moved(target, landed), (shape, array.dtype, root), math.prod(shape),
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
        moved(target, landed), (array.dtype, root), sum(rows) * row,
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
        name, args, target if out is None else out, (source, landed), moved(target, landed),
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
        target if out is None else out, (source, landed), moved(target, landed),
        (array.shape, array.dtype, op, tuple(counts)),
    )  # fmt: skip
