"""Averages that all ranks wait for: inside the node, and over the nodes by stripes."""

from __future__ import annotations

import torch
from torch import Tensor

from daso.errors import DesyncError
from daso.group import Group
from daso.metrics import SyncStats
from daso.transport.base import Transport

__all__ = ["Hierarchy", "check_equal"]


class Hierarchy:
    """Blocking averages on two levels.

    Parameters
    ----------
    transport : Transport
    stats : SyncStats
    timeout : float
        Longest wait in seconds.
    """

    def __init__(self, transport: Transport, stats: SyncStats, timeout: float) -> None:
        self.transport, self.topology = transport, transport.topology
        self.stats, self.timeout = stats, timeout

    def node_mean(self, x: Tensor) -> None:
        """Average a tensor over the node, in place."""
        node = self.transport.node
        if node.size > 1:
            with self.stats.timed("local"), torch.profiler.record_function("daso::local"):
                node.allreduce(x).wait(self.timeout)
                x.div_(node.size)
            self.stats.local_bytes += x.nbytes

    def everywhere(self, x: Tensor) -> None:
        """Average a vector, equal on the ranks of a node, over the nodes; in place and blocking.

        Parameters
        ----------
        x : (stripes * m,) tensor
            Each stripe travels by another rank.
        """
        stripes = x.view(self.topology.stripes, -1)
        node, cross = self.transport.node, self.transport.cross
        own = stripes[min(self.topology.local_rank, len(stripes) - 1)].clone()
        with self.stats.timed("blocking"):
            if cross is not None and cross.size > 1:
                cross.allreduce(own).wait(self.timeout)
                own.div_(cross.size)
                self.stats.wire_bytes += 2 * (cross.size - 1) * own.nbytes // cross.size
                self.stats.payload_bytes += own.nbytes
            if node.size > 1:
                whole = own.new_empty(node.size, own.numel())
                node.allgather(whole, own).wait(self.timeout)
                stripes.copy_(whole[: len(stripes)])
            else:
                stripes.copy_(own)


def check_equal(group: Group | None, x: Tensor, what: str, timeout: float) -> None:
    """Raise `DesyncError` on all ranks of a group unless they hold the same bits. Collective."""
    if group is None or group.size == 1:
        return
    checksum = int(x.contiguous().view(torch.int32).long().sum()) % 2**40
    extremes = torch.tensor([checksum, -checksum], dtype=torch.float64)
    group.allreduce(extremes, "max").wait(timeout)
    if extremes[0] != -extremes[1]:
        raise DesyncError(
            f"the {what} is not the same on all ranks: has something changed parameters in between?"
        )
