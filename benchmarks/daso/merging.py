"""The paper's merge rule and the delay-corrected one side by side, on 8 and 32 nodes.

``python benchmarks/daso/merging.py [--quick] [--json FILE]``. The serial reference trains an MLP
64-64-64-10 on scikit-learn's digits: SGD with momentum 0.9, batches of 16 a node, learning rate
0.05 with a linear warm-up and a cosine, 300 steps, two seeds. The number is the training loss of
the mean model at the end, over all data; in brackets, how many times the synchronous loss that is.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from daso import DASOConfig
from daso.reference import simulate

STEPS = 300


def data() -> tuple[Tensor, Tensor]:
    """All digits."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return torch.tensor(x).float() / 8 - 1, torch.tensor(y).long()


def optimizer(parameters: Any) -> torch.optim.Optimizer:
    """SGD with momentum, a warm-up of 20 steps and a cosine."""
    sgd = torch.optim.SGD(parameters, 0.05, momentum=0.9)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        sgd, lambda t: min((t + 1) / 20, 0.5 * (1 + math.cos(math.pi * t / STEPS)))
    )
    sgd.register_step_post_hook(lambda *_: schedule.step())
    return sgd


def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Cross entropy."""
    return nn.functional.cross_entropy(model(batch[0]), batch[1])


def final_loss(nodes: int, config: DASOConfig, seed: int) -> float:
    """Training loss of the mean model."""
    x, y = data()
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)
    )
    generator = torch.Generator().manual_seed(seed)
    steps = (
        [[(x[part], y[part])] for part in torch.randint(len(x), (nodes, 16), generator=generator)]
        for _ in range(STEPS)
    )
    trained = simulate(model, optimizer, loss, steps, config).model
    with torch.no_grad():
        return float(loss(trained, (x, y)))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="8 nodes, one seed, two settings")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    settings = [(4, 1), (4, 3), (16, 4), (16, 15)]
    sizes, seeds = [8, 32], 2
    if options.quick:
        settings, sizes, seeds = settings[:2], [8], 1
    rows: list[dict[str, Any]] = []
    print("| nodes | B, W | synchronous | stale average | delay-corrected |\n|--:|:-:|--:|--:|--:|")
    for nodes in sizes:
        everywhere = DASOConfig(total_steps=STEPS, warmup_steps=STEPS)
        basis = statistics.mean(final_loss(nodes, everywhere, seed) for seed in range(seeds))
        for every, wait in settings:
            found = {}
            for rule in ("stale_average", "delay_corrected"):
                config = DASOConfig.fixed(every, wait, merge=rule, total_steps=STEPS)
                found[rule] = statistics.mean(final_loss(nodes, config, s) for s in range(seeds))
            rows.append({"nodes": nodes, "B": every, "W": wait, "synchronous": basis, **found})
            cells = [f"{value:.4f} ({value / basis:.2f})" for value in found.values()]
            print(f"| {nodes} | {every}, {wait} | {basis:.4f} | {' | '.join(cells)} |", flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
