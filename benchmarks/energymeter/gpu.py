"""A real NVIDIA GPU: its energy counter against its power readings, and the energy of a step.

``python benchmarks/energymeter/gpu.py [--quick] [--json FILE]``. Under a load that changes every
few tenths of a second, one agent reads both, at periods of 0.1 and 1 s; the counter's difference is
compared with the trapezoids below the powers over the same time. Needs a GPU, torch with CUDA, and
``energymeter[nvidia]``; ends with status 77 where there is none.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

import energymeter as em
from energymeter.analysis.nodes import NodeData

NO_GPU = 77


def load(seconds: float) -> None:
    """Matrix products for 0.3 s, nothing for 0.2 s, in turns."""
    x = torch.randn(4096, 4096, device="cuda", dtype=torch.bfloat16)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        burst = time.monotonic() + 0.3
        while time.monotonic() < burst:
            for _ in range(20):
                torch.mm(x, x)
            torch.cuda.synchronize()
        time.sleep(0.2)


def cross_check(node: NodeData) -> dict[str, float]:
    """Joules by the counter, and by the powers in the time between the counter's ends."""
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for sensor, series in zip(node.sensors, node.series, strict=True):
        good = series.statuses == 0
        values = series.raws[good] * (sensor.scale[0] / sensor.scale[1])
        found[sensor.id.rpartition(":")[2]] = (series.times[good] * 1e-9, values)
    times, joules = found["energy"]
    start, stop = times[0], times[-1]
    by_power = found["instant" if "instant" in found else "power"]
    grid = np.union1d(by_power[0][(by_power[0] > start) & (by_power[0] < stop)], [start, stop])
    watts = np.interp(grid, *by_power)
    return {
        "counter_j": float(joules[-1] - joules[0]),
        "power_j": float(np.trapezoid(watts, grid)),
        "seconds": float(stop - start),
        "readings": len(times),
    }


def steps(folder: Path, count: int) -> dict[str, float]:
    """The energy of a step of a small network, from regions."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(1024, 4096), nn.ReLU(), nn.Linear(4096, 1024)).cuda()
    optimizer = torch.optim.AdamW(model.parameters())
    x = torch.randn(4096, 1024, device="cuda")
    with em.Meter(label="steps", out=folder) as meter, em.phase("training"):
        for _ in range(count):
            with em.region("step", samples=len(x)):
                optimizer.zero_grad()
                (model(x) - x).square().mean().backward()
                optimizer.step()
                torch.cuda.synchronize()
    (region,) = (r for r in meter.result.regions if r.path.endswith("step"))
    gpu = sum(value for name, value in meter.result.by_class().items() if name.startswith("gpu"))
    (agent,) = (e for e in meter.run.nodes[0].events if e["event"] == "stop")
    return {
        "step_j": region.inclusive / count,
        "sample_mj": region.per_sample * 1e3,
        "gpu_share": gpu / meter.result.total.joules,
        "agent_share": agent["cpu_s"] / meter.result.seconds,
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("no GPU that torch can use: nothing was measured")
        return NO_GPU
    torch.mm(x := torch.ones(512, 512, device="cuda"), x)  # the context
    figures: dict[str, dict[str, float]] = {}
    print(f"{torch.cuda.get_device_name(0)}\n")
    print(f"{'period':>8} {'readings':>9} {'counter J':>10} {'powers J':>10} {'ratio':>7}")
    with tempfile.TemporaryDirectory() as name:
        for period in (0.1, 1.0):
            with em.Meter(label="check", out=Path(name), period=period) as meter:
                load(10 if options.quick else 60)
            row = figures[f"period {period}"] = cross_check(meter.run.nodes[0])
            ratio = row["power_j"] / row["counter_j"]
            print(
                f"{period:6.1f} s {row['readings']:9.0f} {row['counter_j']:10.1f} "
                f"{row['power_j']:10.1f} {ratio:7.3f}"
            )
        row = figures["steps"] = steps(Path(name), 1000 if options.quick else 10_000)
    print(f"\na step: {row['step_j']:.3g} J, {row['sample_mj']:.3g} mJ a sample")
    print(f"share of the GPU in the total: {row['gpu_share']:.1%}")
    print(f"agent: {row['agent_share']:.2%} of a core")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
