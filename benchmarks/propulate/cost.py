"""CPU time that the optimiser needs per evaluation, journal included.

Run on one rank: ``python benchmarks/propulate/cost.py [--quick] [--json FILE]``.
The loss is a sphere in 20 dimensions, whose own time is left out; the pool has 100 individuals.
The bar is 150 us, and late evaluations at most 1.5 times as expensive as early ones.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from propulate import SearchSpace
from propulate.engine.evaluation import Evaluator
from propulate.engine.worker import Worker
from propulate.optimizer import Breeder
from propulate.propagators import AdaptivePropagator, Context
from propulate.storage.history import read_history
from propulate.storage.journal import Journal


def measure(n: int, windows: list[tuple[int, int]], folder: Path) -> dict[str, float]:
    """Microseconds of CPU per evaluation in each window of n evaluations."""
    space = SearchSpace({f"x{i}": (-5.0, 5.0) for i in range(20)})
    context = Context(space, np.random.default_rng(0), design=space.design())
    breeder = Breeder(context, AdaptivePropagator(space, 100))
    header = {"space": space.to_json(), "signs": [1.0], "problem_id": "", "loss_fn": "sphere"}
    journal = Journal(folder / "journal" / "i0-w0.pj", header)
    worker = Worker(breeder, write=journal.write)
    evaluate = Evaluator(lambda candidate: float(candidate.genes @ candidate.genes))
    cpu = np.empty(n)
    for number in range(n):
        start = time.process_time_ns()
        candidate = worker.next()
        middle = time.process_time_ns()
        evaluate(candidate)
        again = time.process_time_ns()
        worker.finish(candidate)
        cpu[number] = (middle - start + time.process_time_ns() - again) / 1000
    journal.close()
    return {f"{low + 1}-{high}": float(cpu[low:high].mean()) for low, high in windows}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    n = 20_000 if options.quick else 100_000
    with tempfile.TemporaryDirectory() as name:
        cost = measure(n, [(1_000, 2_000), (n - 10_000, n)], Path(name))
        start = time.perf_counter()
        history = read_history(Path(name))
        reading = time.perf_counter() - start
    for window, microseconds in cost.items():
        print(f"evaluations {window:>14}: {microseconds:6.1f} us CPU per evaluation")
    early, late = cost.values()
    print(f"late / early: {late / early:.2f}")
    print(f"reading the journal of {history.n_finished} evaluations: {reading:.1f} s")
    if options.json:
        options.json.write_text(json.dumps({"cpu_us": cost, "read_s": reading}, indent=2))


if __name__ == "__main__":
    main()
