"""Cutting calls into messages: for MPI libraries without large counts, and for counting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mpi_utils.buffers import cut, parts
from mpi_utils.operations import Call

if TYPE_CHECKING:
    from mpi_utils.communicator import Communicator

#: Elements in one message where the MPI library takes no large counts.
MAX_COUNT = 2**31 - 1

_TAG = 0


def is_too_large(call: Call[Any]) -> bool:
    """Whether a call has more elements than fit in 32 bits; the same answer on all ranks."""
    count = call.count
    if count is None:
        count = max((arg[1] for arg in call.args if isinstance(arg, list)), default=0)
    return count > MAX_COUNT


def pieces(comm: Communicator, call: Call[Any]) -> Iterator[Call[None]]:
    """Smaller calls that together move or combine the same data."""
    if call.name == "reduce_scatter":
        send, recv, elements, op = call.args
        start = 0
        for root, count in enumerate(elements):
            target = recv if root == comm.rank else None
            yield Call("reduce", (cut(send, start, start + count), target, op, root), None)
            start += count
    elif "gather" in call.name or "scatter" in call.name or "alltoall" in call.name:
        sends, recvs = messages(comm, call)
        yield from (Call("recv", (buffer, peer, _TAG), None) for peer, buffer in recvs)
        yield from (Call("send", (buffer, peer, _TAG), None) for peer, buffer in sends)
    else:  # element i meets element i: cut anywhere
        count = max(arg[1] for arg in call.args if isinstance(arg, list))
        for start in range(0, count, MAX_COUNT):
            stop = min(start + MAX_COUNT, count)
            args = [cut(arg, start, stop) if isinstance(arg, list) else arg for arg in call.args]
            yield Call(call.name, tuple(args), None)


Messages = list[tuple[int, list[Any]]]


def messages(comm: Communicator, call: Call[Any]) -> tuple[Messages, Messages]:
    """(peer, buffer) of all that this rank sends and receives in a call that moves blocks."""
    send, recv, *root = call.args
    peers = root or range(comm.size)
    if "gather" in call.name:
        sends = [(peer, send) for peer in peers]
        return sends, [] if recv is None else list(enumerate(parts(recv, comm.size)))
    sends = [] if send is None else list(enumerate(parts(send, comm.size)))
    if root:  # scatter
        return sends, [(root[0], recv)]
    return sends, list(enumerate(parts(recv, comm.size)))
