"""What synchronisations cost: counters of one rank, and their spread over all ranks."""

from __future__ import annotations

import statistics
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from daso.group import Group

__all__ = ["SyncStats"]

_TIMES = ("pack", "local", "wait_global", "wait_local", "hidden", "merge", "blocking")


@dataclass
class SyncStats:
    """Counters of one rank. They only grow.

    Attributes
    ----------
    steps, started, merged, blocking, skipped : int
        Steps; synchronisations started, merged, and made while all wait; those in which this node
        had no part because its numbers were not finite.
    payload_bytes, wire_bytes : int
        Of global synchronisations: what was to be sent, and what a rank has sent for it.
    local_bytes : int
        Handed to operations inside the node.
    seconds : dict of str to float
        ``pack`` (copies), ``local`` (averages inside the node), ``wait_global`` and ``wait_local``
        (exposed waits for a merge), ``hidden`` (exchange time behind computation), ``merge``,
        ``blocking`` (synchronisations that all wait for).
    delays : Counter
        How often a merge came how many steps after its send.
    drift : float
        Distance of this rank's part of the model from the mean, relative to it, at the last
        synchronisation. It grows with B; above some per cent, B is too large.
    callback : callable, optional
        Is called with this object after each merge.
    """

    steps: int = 0
    started: int = 0
    merged: int = 0
    blocking: int = 0
    skipped: int = 0
    payload_bytes: int = 0
    wire_bytes: int = 0
    local_bytes: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(_TIMES, 0.0))
    delays: Counter[int] = field(default_factory=Counter)
    drift: float = 0.0
    callback: Callable[[SyncStats], None] | None = None
    step_times: deque[float] = field(default_factory=lambda: deque(maxlen=32), repr=False)
    sync_times: deque[float] = field(default_factory=lambda: deque(maxlen=8), repr=False)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Add the time of a block to ``seconds[what]``."""
        began = perf_counter()
        try:
            yield
        finally:
            self.seconds[what] += perf_counter() - began

    @property
    def waits(self) -> float:
        """Seconds in which this rank did not compute."""
        return sum(
            self.seconds[what] for what in ("local", "wait_global", "wait_local", "blocking")
        )

    @property
    def step_s(self) -> float:
        """Median seconds of a step without waits; 0 if unknown."""
        return statistics.median(self.step_times) if self.step_times else 0.0

    @property
    def sync_s(self) -> float:
        """Median seconds from sending to the result; 0 if unknown."""
        return statistics.median(self.sync_times) if self.sync_times else 0.0

    @property
    def overlap(self) -> float:
        """Share of the global exchange time that was hidden behind computation."""
        hidden, exposed = self.seconds["hidden"], self.seconds["wait_global"]
        return hidden / (hidden + exposed) if hidden + exposed else 0.0

    def snapshot(self) -> dict[str, Any]:
        """All numbers by name."""
        names = ["steps", "started", "merged", "blocking", "skipped"]
        names += ["payload_bytes", "wire_bytes", "local_bytes", "drift", "overlap"]
        numbers = {name: getattr(self, name) for name in names}
        numbers |= {"step_s": self.step_s, "sync_s": self.sync_s}
        return numbers | {f"{what}_s": value for what, value in self.seconds.items()}

    def summary(self, group: Group, timeout_s: float) -> dict[str, tuple[float, float, float]]:
        """Smallest, mean and largest value on the ranks of a group, by name. Collective."""
        import torch

        numbers = self.snapshot()
        own = torch.tensor(list(numbers.values()), dtype=torch.float64)
        table = own.new_empty(group.size, len(own))
        group.allgather(table, own).wait(timeout_s)
        low, mean, high = table.amin(0).tolist(), table.mean(0).tolist(), table.amax(0).tolist()
        return dict(zip(numbers, zip(low, mean, high, strict=True), strict=True))
