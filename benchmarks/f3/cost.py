"""Live memory, floating point operations and CPU time of a training step, beside backpropagation.

Run on one process: ``python benchmarks/f3/cost.py [--quick] [--json FILE]``. Dense chains with
tanh, ten classes, Adam with ``fused=True``. Live memory is the peak of what a step allocates and
has not yet freed: activations, gradients and temporaries, without parameters, optimiser state and
errors. Times are CPU time of the process on one thread; the ways of training take turns, and the
median ratio of the rounds counts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import f3
from f3.diagnostics import LiveMemory

WAYS = ["bp", "dfa", "f3", "f3-onehot"]
MIB = 2**20


def learner(way: str, depth: int, width: int, batch: int) -> f3.Learner:
    """A chain of `depth` blocks and a head."""
    torch.manual_seed(0)
    blocks = [nn.Sequential(nn.Linear(width, width), nn.Tanh()) for _ in range(depth)]
    sources = {
        "dfa": f3.CurrentError(),
        "f3": f3.DelayedError(batch),
        "f3-onehot": f3.DelayedError(batch, one_hot=True),
    }
    return f3.Learner(
        f3.Sequential(*blocks, nn.Linear(width, 10)),
        loss=nn.CrossEntropyLoss(),
        error=sources.get(way),
        mode="bp" if way == "bp" else "in_forward",
        optimizer=lambda parameters: torch.optim.Adam(parameters, lr=1e-4, fused=True),
    )


def step_of(way: str, depth: int, width: int, batch: int) -> Callable[[], object]:
    """A training step that has run once."""
    train = learner(way, depth, width, batch)
    x, t = torch.randn(batch, width), torch.randint(10, (batch,))
    ids = torch.arange(batch)

    def step() -> object:
        return train.step(x, t, ids)

    step()
    return step


def memory(depths: list[int], width: int, batch: int) -> list[dict[str, object]]:
    """Peak of live memory in MiB."""
    rows = []
    print(f"live memory, width {width}, batch {batch}, MiB")
    for depth in depths:
        row: dict[str, object] = {"depth": depth}
        for way in WAYS:
            step = step_of(way, depth, width, batch)
            with LiveMemory() as live:
                step()
            row[way] = live.peak / MIB
        rows.append(row)
        print(
            f"  depth {depth:3}: " + "  ".join(f"{way} {row[way]:.1f}" for way in WAYS), flush=True
        )
    return rows


def flops(depth: int, width: int, batch: int) -> dict[str, float]:
    """Operations of a step as a share of backpropagation's."""
    counts = {}
    for way in WAYS:
        step = step_of(way, depth, width, batch)
        with FlopCounterMode(display=False) as counter:
            step()
        counts[way] = counter.get_total_flops()
    shares = {way: counts[way] / counts["bp"] for way in WAYS}
    print(f"FLOPs, {depth} x {width}, batch {batch}: bp {counts['bp'] / 1e9:.2f} GFLOP; ", end="")
    print("  ".join(f"{way} {shares[way]:.3f}" for way in WAYS[1:]), flush=True)
    return shares


def times(depth: int, width: int, batch: int, rounds: int) -> dict[str, float]:
    """CPU time of a step as a share of backpropagation's."""
    steps = {way: step_of(way, depth, width, batch) for way in WAYS}
    ratios: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        spent = {}
        for way, step in steps.items():
            start = time.process_time()
            step()
            spent[way] = time.process_time() - start
        for way in WAYS:
            ratios[way].append(spent[way] / spent["bp"])
    shares = {way: statistics.median(values) for way, values in ratios.items()}
    print(f"CPU time, {depth} x {width}, batch {batch}: ", end="")
    print("  ".join(f"{way} {shares[way]:.2f}" for way in WAYS[1:]), flush=True)
    return shares


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rounds = 5 if options.quick else 15
    shapes = (
        [(10, 512, 256)] if options.quick else [(10, 512, 256), (20, 512, 256), (10, 1024, 256)]
    )
    results = {
        "memory": memory([10, 50] if options.quick else [10, 50, 100], 512, 2048),
        "flops": flops(10, 512, 256),
        "cpu": [[*shape, times(*shape, rounds)] for shape in shapes],
    }
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
