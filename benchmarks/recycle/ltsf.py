"""Accuracy on ETTh1 and ETTh2 under the fair protocol: all test windows, nothing chosen on them.

``python benchmarks/recycle/ltsf.py [--quick] [--data FOLDER] [--json FILE]``. The folder holds
ETTh1.csv and ETTh2.csv; default: the environment variable RECYCLE_DATA. Twelve months train, four
choose, four test; values are standardised by the training months; stride 1, no window is dropped.
Every candidate and the model come from the same run. Epochs of the network are chosen on the
validation months; ``--head transformer`` adds it, with the mean of ``--seeds`` seeds. A check
shuffles the test months and compares what was chosen. Peers are in peers.py.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from parts.ett import SHA256, TEST, fit, load

from recycle.cyclic import CyclicData, Windows
from recycle.model import CyclicModel


def scores(model: CyclicModel, data: CyclicData) -> dict[str, list[float]]:
    """Mean squared and mean absolute error over all test windows."""
    windows = Windows(data, model.settings.profile)
    horizon, count = model.settings.horizon, 0
    sums: dict[str, Any] = {}
    origins = np.arange(TEST[0], TEST[1] - horizon + 1)
    for series in range(data.n_series):
        for part in np.array_split(origins, 6):
            truth = windows.target(series, part, horizon)
            forecast = model.predict(windows, series, part)
            named = [*zip(model.names, forecast.candidates, strict=True), ("model", forecast.point)]
            for name, found in named:
                error = found - truth
                total = sums.setdefault(name, np.zeros(2))
                total += [float((error**2).sum()), float(np.abs(error).sum())]
            count += truth.size
    return {name: (total / count).tolist() for name, total in sums.items()}


def chosen(model: CyclicModel) -> dict[str, Any]:
    """What was chosen on the validation months."""
    assert model.pooled is not None and model.gate is not None
    return {
        "beta": model.pooled.beta,
        "lambdas": list(model.pooled.lambdas),
        "gate": model.gate.weights.tolist(),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="horizons 96 and 336")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--data", type=Path, default=os.environ.get("RECYCLE_DATA"))
    parser.add_argument("--head", choices=["ridge", "transformer"], default="ridge")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", choices=list(SHA256), help="one of the sets")
    parser.add_argument("--refit", action="store_true", help="solve again with the validation part")
    options = parser.parse_args()
    if options.data is None or not (Path(options.data) / "ETTh1.csv").exists():
        print("skipped: give the folder of ETTh1.csv by --data or RECYCLE_DATA")
        return
    torch.set_num_threads(1)
    horizons = (96, 336) if options.quick else (96, 192, 336, 720)
    seeds = options.seeds if options.head == "transformer" else 1
    results = []
    for name in [options.only] if options.only else SHA256:
        data = load(Path(options.data), name)
        for horizon in horizons:
            for seed in range(seeds):
                start = time.process_time()
                model = fit(data, horizon, options.head, seed, options.refit)
                seconds = time.process_time() - start
                row = {"data": name, "horizon": horizon, "seed": seed, "cpu_s": seconds}
                results.append(row | {"scores": scores(model, data)} | chosen(model))
                if horizon == 96 and seed == 0:
                    other = fit(load(Path(options.data), name, True), 96, options.head, 0, False)
                    same = chosen(other) == chosen(model)
                    print(f"{name}: choices do not depend on the test months: {same}")
                    if not same:
                        raise SystemExit("a choice depends on the test months")
    report(results)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


def report(results: list[dict[str, Any]]) -> None:
    """A table of MSE / MAE, means over seeds, then over horizons."""
    names = list(results[0]["scores"])
    print(f"{'':16}{'CPU s':>8}" + "".join(f"{name:>16}" for name in names))
    for data in dict.fromkeys(r["data"] for r in results):
        rows = [r for r in results if r["data"] == data]
        for horizon in sorted({r["horizon"] for r in rows}):
            here = [r for r in rows if r["horizon"] == horizon]
            line(f"{data} {horizon}", here, names)
        line(f"{data} mean", rows, names)
        by_seed = [
            np.mean([r["scores"]["model"] for r in rows if r["seed"] == seed], axis=0)
            for seed in sorted({r["seed"] for r in rows})
        ]
        low, high = np.min(by_seed, axis=0), np.max(by_seed, axis=0)
        worst = np.max([np.divide(r["scores"]["model"], r["scores"]["profile"]) for r in rows])
        print(
            f"{data}: model {low[0]:.4f} to {high[0]:.4f} / {low[1]:.4f} to {high[1]:.4f} over "
            f"{len(by_seed)} seeds; at most {100 * (worst - 1):+.1f} % of the profile's error more"
        )


def line(label: str, rows: list[dict[str, Any]], names: list[str]) -> None:
    """One line of the table."""
    seconds = np.mean([r["cpu_s"] for r in rows])
    means = [np.mean([r["scores"][name] for r in rows], axis=0) for name in names]
    cells = "".join(f"{f'{mean[0]:.4f}/{mean[1]:.4f}':>16}" for mean in means)
    print(f"{label:16}{seconds:8.1f}{cells}")


if __name__ == "__main__":
    main()
