"""Limits of the package: what importing costs, resuming, uneven workers, and a simulated cluster.

``python benchmarks/propulate/limits.py [--quick] [--json FILE]``, on one rank. Prints the CPU time
and memory of ``import propulate``; of continuing a run of 100,000 evaluations in 20 dimensions; the
share of time that four workers are busy if one of them is ten times slower (simulated); and the CPU
time of simulating 1,000 workers that make 100 evaluations each.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from propulate import Individual, Propulator
from propulate.testing import VirtualCluster

LIMITS = {f"x{i}": (-5.0, 5.0) for i in range(20)}
IMPORT = """
import resource
before = resource.getrusage(resource.RUSAGE_SELF)
import propulate
after = resource.getrusage(resource.RUSAGE_SELF)
print(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, after.ru_maxrss / 1024)
"""


def sphere(candidate: Individual) -> float:
    """The loss."""
    return float(candidate.genes @ candidate.genes)


def importing() -> tuple[float, float]:
    """CPU seconds, the least of five, and MB."""
    command = [sys.executable, "-c", IMPORT]
    runs = [
        subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        for _ in range(5)
    ]
    return min(float(cpu) for cpu, _ in runs), float(runs[0][1])


def resuming(n: int) -> float:
    """CPU seconds of continuing a run of n evaluations that has nothing left to do."""
    with tempfile.TemporaryDirectory() as name:
        for _ in range(2):  # the second one has nothing left to do
            search = Propulator(sphere, limits=LIMITS, max_evaluations=n, checkpoint_path=name)
            start = time.process_time()
            result = search.propulate()
            seconds = time.process_time() - start
    assert len(result) == n
    return seconds


def uneven() -> float:
    """Busy share of four workers, one of them ten times slower, in 160 evaluations."""
    cluster = VirtualCluster(
        sphere, LIMITS, [4], lambda worker, rng: 0.5 if worker == 0 else 0.05, lambda rng: 1e-4
    )
    cluster.run(160)
    return cluster.busy / (4 * cluster.now)


def simulating(workers: int, evaluations: int) -> float:
    """CPU seconds of a simulated cluster; durations are log-normal."""
    start = time.process_time()
    limits = {"x": (-5.0, 5.0), "y": (-5.0, 5.0)}
    budget = workers * evaluations
    cluster = VirtualCluster(sphere, limits, [workers // 50] * 50, budget=budget)
    cluster.run(budget)
    return time.process_time() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    n, workers = (5_000, 50) if options.quick else (100_000, 1_000)
    results: dict[str, Any] = {}
    results["import, s CPU"], results["import, MB"] = importing()
    results["busy share, one of four slow"] = uneven()
    results[f"continuing {n} evaluations, s CPU"] = resuming(n)
    results[f"simulating {workers} workers x 100, s CPU"] = simulating(workers, 100)
    for what, number in results.items():
        print(f"{what:45s} {number:8.3f}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
