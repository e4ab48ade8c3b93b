"""Accuracy over size of a thin VGG, up to 50:1: OIALR, and truncating once.

Run on one process: ``python benchmarks/lowrank/curve.py [--quick] [--json FILE] [--seeds 1]``.
Convolutions of 32, 32, 64, 64, 128 and 128 channels (287,000 weights) are trained on 10,000 images
of Fashion-MNIST (see accuracy.py) for 5 epochs (AdamW, 2e-3, cosine, batches of 128) and tested
once, at the end, on the 10,000 test images. All layers together get a budget; sizes are those of
all numbers that the network then stores; CPU time is that of training, over the dense one's.
``--folded`` adds OIALR that trains both factors in the last fifth.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from tasks.fashion import FOLDER, Data, accuracy, load
from torch import nn

import lowrank

EPOCHS, BATCH, IMAGES = 5, 128, 10_000
METHODS = ("OIALR", "truncate at 80 %")
FOLDED = "OIALR, folded"
#: Shares of the factored layers' weights that may be stored.
BUDGETS = (0.5, 0.25, 0.12, 0.06, 0.0145, 0.007)


@dataclass(frozen=True)
class Point:
    """One run."""

    method: str
    budget: float
    seed: int
    accuracy: float
    stored: float
    trainable: float
    seconds: float


def thin_vgg() -> nn.Sequential:
    """Three blocks of two convolutions; images of 784 numbers."""
    layers: list[nn.Module] = [nn.Unflatten(1, (1, 28, 28))]
    inputs = 1
    for width in (32, 64, 128):
        for place in range(2):
            stride = 2 if inputs == 1 else 1
            layers += [
                nn.Conv2d(inputs, width, 3, stride, 1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
            inputs = width
            if place:
                layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(inputs, 10))


def run(method: str, budget: float, data: Data, seed: int, epochs: int) -> Point:
    """Train once."""
    torch.manual_seed(seed)
    model = thin_vgg()
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    per_epoch = len(data.x) // BATCH
    total = epochs * per_epoch
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total)
    if method.startswith("OIALR"):
        config = lowrank.OIALRConfig(
            total_steps=total,
            rank_rule="budget",
            rank_value=budget,
            min_rank=1,
            layer_fraction=1.0,
            fold_at=0.8 if method == FOLDED else None,
        )
        lowrank.OIALR(model, optimizer, config)
    begun, step = time.process_time(), 0
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        order = torch.randperm(len(data.x), generator=generator)
        for batch in order[: per_epoch * BATCH].split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(data.x[batch]), data.y[batch]).backward()
            optimizer.step()
            schedule.step()
            step += 1
            if method == "truncate at 80 %" and step == round(0.8 * total):
                lowrank.factorize(model, budget=budget, optimizer=optimizer)
    seconds = time.process_time() - begun
    account = lowrank.report(model)
    return Point(
        method, budget, seed, accuracy(model, data), account.stored_percent,
        account.trainable_percent, seconds,
    )  # fmt: skip


def show(points: list[Point]) -> None:
    """Print the curves."""
    dense = statistics.mean(p.seconds for p in points if p.method == "dense")
    print(f"{'method':18} {'budget':>7} {'accuracy':>9} {'stored':>8} {'ratio':>7} trainable   CPU")
    for method, budget in dict.fromkeys((p.method, p.budget) for p in points):
        own = [p for p in points if (p.method, p.budget) == (method, budget)]
        stored = statistics.mean(p.stored for p in own)
        print(
            f"{method:18} {budget:7.3f} {statistics.mean(p.accuracy for p in own):7.2f} %"
            f" {stored:6.2f} % {100 / stored:5.1f}:1"
            f" {statistics.mean(p.trainable for p in own):7.2f} %"
            f" {statistics.mean(p.seconds for p in own) / dense:6.2f}"
        )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2 epochs, 2,000 images, 2 budgets")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--folded", action="store_true", help="train both factors at the end, too")
    options = parser.parse_args()
    if not FOLDER.is_dir():
        print(f"no Fashion-MNIST in {FOLDER}: set FASHION_MNIST; nothing was measured")
        return 0
    torch.set_num_threads(1)
    data = load(2000 if options.quick else IMAGES)
    epochs, budgets = (2, BUDGETS[1::2]) if options.quick else (EPOCHS, BUDGETS)
    cases = [("dense", 1.0)]
    methods = (*METHODS, FOLDED) if options.folded else METHODS
    cases += [(method, budget) for method in methods for budget in budgets]
    points = []
    for seed in range(options.seeds):
        for case in cases:
            points.append(run(*case, data, seed, epochs))
            print(points[-1], file=sys.stderr, flush=True)
    print(f"{options.seeds} seeds, {epochs} epochs, {len(data.x)} images")
    show(points)
    if options.json:
        options.json.write_text(json.dumps([asdict(p) for p in points], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
