"""The operations that move a block for each pair of ranks: gather, scatter, all-to-all.

As in `mpi_utils.operations`, each function returns a `Call`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mpi_utils.buffers import Blocks, Copies, as_array, landing, pack
from mpi_utils.datatypes import reduction
from mpi_utils.operations import Call

if TYPE_CHECKING:
    from mpi_utils.communicator import Communicator as Comm

Counts = Sequence[int] | None


def _rows(x: Any, name: str) -> Any:
    array = as_array(x)
    if array.ndim == 0:
        raise ValueError(f"{name} works along axis 0, but the array has no axes")
    return array


def _divided(comm: Comm, name: str, x: Any, blocks: Blocks) -> Any:
    """`x` as an array whose axis 0 consists of a block of rows for each rank."""
    array = _rows(x, name)
    counts = [1] * blocks if isinstance(blocks, int) else list(blocks)
    if len(counts) != comm.size or sum(counts) != len(array):
        raise ValueError(f"{name} of {len(array)} rows among {comm.size} ranks, counts {counts}")
    return array


def _total(blocks: Blocks) -> int:
    return blocks if isinstance(blocks, int) else sum(blocks)


def _gathered_counts(comm: Comm, name: str, x: Any, counts: Counts) -> list[int]:
    """The rows of every rank: as given, or asked from the ranks."""
    rows = len(_rows(x, name))
    if counts is None:
        return [int(n) for n in comm.handle.allgather(rows)]
    if len(counts) != comm.size or counts[comm.rank] != rows:
        raise ValueError(
            f"counts must hold the rows of each of the {comm.size} ranks; "
            f"rank {comm.rank} has {rows}, counts are {list(counts)}"
        )
    return list(counts)


def _gather(comm: Comm, name: str, x: Any, blocks: Blocks, root: int | None, out: Any) -> Call:
    array, tail = as_array(x), () if root is None else (comm.check_rank(root),)
    source, send = pack(array)
    shape = (_total(blocks), *(array.shape if isinstance(blocks, int) else array.shape[1:]))
    recv = landed = None
    copies: Copies = ()
    if root is None or comm.rank == root:
        out, landed, recv, copies = landing(out, shape, array, blocks)
    else:
        out = None
    args, signature = (send, recv, *tail), (shape, array.dtype, root)
    return Call(name, args, out, (source, landed), copies, signature, math.prod(shape))


def allgather(comm: Comm, x: Any, *, out: Any = None) -> Call:
    """Stack `x` of all ranks: shape ``(size, *x.shape)``, on every rank. Collective.

    Parameters
    ----------
    x : array
        Equal shape and dtype on all ranks.
    out : array, optional
    """
    return _gather(comm, "allgather", x, comm.size, None, out)


def allgatherv(comm: Comm, x: Any, counts: Counts = None, *, out: Any = None) -> Call:
    """Concatenate `x` of all ranks along axis 0, on every rank. Collective.

    Parameters
    ----------
    x : array, shape (rows, ...)
        Rows may differ between ranks.
    counts : sequence of int, optional
        Rows of each rank. Left out, the ranks ask each other first, which blocks.
    out : array, shape (sum(counts), ...), optional
    """
    counts = _gathered_counts(comm, "allgatherv", x, counts)
    return _gather(comm, "allgatherv", x, counts, None, out)


def gather(comm: Comm, x: Any, *, root: int = 0, out: Any = None) -> Call:
    """Like `allgather`, with the result on `root` and None elsewhere. Collective."""
    return _gather(comm, "gather", x, comm.size, root, out)


def gatherv(comm: Comm, x: Any, counts: Counts = None, *, root: int = 0, out: Any = None) -> Call:
    """Like `allgatherv`, with the result on `root` and None elsewhere. Collective."""
    counts = _gathered_counts(comm, "gatherv", x, counts)
    return _gather(comm, "gatherv", x, counts, root, out)


def _scatter(comm: Comm, name: str, x: Any, blocks: Blocks, root: int, out: Any) -> Call:
    source = send = None
    if comm.rank == comm.check_rank(root):
        array = _divided(comm, name, x, blocks)
        source, send = pack(array, blocks)
        rows = () if isinstance(blocks, int) else (blocks[root],)
        shape = (*rows, *array.shape[1:])
        out, landed, recv, copies = landing(out, shape, array)
    elif out is None:
        raise ValueError(f"{name} needs `out` on every rank but the root, to know what arrives")
    else:
        out, landed, recv, copies = landing(out)
    row = landed.shape if isinstance(blocks, int) else landed.shape[1:]
    count = _total(blocks) * math.prod(row)
    signature = (landed.dtype, root)
    return Call(name, (send, recv, root), out, (source, landed), copies, signature, count)


def scatter(comm: Comm, x: Any = None, *, root: int = 0, out: Any = None) -> Call:
    """Give each rank its entry of axis 0 of `x`. Collective.

    Parameters
    ----------
    x : array, shape (size, ...), on `root`
        Ignored elsewhere.
    root : int
    out : array, shape (...)
        Needed on every rank but `root`.
    """
    return _scatter(comm, "scatter", x, comm.size, root, out)


def scatterv(comm: Comm, x: Any, counts: Sequence[int], *, root: int = 0, out: Any = None) -> Call:
    """Give rank r its ``counts[r]`` rows of axis 0 of `x`. Collective; arguments as in `scatter`.

    Every rank passes all `counts`.
    """
    return _scatter(comm, "scatterv", x, list(counts), root, out)


def _alltoall(
    comm: Comm, name: str, x: Any, send_blocks: Blocks, recv_blocks: Blocks, out: Any
) -> Call:
    array = _divided(comm, name, x, send_blocks)
    source, send = pack(array, send_blocks)
    shape = (_total(recv_blocks), *array.shape[1:])
    out, landed, recv, copies = landing(out, shape, array, recv_blocks)
    # a rank knows its own counts only, so that without large counts it must always go pairwise
    count = math.prod(shape) if isinstance(recv_blocks, int) else math.inf
    signature = (array.shape[1:], array.dtype)
    return Call(name, (send, recv), out, (source, landed), copies, signature, count)


def alltoall(comm: Comm, x: Any, *, out: Any = None) -> Call:
    """Send ``x[r]`` to rank r; entry s of the result comes from rank s. Collective.

    Parameters
    ----------
    x : array, shape (size, ...)
    out : array, shape (size, ...), optional
    """
    return _alltoall(comm, "alltoall", x, comm.size, comm.size, out)


def alltoallv(
    comm: Comm,
    x: Any,
    send_counts: Sequence[int],
    recv_counts: Counts = None,
    *,
    out: Any = None,
) -> Call:
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
    return _alltoall(comm, "alltoallv", x, list(send_counts), list(recv_counts), out)


def reduce_scatter(
    comm: Comm, x: Any, counts: Counts = None, op: Any = "sum", *, out: Any = None
) -> Call:
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
    if counts is None:
        counts = [len(_rows(x, "reduce_scatter")) // comm.size] * comm.size
    array = _divided(comm, "reduce_scatter", x, counts)
    mpi_op, wide = reduction(array.dtype, op)
    source, send = pack(array, wide=wide)
    shape = (counts[comm.rank], *array.shape[1:])
    out, landed, recv, copies = landing(out, shape, array, wide=wide)
    elements = tuple(n * math.prod(array.shape[1:]) for n in counts)
    args, signature = (send, recv, elements, mpi_op), (array.shape, array.dtype, op, tuple(counts))
    return Call("reduce_scatter", args, out, (source, landed), copies, signature)
