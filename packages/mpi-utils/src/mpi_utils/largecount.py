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

Messages = list[tuple[int, list[Any]]]


def is_too_large(call: Call) -> bool:
    """Whether a call has more elements than fit in 32 bits; the same answer on all ranks."""
    return (_length(call) if call.count is None else call.count) > MAX_COUNT


def _length(call: Call) -> int:
    return max((arg[1] for arg in call.args if isinstance(arg, list)), default=0)


def pieces(comm: Communicator, call: Call) -> Iterator[Call]:
    """Smaller calls that together move or combine the same data."""
    if call.name == "reduce_scatter":
        send, recv, counts, op = call.args
        for root, block in enumerate(parts([send[0], counts, send[2]], comm.size)):
            yield Call("reduce", (block, recv if root == comm.rank else None, op, root), None)
    elif "gather" in call.name or "scatter" in call.name or "alltoall" in call.name:
        sends, recvs = messages(comm, call)
        for name, blocks in (("recv", recvs), ("send", sends)):
            yield from (Call(name, (buffer, peer, 0), None) for peer, buffer in blocks)
    else:  # element i meets element i: cut anywhere
        for start in range(0, _length(call), MAX_COUNT):
            stop = min(start + MAX_COUNT, _length(call))
            args = [cut(arg, start, stop) if isinstance(arg, list) else arg for arg in call.args]
            yield Call(call.name, tuple(args), None)


def messages(comm: Communicator, call: Call) -> tuple[Messages, Messages]:
    """(peer, buffer) of all that this rank sends and receives in a call that moves blocks."""
    send, recv, *root = call.args
    peers = root or range(comm.size)
    gathers, scatters = "gather" in call.name, "scatter" in call.name
    sends = [(peer, send) for peer in peers] if gathers else _blocks(comm, send)
    recvs = [(peer, recv) for peer in peers] if scatters else _blocks(comm, recv)
    return sends, recvs


def _blocks(comm: Communicator, buffer: list[Any] | None) -> Messages:
    """The block of each rank in a buffer that only a root may have."""
    return [] if buffer is None else list(enumerate(parts(buffer, comm.size)))
