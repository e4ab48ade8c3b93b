"""Wall time of an epoch on an emulated cluster with slow links: AB-training beside torch's DDP.

``python benchmarks/lowrank/cluster.py [--quick] [--json FILE] [--rate 100mbit] [--repeats 3]``.
Needs root, or the right to make namespaces; without Fashion-MNIST random images serve. Two nodes of
two ranks train an MLP 784-256-256-256-10 with 32 images each (see traffic.py) over gloo. Methods
take turns; a turn is two periods of 56 steps, DDP's fewer steps, all of which cost the same. An
epoch has 234 steps. AB-training is timed after its warm-up, whose steps are those of DDP: "whole
run" counts 10 % of them. Bytes are those that leave a node's interface.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from tasks.fashion import FOLDER, load, mlp
from torch import Tensor, nn

import lowrank

ROOT = Path(__file__).parents[2]
BATCH, PERIOD, EPOCH, WARMUP = 32, 56, 234, 0.1

METHODS: dict[str, dict[str, Any] | None] = {
    "torch DDP": None,
    "AB, groups": {},
    "AB, local": {"intra_group": "local"},
    "AB, combined": {
        "intra_group": "local",
        "combine": "tangent",
        "outer": "nesterov",
        "payload_dtype": torch.bfloat16,
        "dense": 0,
    },
}


class Trainer:
    """One method on one rank."""

    def __init__(self, settings: dict[str, Any] | None) -> None:
        torch.manual_seed(0)
        self.model = self.module = mlp()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), 1e-3)
        if settings is None:
            self.module = nn.parallel.DistributedDataParallel(self.model)  # type: ignore[assignment]
            return
        config = lowrank.ABConfig(
            total_steps=10**6, warmup=0, period=PERIOD, **{"keep_first": False, **settings}
        )
        comm = lowrank.TorchDistributed()
        self.controller = lowrank.ABTraining(self.model, self.optimizer, config, comm=comm)

    def train(self, x: Tensor, y: Tensor) -> None:
        """A step on each batch."""
        for xs, ys in zip(x, y, strict=True):
            self.optimizer.zero_grad()
            nn.functional.cross_entropy(self.module(xs), ys).backward()
            self.optimizer.step()


def sent_bytes() -> int:
    """Bytes that have left this node's interface."""
    lines = Path("/proc/self/net/dev").read_text().splitlines()
    return sum(int(line.partition(":")[2].split()[8]) for line in lines if "eth0:" in line)


def worker(folder: Path, repeats: int, few: int) -> None:
    """Let the methods take turns, and write times and bytes of a step."""
    import torch.distributed as dist

    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank, size = dist.get_rank(), dist.get_world_size()
    steps = 2 * PERIOD
    shape = (steps, size, BATCH)
    if FOLDER.is_dir():
        data = load(steps * size * BATCH)
        x, y = data.x.view(*shape, -1)[:, rank], data.y.view(shape)[:, rank]
    else:
        generator = torch.Generator().manual_seed(rank)
        x = torch.randn(steps, BATCH, 784, generator=generator)
        y = torch.randint(0, 10, (steps, BATCH), generator=generator)
    trainers = {name: Trainer(settings) for name, settings in METHODS.items()}
    trainers["torch DDP"].train(x[:4], y[:4])
    for name in list(trainers)[1:]:
        trainers[name].train(x[:PERIOD], y[:PERIOD])  # on to the end of a period
    rows = []
    for _ in range(repeats):
        for name, trainer in trainers.items():
            count = few if METHODS[name] is None else steps
            dist.barrier()
            sent, began = sent_bytes(), time.perf_counter()
            trainer.train(x[:count], y[:count])
            dist.barrier()
            seconds = (time.perf_counter() - began) / count
            row = {"method": name, "seconds": seconds, "sent": (sent_bytes() - sent) / count}
            rows.append(row)
    (folder / f"{rank}.json").write_text(json.dumps(rows))
    dist.barrier()
    dist.destroy_process_group()


def measure(rate: str, repeats: int, few: int) -> list[dict[str, Any]]:
    """Medians of each method over the turns."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tools.emulated_cluster", "-n", "2", "-r", "2"]
        command += ["--rate", rate, "--launcher", "torchrun", "--", sys.executable, __file__]
        command += ["--worker", folder, "--repeats", str(repeats), "--few", str(few)]
        quiet = os.environ | {"TORCH_CPP_LOG_LEVEL": "ERROR"}
        subprocess.run(command, cwd=ROOT, check=True, env=quiet)
        rows = json.loads(Path(folder, "0.json").read_text())
    basis = statistics.median(r["seconds"] for r in rows if r["method"] == "torch DDP")
    table = []
    for name, settings in METHODS.items():
        own = [row for row in rows if row["method"] == name]
        seconds = statistics.median(row["seconds"] for row in own)
        whole = basis if settings is None else WARMUP * basis + (1 - WARMUP) * seconds
        table.append(
            {
                "method": name,
                "rate": rate,
                "s an epoch": EPOCH * seconds,
                "of DDP": seconds / basis,
                "whole run, of DDP": whole / basis,
                "MB a step and node": statistics.mean(row["sent"] for row in own) / 1e6,
            }
        )
    return table


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one turn, few steps of DDP")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rate", default="100mbit")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--few", type=int, default=24, help=argparse.SUPPRESS)
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options.worker, options.repeats, options.few)
        return 0
    repeats, few = (1, 8) if options.quick else (options.repeats, options.few)
    rows = measure(options.rate, repeats, few)
    print("2 nodes of 2 ranks,", options.rate)
    print(f"{'method':14} {'s/epoch':>8} {'of DDP':>7} {'whole run':>10} {'MB/step, node':>14}")
    for row in rows:
        print(
            f"{row['method']:14} {row['s an epoch']:8.2f} {row['of DDP']:7.2f}"
            f" {row['whole run, of DDP']:10.2f} {row['MB a step and node']:14.3f}"
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
