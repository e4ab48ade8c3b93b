"""Limits of the package: what importing costs, resuming, uneven workers, and a simulated cluster.

``python benchmarks/propulate/limits.py [--quick] [--json FILE]``, on one rank. Prints the CPU time
and memory of ``import propulate``; the share of time that four workers are busy if one of them is
ten times slower (simulated); the CPU time of writing an evaluation in 20 dimensions to the journal,
and of bringing one in 30 dimensions to a peer, the transport itself left out; what is kept for a
peer that doesn't answer during 20,000 evaluations; the CPU time of continuing a run of 100,000
evaluations in 20 dimensions, and of finding its ten best; and that of simulating 1,000 workers that
make 100 evaluations each.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np

from propulate import Individual, Propulator, SearchSpace, Status, Uid
from propulate.engine.outbox import Outbox, read_batch
from propulate.engine.records import Codec
from propulate.engine.worker import RESULT, STARTED
from propulate.storage.journal import Journal
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


def record(dimensions: int) -> tuple[Codec, Individual]:
    """How evaluations are written, and one that is complete."""
    space = SearchSpace({f"x{i}": (-5.0, 5.0) for i in range(dimensions)})
    individual = Individual.from_genes(space, space.sample(np.random.default_rng(0)), operator="ga")
    individual.uid, individual.status, individual.loss = Uid(0, 0, 0), Status.COMPLETE, 1.0
    return Codec(space), individual


def journalling(n: int) -> float:
    """CPU microseconds of journalling the start and the result of an evaluation."""
    codec, individual = record(20)
    with tempfile.TemporaryDirectory() as name:
        journal = Journal(Path(name) / "journal.pj", {})
        start = time.process_time()
        for _ in range(n):
            journal.write(STARTED, codec.encode(individual))
            journal.write(RESULT, codec.encode(individual))
        seconds = time.process_time() - start
        journal.close()
    return 1e6 * seconds / n


def telling(n: int, peers: int = 4) -> tuple[float, float]:
    """CPU microseconds of a message to one of some peers, and MB kept for one that is silent."""
    codec, individual = record(30)
    outbox = Outbox(0, [0] * (peers + 1), window=2 * n)
    start = time.process_time()
    for _ in range(n):
        outbox.post(0, RESULT, codec.encode(individual))
        for _, data in outbox.batches():
            for _, payload in read_batch(data).entries:
                codec.decode(payload)
    seconds = time.process_time() - start
    silent = Outbox(0, [0, 0])
    entry = codec.encode(individual)
    tracemalloc.start()
    for _ in range(20_000):
        silent.post(0, RESULT, bytes(bytearray(entry)))
        list(silent.batches())
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return 1e6 * seconds / n / peers, kept / 2**20


def resuming(n: int) -> tuple[float, float]:
    """CPU seconds of continuing a run of n evaluations with nothing left to do, and of its best."""
    with tempfile.TemporaryDirectory() as name:
        for _ in range(2):  # the second one has nothing left to do
            search = Propulator(sphere, limits=LIMITS, max_evaluations=n, checkpoint_path=name)
            start = time.process_time()
            result = search.propulate()
            seconds = time.process_time() - start
    start = time.process_time()
    assert len(result) == n and len(result.top(10)) == 10
    return seconds, time.process_time() - start


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
    results["journalling an evaluation, us CPU"] = journalling(n)
    message, kept = telling(n // 10)
    results["message to a peer, us CPU"], results["kept for a silent peer, MB"] = message, kept
    continued, best = resuming(n)
    results[f"continuing {n} evaluations, s CPU"], results["their ten best, s CPU"] = (
        continued,
        best,
    )
    results[f"simulating {workers} workers x 100, s CPU"] = simulating(workers, 100)
    for what, number in results.items():
        print(f"{what:45s} {number:8.3f}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
