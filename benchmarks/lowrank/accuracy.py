"""Accuracy against size and time: OIALR, DLRT, truncating once, and dense training.

Run on one process: ``python benchmarks/lowrank/accuracy.py [--quick] [--json FILE] [--seeds 5]``.
The data are the original files of Fashion-MNIST in the folder ``$FASHION_MNIST``, by default where
Debian's package dataset-fashion-mnist puts them. An MLP 784-256-256-256-10 is trained on 30,000
images for 8 epochs (AdamW, 1e-3, cosine, batches of 128) and tested once, at the end, on the 10,000
test images. Settings were chosen on 15,000 other training images. CPU seconds are those of training
alone, on one thread.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tasks.fashion import FOLDER, Data, accuracy, load, mlp
from torch import nn

import lowrank

EPOCHS, BATCH = 8, 128

Attach = Callable[[nn.Module, torch.optim.Optimizer, int], Any]


@dataclass(frozen=True)
class Outcome:
    """One run."""

    accuracy: float
    trainable: float
    stored: float
    seconds: float
    slowest_epoch: float


def run(data: Data, attach: Attach, seed: int, epochs: int = EPOCHS) -> Outcome:
    """Train once."""
    torch.manual_seed(seed)
    model = mlp()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    per_epoch = len(data.x) // BATCH
    total = epochs * per_epoch
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total)
    at_step = attach(model, optimizer, total)
    generator = torch.Generator().manual_seed(seed)
    begun = time.process_time()
    spans = []
    for _ in range(epochs):
        start = time.process_time()
        order = torch.randperm(len(data.x), generator=generator)
        for batch in order[: per_epoch * BATCH].split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(data.x[batch]), data.y[batch]).backward()
            optimizer.step()
            schedule.step()
            if callable(at_step):
                at_step()
        spans.append(time.process_time() - start)
    seconds = time.process_time() - begun
    right, account = accuracy(model, data), lowrank.report(model)
    return Outcome(right, account.trainable_percent, account.stored_percent, seconds, max(spans))


def dense(*_: Any) -> None:
    """Ordinary training."""


def oialr(**settings: Any) -> Attach:
    """OIALR with settings."""

    def attach(model: nn.Module, optimizer: torch.optim.Optimizer, total: int) -> None:
        lowrank.OIALR(model, optimizer, lowrank.OIALRConfig(total_steps=total, **settings))

    return attach


def paper(**settings: Any) -> Attach:
    """OIALR as published."""

    def attach(model: nn.Module, optimizer: torch.optim.Optimizer, total: int) -> None:
        config = lowrank.OIALRConfig.paper(total_steps=total, **settings)
        lowrank.OIALR(model, optimizer, config)

    return attach


def dlrt(**settings: Any) -> Attach:
    """DLRT with settings."""

    def attach(model: nn.Module, optimizer: torch.optim.Optimizer, total: int) -> None:
        lowrank.DLRT(model, optimizer, lowrank.DLRTConfig(total_steps=total, **settings))

    return attach


def truncate(rank: float, at: float = 0.8) -> Attach:
    """Dense training, one cut to factors of a rank, and fine-tuning of both factors."""

    def attach(
        model: nn.Module, optimizer: torch.optim.Optimizer, total: int
    ) -> Callable[[], None]:
        step = 0

        def at_step() -> None:
            nonlocal step
            step += 1
            if step == round(at * total):
                lowrank.factorize(model, rank=rank, optimizer=optimizer)

        return at_step

    return attach


WHOLE = {"layer_fraction": 1.0}  # all layers at once

METHODS: dict[str, Attach] = {
    "dense": dense,
    "OIALR, cutoff 0.3": oialr(cutoff=0.3, **WHOLE),
    "OIALR, cutoff 0.5": oialr(cutoff=0.5, **WHOLE),
    "OIALR, cutoff 0.3, folded at 0.6": oialr(cutoff=0.3, fold_at=0.6, **WHOLE),
    "OIALR, budget 0.3, late, folded": oialr(
        rank_rule="budget", rank_value=0.31, delay=0.6, fold_at=0.8, **WHOLE
    ),
    "OIALR, budget 0.075, twice the step": oialr(
        rank_rule="budget", rank_value=0.075, core_lr_mult=2.0, **WHOLE
    ),
    "OIALR as published, cutoff 0.3": paper(cutoff=0.3),
    "DLRT, tolerance 0.1": dlrt(),
    "truncate at 80 %, rank 0.19": truncate(0.19),
    "truncate at 80 %, rank 0.1": truncate(0.1),
    "truncate at 80 %, rank 0.048": truncate(0.048),
}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one seed, three methods, 2 epochs")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", default="", help="methods whose name has this")
    options = parser.parse_args()
    if not FOLDER.is_dir():
        print(f"no Fashion-MNIST in {FOLDER}: set FASHION_MNIST; nothing was measured")
        return 0
    torch.set_num_threads(1)
    data = load()
    seeds, epochs = (1, 2) if options.quick else (options.seeds, EPOCHS)
    methods = {k: v for k, v in METHODS.items() if options.only in k or k == "dense"}
    outcomes: dict[str, list[Outcome]] = {name: [] for name in methods}
    for seed in range(seeds):
        for name, attach in methods.items():
            outcomes[name].append(run(data, attach, seed, epochs))
    basis = statistics.mean(o.seconds for o in outcomes["dense"])
    basis_epoch = statistics.median(o.slowest_epoch for o in outcomes["dense"])
    print(f"{seeds} seeds, {epochs} epochs")
    head = ("method", "accuracy", "trainable", "stored", "CPU", "slowest epoch")
    print("{:36} {:>14} {:>9} {:>7} {:>6} {}".format(*head))
    for name, runs in outcomes.items():
        found = [o.accuracy for o in runs]
        spread = statistics.stdev(found) if len(found) > 1 else math.nan
        print(
            f"{name:36} {statistics.mean(found):6.2f} ± {spread:4.2f} %"
            f" {statistics.mean(o.trainable for o in runs):7.2f} %"
            f" {statistics.mean(o.stored for o in runs):5.1f} %"
            f" {statistics.mean(o.seconds for o in runs) / basis:6.2f}"
            f" {statistics.median(o.slowest_epoch for o in runs) / basis_epoch:13.2f}"
        )
    if options.json:
        plain = {name: [vars(o) for o in runs] for name, runs in outcomes.items()}
        options.json.write_text(json.dumps({"epochs": epochs, "outcomes": plain}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
