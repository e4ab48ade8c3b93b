"""A slow network, emulated in front of a fast one."""

from __future__ import annotations

import os
import time

import torch
from torch import Tensor

from daso.group import Group, Pending

__all__ = ["Throttled", "throttled_from_env"]


class Throttled(Group):
    """Operations complete as if the group's ranks were joined by slow links.

    An operation is complete when the last rank has started it, plus the latency, plus the time
    that its bytes take. Links are full duplex, and one operation follows the other.

    Parameters
    ----------
    inner : Group
    gbit_s : float
        Of each rank's link.
    latency_s : float
        One way.
    """

    def __init__(self, inner: Group, gbit_s: float, latency_s: float = 0.0) -> None:
        if not gbit_s > 0 or latency_s < 0:
            raise ValueError(f"gbit_s must be positive and latency_s >= 0: {gbit_s}, {latency_s}")
        self.inner, self.rank, self.size = inner, inner.rank, inner.size
        self.seconds_per_byte, self.latency_s = 8e-9 / gbit_s, latency_s
        self._free_at = 0.0  # when the link has sent what it was given

    def _started(self, pending: Pending, nbytes: float, rounds: int) -> Pending:
        posted = torch.tensor([time.time()], dtype=torch.float64)
        return _Delayed(
            self,
            pending,
            self.inner.allreduce(posted, "max"),
            posted,
            nbytes * self.seconds_per_byte,
            rounds * self.latency_s,
        )

    def allreduce(self, x: Tensor, op: str = "sum") -> Pending:  # noqa: D102 - see the base
        nbytes = 2 * (self.size - 1) / self.size * x.nbytes
        rounds = 2 * (self.size - 1).bit_length()
        return self._started(self.inner.allreduce(x, op), nbytes, rounds)

    def allgather(self, out: Tensor, x: Tensor) -> Pending:  # noqa: D102
        rounds = (self.size - 1).bit_length()
        return self._started(self.inner.allgather(out, x), (self.size - 1) * x.nbytes, rounds)

    def alltoall(self, out: Tensor, x: Tensor) -> Pending:  # noqa: D102
        nbytes = (self.size - 1) / self.size * x.nbytes
        return self._started(self.inner.alltoall(out, x), nbytes, 1)

    def bcast(self, x: Tensor, root: int = 0) -> Pending:  # noqa: D102
        rounds = (self.size - 1).bit_length()
        return self._started(self.inner.bcast(x, root), x.nbytes, rounds)


class _Delayed(Pending):
    """An operation that is complete later than it is."""

    def __init__(
        self,
        link: Throttled,
        pending: Pending,
        clock: Pending,
        posted: Tensor,
        busy_s: float,
        latency_s: float,
    ) -> None:
        self.link, self.pending, self.clock, self.posted = link, pending, clock, posted
        self.busy_s, self.latency_s = busy_s, latency_s
        self.ready_at: float | None = None

    def test(self) -> bool:
        if self.ready_at is None:
            if not (self.pending.test() and self.clock.test()):
                return False
            # wall clocks: all ranks are on one machine
            begin = max(float(self.posted), self.link._free_at)
            self.link._free_at = begin + self.busy_s
            self.ready_at = self.link._free_at + self.latency_s
        return time.time() >= self.ready_at


def throttled_from_env(group: Group | None) -> Group | None:
    """The group, behind the link that ``DASO_THROTTLE="gbit_s,latency_s"`` describes, if any."""
    setting = os.environ.get("DASO_THROTTLE")
    if group is None or not setting:
        return group
    gbit_s, _, latency_s = setting.partition(",")
    return Throttled(group, float(gbit_s), float(latency_s or 0))
