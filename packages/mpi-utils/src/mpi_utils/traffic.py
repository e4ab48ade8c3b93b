"""Counting messages and bytes, for benchmarks and for tests of communication cost."""

from __future__ import annotations

import contextlib
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

    Attributes
    ----------
    table : dict
        (operation, link) -> (messages, bytes).
    """

    nodes: NodeMap
    table: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)

    def messages(self, operation: str | None = None, link: str | None = None) -> int:
        """Messages sent by this rank.

        Parameters
        ----------
        operation : str, optional
            Such as ``"allreduce"``; default: all. ``sendrecv`` counts as ``"exchange"``.
        link : {"intra", "inter"}, optional
            Inside a node or between nodes; default: both.
        """
        return sum(n for n, _ in self._rows(operation, link))

    def bytes(self, operation: str | None = None, link: str | None = None) -> int:
        """Bytes sent by this rank; arguments as in `messages`."""
        return sum(size for _, size in self._rows(operation, link))

    def _rows(self, operation: str | None, link: str | None) -> list[tuple[int, int]]:
        keys = [key for key in self.table if operation in {None, key[0]} and link in {None, key[1]}]
        return [self.table[key] for key in keys]

    def record(self, comm: Communicator, call: Call) -> None:
        """Count one call; `Communicator` does this."""
        node_of = [self.nodes.node_of[rank] for rank in comm.root_ranks()]
        spans_nodes = len(set(node_of)) > 1
        for peer, size in _sent(comm, call):
            if peer == comm.rank:
                continue
            crosses = spans_nodes if peer is None else node_of[peer] != node_of[comm.rank]
            key = (call.name, "inter" if crosses else "intra")
            n, total = self.table.get(key, (0, 0))
            self.table[key] = n + 1, total + size


def _sent(comm: Communicator, call: Call) -> list[tuple[int | None, int]]:
    """(destination, bytes) of all that this rank sends; None stands for the whole communicator."""
    if call.pieces is not None:
        return [message for piece in call.pieces for message in _sent(comm, piece)]
    if call.name in {"recv", "barrier"}:
        return []
    if call.name == "send":
        return [(call.args[1], _nbytes(call.args[0]))]
    if "reduce" in call.name or "scan" in call.name:
        own = next(arg for arg in call.args if isinstance(arg, list))
        return [(None, _nbytes(own))]
    if call.name == "bcast":
        buffer, root = call.args
        return [(None, _nbytes(buffer) if root == comm.rank else 0)]
    return [(peer, _nbytes(buffer)) for peer, buffer in messages(comm, call)[0]]


def _nbytes(buffer: list[Any]) -> int:
    return int(buffer[1]) * int(buffer[2].Get_size())


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
