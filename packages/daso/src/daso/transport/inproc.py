"""A job whose ranks are threads of one process: for tests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from daso.hub import Hub, InprocGroup
from daso.topology import Topology
from daso.transport.base import Courier, Transport

__all__ = ["inproc_transports", "run_threads"]


def inproc_transports(node_of: Sequence[int], *, threaded: bool = True) -> list[Transport]:
    """A transport for each rank of a world inside this process."""
    topologies = [Topology.from_table(rank, node_of) for rank in range(len(node_of))]
    hubs: dict[Any, Hub] = {}

    def group(what: str, ranks: Sequence[int], rank: int) -> InprocGroup:
        hub = hubs.setdefault((what, tuple(ranks)), Hub(len(ranks)))
        return hub.member(list(ranks).index(rank))

    return [
        Transport(
            topology,
            world=group("world", range(topology.size), topology.rank),
            node=group("node", topology.local_ranks, topology.rank),
            cross=group("cross", topology.peers, topology.rank) if topology.peers else None,
            courier=Courier(threaded=threaded),
        )
        for topology in topologies
    ]


def run_threads(
    node_of: Sequence[int], work: Callable[[Transport], Any], *, timeout_s: float = 30.0
) -> list[Any]:
    """Run `work` as every rank, each in a thread; its results, or an error of one of them.

    Parameters
    ----------
    node_of : sequence of int
        The node of every rank.
    work : callable
        Takes the rank's `Transport`.
    timeout_s : float
        For all of it.
    """
    transports = inproc_transports(node_of)
    waiting = TimeoutError(f"not done within {timeout_s} s")
    outcomes: list[Any] = [waiting] * len(transports)

    def run(rank: int) -> None:
        try:
            outcomes[rank] = work(transports[rank])
        except BaseException as error:
            outcomes[rank] = error

    threads = [threading.Thread(target=run, args=(r,), daemon=True) for r in range(len(outcomes))]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + timeout_s
    while any(thread.is_alive() for thread in threads) and time.monotonic() < deadline:
        if any(isinstance(o, BaseException) and o is not waiting for o in outcomes):
            deadline = min(deadline, time.monotonic() + 1.0)  # the others wait in vain
        time.sleep(1e-3)
    errors = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    for error in sorted(errors, key=lambda error: error is waiting):
        raise error
    return outcomes
