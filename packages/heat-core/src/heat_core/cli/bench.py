"""A few timings, to see whether an installation is as fast as it should be."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

import heat_core as ht

__all__ = ["Timing", "measure"]

_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Timing:
    """Median time of one operation, and the bytes that its arrays have."""

    name: str
    seconds: float
    n_bytes: int

    def row(self) -> list[str]:
        """The line of the table."""
        rate = self.n_bytes / self.seconds / 1e9
        return [self.name, f"{self.seconds * 1e3:.2f}", f"{rate:.2f}"]


def measure(elements: int) -> list[Timing]:
    """Time operations on float32 arrays; the slowest rank counts. Collective.

    Parameters
    ----------
    elements : int
        Numbers in an array.
    """
    columns = 64
    x = ht.random.rand(max(1, elements // columns), columns, split=0)
    y, flat = ht.copy(x), x.reshape(-1)
    cases: list[tuple[str, Callable[[], Any], int]] = [
        ("x + y", lambda: x + y, 3),
        ("x.sum()", x.sum, 1),
        ("x.std(axis=0)", lambda: x.std(axis=0), 1),
        ("x.T @ x", lambda: x.T @ x, 1),
        ("x.resplit(1)", lambda: x.resplit(1), 2),
        ("x.numpy()", x.numpy, 2),
        ("sort", lambda: ht.sort(flat), 2),
        ("median", lambda: ht.median(flat), 1),
        ("random.rand", lambda: ht.random.rand(*x.shape, split=0), 1),
    ]
    return [Timing(name, _median(run), arrays * x.nbytes) for name, run, arrays in cases]


def _median(run: Callable[[], Any]) -> float:
    comm = ht.get_comm()
    run()  # the first call warms up
    times = []
    for _ in range(_ROUNDS):
        comm.barrier()
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    slowest = comm.allreduce(torch.tensor(times, dtype=torch.float64), "max")
    return float(statistics.median(slowest.tolist()))
