"""125 networks at once: digits, 5 algorithms, 5 learning rates, 5 seeds, beside one at a time.

Run on one process: ``python benchmarks/f3/sweep.py [--quick] [--json FILE]``. 60 epochs of batches
of 50, one hidden layer of 100, on one thread.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from f3 import TensorBatches
from f3.compare import Run, make_learner, mlp, sweep

ALGORITHMS = ["bp", "dfa", "drtp", "f3", "f3-onehot"]
RATES = [3e-4, 1e-3, 3e-3, 1e-2, 3e-2]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    epochs = 3 if options.quick else 60
    x, y = load_digits(return_X_y=True)
    parts = train_test_split(x / 16, y, test_size=0.25, stratify=y, random_state=0)
    x, test_x = (torch.tensor(part).float() for part in parts[:2])
    t, test_t = (torch.tensor(part) for part in parts[2:])
    rows, test_rows = (torch.nn.functional.one_hot(part, 10).float() for part in (t, test_t))
    runs = [Run(a, lr, seed) for a in ALGORITHMS for lr in RATES for seed in range(5)]
    wall, cpu = time.perf_counter(), time.process_time()
    result = sweep(runs, x, rows, epochs=epochs, scored={"test": (test_x, test_rows)}, every=epochs)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    alone = time.process_time()
    learner = make_learner("f3", mlp(64, 100, 1, 10), len(x))
    learner.fit(TensorBatches(x, t, 50), min(epochs, 5))
    alone = (time.process_time() - alone) * epochs / min(epochs, 5)
    print(f"{len(runs)} runs of {epochs} epochs: {wall:.0f} s, {cpu:.0f} s of CPU time")
    print(
        f"one run alone: {alone:.1f} s of CPU time, {125 * alone / cpu:.0f} times as much for all"
    )
    for name in ALGORITHMS:
        scores = result.scores["test"][-1]
        cells = []
        for rate in RATES:
            mine = [i for i, r in enumerate(result.runs) if (r.algorithm, r.lr) == (name, rate)]
            cells.append(f"{100 * scores[mine].mean():5.1f} ± {100 * scores[mine].std():3.1f}")
        print(f"  {name:10}" + "  ".join(cells))
    if options.json:
        options.json.write_text(json.dumps({"wall_s": wall, "cpu_s": cpu, "alone_s": alone}))


if __name__ == "__main__":
    main()
