"""Counting messages and bytes, for benchmarks and for tests of communication cost."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from mpi_utils.communicator import Communicator
from mpi_utils.largecount import messages
from mpi_utils.operations import Call
from mpi_utils.topology import NodeMap, Topology


@dataclass
class TrafficCounter:
    """What this rank has sent.

    A message is a call of a collective, or an array sent to one other rank; its bytes are those of
    the array that the rank hands in. Where the destination is known (point-to-point, gather,
    scatter, all-to-all), the link between the two ranks counts; a reduction or broadcast counts as
    ``"inter"`` if its communicator spans several nodes. What stays on the rank is not counted.
    """

    nodes: NodeMap
    _messages: Counter[tuple[str, str]] = field(default_factory=Counter)
    _bytes: Counter[tuple[str, str]] = field(default_factory=Counter)

    def messages(self, operation: str | None = None, link: str | None = None) -> int:
        """Messages sent by this rank.

        Parameters
        ----------
        operation : str, optional
            Such as ``"allreduce"``; default: all. ``sendrecv`` counts as ``"exchange"``.
        link : {"intra", "inter"}, optional
            Inside a node or between nodes; default: both.
        """
        return _total(self._messages, operation, link)

    def bytes(self, operation: str | None = None, link: str | None = None) -> int:
        """Bytes sent by this rank; arguments as in `messages`."""
        return _total(self._bytes, operation, link)

    def table(self) -> dict[tuple[str, str], tuple[int, int]]:
        """(operation, link) -> (messages, bytes)."""
        return {key: (n, self._bytes[key]) for key, n in sorted(self._messages.items())}

    def record(self, comm: Communicator, call: Call[Any]) -> None:
        """Count one call; `Communicator` does this."""
        node_of = [self.nodes.node_of[rank] for rank in comm.root_ranks()]
        spans_nodes = len(set(node_of)) > 1
        for peer, size in _sent(comm, call):
            if peer == comm.rank:
                continue
            crosses = spans_nodes if peer is None else node_of[peer] != node_of[comm.rank]
            key = (call.name, "inter" if crosses else "intra")
            self._messages[key] += 1
            self._bytes[key] += size


def _sent(comm: Communicator, call: Call[Any]) -> list[tuple[int | None, int]]:
    """(destination, bytes) of all that this rank sends; None stands for the whole communicator."""
    if call.name == "exchange":
        sends = [(piece.args[1], piece.args[0]) for piece in call.pieces if piece.name == "send"]
    elif call.name == "send":
        sends = [(call.args[1], call.args[0])]
    elif call.name in {"recv", "barrier"}:
        sends = []
    elif "reduce" in call.name or "scan" in call.name or call.name == "bcast":
        silent = call.name == "bcast" and call.args[1] != comm.rank
        return [(None, 0 if silent else _nbytes(next(a for a in call.args if isinstance(a, list))))]
    else:
        sends, _ = messages(comm, call)
    return [(peer, _nbytes(buffer)) for peer, buffer in sends]


def _nbytes(buffer: list[Any]) -> int:
    return int(buffer[1]) * int(buffer[2].Get_size())


def _total(counts: Counter[tuple[str, str]], operation: str | None, link: str | None) -> int:
    return sum(
        n
        for (name, kind), n in counts.items()
        if operation in {None, name} and link in {None, kind}
    )


@contextlib.contextmanager
def traffic(comm: Communicator, *, ranks_per_node: int | None = None) -> Iterator[TrafficCounter]:
    """Count what goes through `comm` and every communicator of its family. Entering is collective.

    Parameters
    ----------
    comm : Communicator
        Communicators that were or will be split from it, directly or not, are counted too; so is
        the one that it was split from. Calls on a `handle` are not.
    ranks_per_node : int, optional
        As for `Topology`.

    Examples
    --------
    >>> import numpy as np
    >>> from mpi_utils import traffic, world
    >>> with traffic(world()) as sent:
    ...     _ = world().allreduce(np.ones(4))
    >>> sent.messages("allreduce"), sent.bytes("allreduce")
    (1, 32)
    """
    topology = Topology(comm._root, ranks_per_node=ranks_per_node)
    counter = TrafficCounter(topology.map)
    topology.free()
    comm.counters.append(counter)
    try:
        yield counter
    finally:
        comm.counters.remove(counter)
