"""Accuracy of peers on ETTh1 and ETTh2, each trained within the same CPU time.

``python benchmarks/recycle/peers.py [--quick] [--data FOLDER] [--json FILE]``. The protocol is that
of ltsf.py: twelve months train, four choose, four test, all test windows count. Each network of
parts/peers.py gets ``--budget`` CPU seconds, which two learning rates share; weights and rate are
chosen by the validation months. Beside them stand the profile, one ridge for all series, and the
model with ridge and network as the package fits it; and the paper's network, which trains until it
gets no better. PatchTST of width 128 (``--large``) sees a thirtieth of an epoch in this time;
Informer is left out: it would see some 40 of 60,000 windows, and take half an hour for the test.
Rows are printed, and kept in FILE, as they come: first all of one seed, then of the next.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ltsf import scores
from parts.ett import SHA256, fit, load
from parts.peers import DLinear, ITransformer, NLinear, PatchTST
from parts.training import WindowTensors, test_scores, train

from recycle.cyclic import CyclicData

PEERS: dict[str, Callable[[int, int], torch.nn.Module]] = {
    "DLinear": DLinear,
    "NLinear": NLinear,
    "iTransformer d=256": ITransformer,
    "PatchTST d=16": lambda lookback, horizon: PatchTST(lookback, horizon, d=16, heads=4, ff=128),
}
LARGE = "PatchTST d=128"


def peer_rows(
    data: CyclicData, horizon: int, seed: int, budget: float, large: bool
) -> Iterator[dict[str, Any]]:
    """Errors of each peer on all test windows, and how much of the training windows it saw."""
    windows = WindowTensors.of(data, horizon)
    peers = dict(PEERS)
    if large:
        peers[LARGE] = lambda past, ahead: PatchTST(past, ahead, d=128, heads=16, ff=256)
    for name, make in peers.items():
        checks = 2 if name == LARGE else 6  # looking takes it longer than training
        found = train(make, windows, budget=budget, checks=checks, seed=seed)
        mse, mae = test_scores(found.model, windows)
        yield {"model": name, "mse": mse, "mae": mae, "cpu_s": budget, "epochs": found.epochs}


def own_rows(data: CyclicData, horizon: int, seed: int) -> Iterator[dict[str, Any]]:
    """Errors of the paper's network, and of what the package fits."""
    for head in ("paper", "transformer"):
        start = time.process_time()
        model = fit(data, horizon, head, seed, False)
        seconds = time.process_time() - start
        found = scores(model, data)
        wanted = {"paper": ("net",), "transformer": ("profile", "ridge", "model")}[head]
        for name in wanted:
            mse, mae = found[name]
            label = "paper's network" if head == "paper" else name
            yield {"model": label, "mse": mse, "mae": mae, "cpu_s": seconds}


def report(rows: list[dict[str, Any]]) -> None:
    """Means over seeds, of each set and horizon, and over the horizons that all models have."""
    cases = list(dict.fromkeys((row["data"], row["horizon"]) for row in rows))
    print(f"{'':20}" + "".join(f"{f'{data} {horizon}':>16}" for data, horizon in cases))
    for name in dict.fromkeys(row["model"] for row in rows):
        cells = ""
        for case in cases:
            here = [r for r in rows if r["model"] == name and (r["data"], r["horizon"]) == case]
            mean = np.mean([[r["mse"], r["mae"]] for r in here], axis=0) if here else (np.nan,) * 2
            cells += f"{f'{mean[0]:.4f}/{mean[1]:.4f}':>16}"
        print(f"{name:20}{cells}")
    counts = [len({r["seed"] for r in rows if (r["data"], r["horizon"]) == case}) for case in cases]
    print(f"{'seeds':20}" + "".join(f"{count:16}" for count in counts))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="ETTh1, 96 steps, 4 seconds, one seed")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--data", type=Path, default=os.environ.get("RECYCLE_DATA"))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--horizons", type=int, nargs="+", default=[96, 336, 192, 720])
    parser.add_argument("--only", choices=list(SHA256), help="one of the sets")
    parser.add_argument("--large", action="store_true", help="PatchTST of width 128, too")
    parser.add_argument("--budget", type=float, default=15.0, help="CPU seconds of each network")
    options = parser.parse_args()
    if options.data is None or not (Path(options.data) / "ETTh1.csv").exists():
        print("skipped: give the folder of ETTh1.csv by --data or RECYCLE_DATA")
        return
    torch.set_num_threads(1)
    sets = [options.only] if options.only else list(SHA256)
    horizons, seeds, budget = options.horizons, options.seeds, options.budget
    if options.quick:
        sets, horizons, seeds, budget = sets[:1], horizons[:1], 1, 4.0
    rows: list[dict[str, Any]] = []
    for seed, horizon, name in itertools.product(range(seeds), horizons, sets):
        data = load(Path(options.data), name)
        for found in itertools.chain(
            own_rows(data, horizon, seed), peer_rows(data, horizon, seed, budget, options.large)
        ):
            rows.append({"data": name, "horizon": horizon, "seed": seed, **found})
            print(json.dumps(rows[-1]), flush=True)
        if options.json:
            options.json.write_text(json.dumps(rows, indent=1))
    report(rows)


if __name__ == "__main__":
    main()
