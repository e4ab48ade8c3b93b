"""Live memory, floating point operations and CPU time of a training step, beside backpropagation.

Run on one process: ``python benchmarks/f3/cost.py [--quick] [--json FILE]``. Dense chains with
tanh, ten classes, Adam with ``fused=True``, one thread; see `f3.compare.cost` for what is measured,
and ``f3 bench`` for shapes of your own.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from f3.compare import cpu_time, live_memory, operations

MIB = 2**20


def row(numbers: dict[str, float], form: str, unit: float = 1) -> str:
    """Numbers in one line."""
    return "  ".join(f"{way} {number / unit:{form}}" for way, number in numbers.items())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    memory = []
    print("live memory, width 512, batch 2048, MiB")
    for depth in [10, 50] if options.quick else [10, 50, 100]:
        peaks = live_memory(depth, 512, 2048)
        memory.append({"depth": depth} | {way: peak / MIB for way, peak in peaks.items()})
        print(f"  depth {depth:3}: {row(peaks, '.1f', MIB)}", flush=True)
    counts = operations(10, 512, 256)
    print(f"operations of a step, 10 x 512, batch 256, GFLOP: {row(counts, '.2f', 1e9)}")
    flops = {way: count / counts["bp"] for way, count in counts.items()}
    print(f"  over backpropagation's: {row(flops, '.3f')}", flush=True)
    cpu = []
    for shape in [(10, 512), (20, 512), (10, 1024)][: 1 if options.quick else 3]:
        shares = cpu_time(*shape, 256, 5 if options.quick else 15)
        cpu.append([*shape, shares])
        print(f"CPU time, {shape[0]} x {shape[1]}, batch 256: {row(shares, '.2f')}", flush=True)
    if options.json:
        options.json.write_text(json.dumps({"memory": memory, "flops": flops, "cpu": cpu}))


if __name__ == "__main__":
    main()
