"""Overhead of small calls and cost of large ones, as ratios to torch, in one run.

``python benchmarks/heat-core/overhead.py [--quick] [--json PATH]``, alone or under ``mpirun``.
The two sides of a row are timed in turns, so that whatever else the machine does meets both;
figures are medians. Under ``mpirun`` arrays are split along axis 0 and torch works on as many
elements as a rank holds, so that a ratio of 1 is perfect scaling; the slowest rank counts.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

import heat_core as ht  # before the first tensor, so that torch uses huge pages on both sides

LARGE = 16_000_000
SMALL = 10


@dataclass(frozen=True)
class Row:
    """Median times of one case in microseconds."""

    case: str
    elements: int
    heat_core_us: float
    torch_us: float

    @property
    def overhead_us(self) -> float:
        """What a call costs over torch's."""
        return self.heat_core_us - self.torch_us

    @property
    def ratio(self) -> float:
        """Time as a multiple of torch's."""
        return self.heat_core_us / self.torch_us


def interleaved_medians(
    ours: Callable[[], Any], theirs: Callable[[], Any], rounds: int, calls: int
) -> tuple[float, float]:
    """Microseconds per call of both, the slowest rank counting."""
    comm = ht.get_comm()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for side, function in zip(times, (ours, theirs), strict=True):
            comm.barrier()
            start = time.perf_counter()
            for _ in range(calls):
                function()
            side.append((time.perf_counter() - start) / calls * 1e6)
    slowest = comm.allreduce(torch.tensor([times[0], times[1]], dtype=torch.float64), "max")
    return statistics.median(slowest[0].tolist()), statistics.median(slowest[1].tolist())


def small_rows(rounds: int) -> list[Row]:
    """Calls on arrays so small that only the overhead counts."""
    x, y = ht.ones(SMALL, split=0), ht.ones(SMALL, split=0)
    a, b = x.larray, y.larray
    cases: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "add": (lambda: ht.add(x, y), lambda: torch.add(a, b)),
        "x * 2.0": (lambda: x * 2.0, lambda: a * 2.0),
        "sqrt": (lambda: ht.sqrt(x), lambda: torch.sqrt(a)),
        "sum": (lambda: ht.sum(x), lambda: torch.sum(a)),
        "slice": (lambda: x[2:8], lambda: a[2:8]),
    }
    return [
        Row(name, SMALL, *interleaved_medians(ours, theirs, rounds, 500))
        for name, (ours, theirs) in cases.items()
    ]


def large_rows(rounds: int, elements: int) -> list[Row]:
    """Calls whose cost is memory traffic and arithmetic."""
    x = ht.from_local(torch.rand(elements // ht.get_comm().size))
    y, out = x + 1, ht.empty_like(x)
    a, b, c = x.larray, y.larray, out.larray
    t = x.larray[: x.lnumel // 8 * 8].view(-1, 8)
    table = ht.from_local(t)
    cases: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "add": (lambda: x + y, lambda: a + b),
        "add, out=": (lambda: ht.add(x, y, out=out), lambda: torch.add(a, b, out=c)),
        "a * b + c": (lambda: x * y + x, lambda: a * b + a),
        "exp": (lambda: ht.exp(x), lambda: torch.exp(a)),
        "x < 0.5": (lambda: x < 0.5, lambda: a < 0.5),
        "sum": (x.sum, a.sum),
        "max": (x.max, a.amax),
        "mean": (x.mean, a.mean),
        "var": (x.var, a.var),
        "sum, axis 0 of 8 columns": (lambda: table.sum(0), lambda: t.sum(0)),
        "var, axis 0 of 8 columns": (lambda: table.var(0), lambda: t.var(0)),
        "argmax": (x.argmax, a.argmax),
    }
    return [
        Row(name, elements, *interleaved_medians(ours, theirs, rounds, 1))
        for name, (ours, theirs) in cases.items()
    ]


def main() -> None:
    """Measure, print a table, and write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="fewer rounds and a quarter of the size"
    )
    parser.add_argument("--json", type=Path, help="where to write the figures")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rounds, elements = (7, LARGE // 4) if arguments.quick else (21, LARGE)
    rows = [*small_rows(rounds), *large_rows(rounds, elements)]
    comm = ht.get_comm()
    if comm.rank:
        return
    print(f"{comm.size} rank(s), torch {torch.__version__}, one thread per rank, float32")
    heads = f"{'heat-core µs':>15}{'torch µs':>12}{'over µs':>10}{'ratio':>8}"
    print(f"{'case':28}{'elements':>12}{heads}")
    for row in rows:
        print(
            f"{row.case:28}{row.elements:>12,}{row.heat_core_us:>15,.1f}{row.torch_us:>12,.1f}"
            f"{row.overhead_us:>10,.1f}{row.ratio:>8.2f}"
        )
    if arguments.json:
        figures = {
            "ranks": comm.size,
            "machine": platform.processor() or platform.machine(),
            "torch": torch.__version__,
            "rows": [asdict(row) | {"ratio": row.ratio} for row in rows],
        }
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
