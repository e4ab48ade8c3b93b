"""How much faster a factored linear layer trains than a dense one.

Run on one process: ``python benchmarks/lowrank/layers.py [--quick] [--json FILE]``. Forward and
backward on one thread, in CPU time of the process; the layers take turns, and the least of many
rounds is compared, as the one with the least disturbance.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from lowrank.nn import factored

SHAPES = [(512, 512, 128), (1024, 1024, 128), (2048, 2048, 128), (3072, 768, 256)]
SHARES = [0.5, 0.35, 0.25, 0.125, 0.0625]


def step_of(layer: nn.Module, x: torch.Tensor) -> Callable[[], None]:
    """A training step: forward, and backward to the input and the trained weights."""

    def step() -> None:
        for parameter in layer.parameters():
            parameter.grad = None
        x.grad = None
        layer(x).sum().backward()

    return step


def least(steps: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """The least CPU seconds of each step, taking turns."""
    times = dict.fromkeys(steps, float("inf"))
    for _ in range(rounds):
        for name, step in steps.items():
            start = time.process_time()
            step()
            times[name] = min(times[name], time.process_time() - start)
    return times


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rounds = 15 if options.quick else 60
    shapes = SHAPES[:2] if options.quick else SHAPES
    results = []
    for m, n, rows in shapes:
        dense = nn.Linear(n, m)
        x = torch.randn(rows, n, requires_grad=True)
        steps = {"dense": step_of(dense, x)}
        for share in SHARES:
            rank = int(share * min(m, n))
            steps[f"usv {share}"] = step_of(factored(dense, rank), x)
            steps[f"ab {share}"] = step_of(factored(dense, rank, "ab"), x)
        times = least(steps, rounds)
        for form in ("usv", "ab"):
            ratios = {share: times["dense"] / times[f"{form} {share}"] for share in SHARES}
            results.append({"shape": [m, n], "rows": rows, "form": form, "speedup": ratios})
            print(
                f"{m} x {n}, {rows} rows, {form:3}: "
                + "  ".join(f"r/k {share}: {ratio:5.2f}" for share, ratio in ratios.items())
            )
    if options.json:
        machine = {"processor": platform.processor(), "torch": torch.__version__}
        options.json.write_text(json.dumps({"machine": machine, "results": results}, indent=1))


if __name__ == "__main__":
    main()
