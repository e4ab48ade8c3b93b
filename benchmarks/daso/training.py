"""Wall time and traffic of an epoch on an emulated cluster, and accuracy: DASO and its peers.

``python benchmarks/daso/training.py [--quick] [--json FILE] [--accuracy] [--nodes 2 4]``. Needs
root, or the right to make namespaces, and Fashion-MNIST's files in ``$FASHION_MNIST`` (where
Debian's package dataset-fashion-mnist puts them; without them scikit-learn's digits serve).

Times: in one job per cluster and rate, the methods take turns, epoch by epoch, all with the same
global batch; an epoch here is a part of the data. Traffic is what the nodes' interfaces count.
Accuracy (``--accuracy``): the same model and methods in the serial reference, which the tests
compare with distributed runs, over five seeds.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import daso
from daso.reference import simulate

ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))
BATCH, WIDTH = 64, 1600  # of all ranks together; 3.8 million parameters

Images = tuple[Tensor, Tensor]


def load(n_train: int) -> tuple[Images, Images]:
    """The first training images, and all test images."""
    if not FOLDER.is_dir():
        from sklearn.datasets import load_digits

        x, y = (torch.tensor(a) for a in load_digits(return_X_y=True))
        x = nn.functional.pad(x.float() / 8 - 1, (0, 784 - 64))
        return (x[:1400], y[:1400].long()), (x[1400:], y[1400:].long())
    arrays = []
    for part in ("train", "t10k"):
        with gzip.open(FOLDER / f"{part}-images-idx3-ubyte.gz") as file:
            pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 784)
        with gzip.open(FOLDER / f"{part}-labels-idx1-ubyte.gz") as file:
            labels = np.frombuffer(file.read(), np.uint8, offset=8)
        n = n_train if part == "train" else len(labels)
        x = (torch.tensor(pixels[:n]).float() / 255 - 0.2860) / 0.3530
        arrays.append((x, torch.tensor(labels[:n]).long()))
    return arrays[0], arrays[1]


def network(seed: int) -> nn.Module:
    """784-1600-1600-10."""
    torch.manual_seed(seed)
    pairs = itertools.pairwise((784, WIDTH, WIDTH))
    hidden = [layer for a, b in pairs for layer in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*hidden, nn.Linear(WIDTH, 10))


def sgd(parameters: Any) -> torch.optim.Optimizer:
    """The optimiser of most methods."""
    return torch.optim.SGD(parameters, 0.05, momentum=0.9)


def adamw(parameters: Any) -> torch.optim.Optimizer:
    """The inner optimiser of DiLoCo."""
    return torch.optim.AdamW(parameters, 4e-4)


@dataclass(frozen=True)
class Method:
    """How to train; without a configuration it is torch's DDP."""

    config: Callable[..., daso.DASOConfig] | None
    optimizer: Callable[[Any], torch.optim.Optimizer] = sgd


METHODS = {
    "torch DDP": Method(None),
    "DASO B=4, W=4": Method(lambda **k: daso.DASOConfig.fixed(4, 4, **k)),
    "DASO auto, bf16": Method(
        lambda **k: daso.DASOConfig(schedule="auto", wire="bf16", tune_interval=1, **k)
    ),
    "local SGD, B=8": Method(lambda **k: daso.DASOConfig.local_sgd(8, **k)),
    "DiLoCo, B=16": Method(lambda **k: daso.DASOConfig.diloco(16, **k), adamw),
}

# --------------------------------------------------------------------------- times, on each rank


class Trainer:
    """One method on one rank."""

    def __init__(self, name: str, transport: Any) -> None:
        method, model = METHODS[name], network(0)
        self.opt: Any
        if method.config is None:
            self.module: nn.Module = nn.parallel.DistributedDataParallel(model)
            self.opt = method.optimizer(model.parameters())
        else:
            config = method.config(warmup_steps=0, timeout_s=120.0)
            self.opt = daso.DASO(
                method.optimizer(model.parameters()), model, config=config, transport=transport
            )
            self.module = self.opt.module

    def epoch(self, x: Tensor, y: Tensor) -> None:
        """One pass over batches of this rank, (steps, batch, ...)."""
        for xs, ys in zip(x, y, strict=True):
            self.opt.zero_grad()
            nn.functional.cross_entropy(self.module(xs), ys).backward()
            self.opt.step()


def sent_bytes() -> int:
    """Bytes that have left this node's interface."""
    lines = Path("/proc/self/net/dev").read_text().splitlines()
    return sum(int(line.partition(":")[2].split()[8]) for line in lines if "eth0:" in line)


def worker(options: argparse.Namespace) -> None:
    """Let the methods take turns, and write times and bytes of each epoch."""
    import torch.distributed as dist

    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank, size = dist.get_rank(), dist.get_world_size()
    transport = daso.make_transport("torch", timeout_s=120.0)
    (x, y), _ = load(options.steps * BATCH)
    shape = (options.steps, size, BATCH // size)
    x, y = x.view(*shape, -1)[:, rank], y.view(shape)[:, rank]
    trainers = {name: Trainer(name, transport) for name in METHODS if options.only in name}
    rows = []
    for repeat in range(-1, options.repeats):  # the first turn warms up, and tunes
        for name, trainer in trainers.items():
            few = slice(4 if repeat < 0 and METHODS[name].config is None else None)
            settle(trainer)
            dist.barrier()
            sent, began = sent_bytes(), time.perf_counter()
            trainer.epoch(x[few], y[few])
            settle(trainer)
            dist.barrier()
            row = {"method": name, "seconds": time.perf_counter() - began}
            row |= {"sent": sent_bytes() - sent, "node": transport.topology.node}
            if isinstance(trainer.opt, daso.DASO):
                row |= {"skip": trainer.opt.global_skip, "wait": trainer.opt.batches_to_wait}
                row |= {"exposed": trainer.opt.stats.seconds["wait_global"]}
            if repeat >= 0:
                rows.append(row)
    if transport.topology.local_rank == 0:
        Path(options.worker, f"{transport.topology.node}.json").write_text(json.dumps(rows))
    dist.barrier()
    os._exit(0)  # what is still under way needs no end


def settle(trainer: Trainer) -> None:
    """Let a synchronisation that is under way arrive, so that the next method has the network."""
    if isinstance(trainer.opt, daso.DASO):
        trainer.opt._sync.settle()


# --------------------------------------------------------------------------- the benchmark


def measure(nodes: int, ranks: int, rate: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Median epoch of each method on one cluster."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tools.emulated_cluster", "-n", str(nodes)]
        command += ["-r", str(ranks), "--rate", rate, "--launcher", "torchrun", "--"]
        command += [sys.executable, __file__, "--worker", folder, "--only", options.only]
        command += ["--steps", str(options.steps), "--repeats", str(options.repeats)]
        quiet = os.environ | {"TORCH_CPP_LOG_LEVEL": "ERROR"}
        subprocess.run(command, cwd=ROOT, check=True, env=quiet)
        rows = [r for path in Path(folder).glob("*.json") for r in json.loads(path.read_text())]
    table = []
    names = dict.fromkeys(row["method"] for row in rows)
    basis: dict[str, float] = {}
    for name in names:
        own = [row for row in rows if row["method"] == name]
        seconds = statistics.median(row["seconds"] for row in own)
        basis.setdefault("seconds", seconds)
        table.append(
            {
                "cluster": f"{nodes}x{ranks}",
                "rate": rate,
                "method": name,
                "ms a step": 1e3 * seconds / options.steps,
                "less than DDP": 1 - seconds / basis["seconds"],
                "MB a step and node": statistics.mean(r["sent"] for r in own) / options.steps / 1e6,
                "B": own[-1].get("skip", 0),
                "W": own[-1].get("wait", 0),
            }
        )
    return table


def cosine(make: Callable[[Any], torch.optim.Optimizer], steps: int) -> Callable[[Any], Any]:
    """An optimiser whose learning rate falls to 0."""

    def build(parameters: Any) -> torch.optim.Optimizer:
        optimizer = make(parameters)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        optimizer.register_step_post_hook(lambda *_: schedule.step())
        return optimizer

    return build


def accuracy(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Test accuracy of each method on two nodes in the serial reference, over seeds."""
    seeds, steps, epochs = (1, 8, 1) if options.quick else (5, 200, 3)
    total = steps * epochs
    (x, y), (test_x, test_y) = load(steps * BATCH)
    edges = {"total_steps": total, "warmup_steps": total // 12, "cooldown_steps": total // 12}
    cases = {
        "synchronous, as DDP": (daso.DASOConfig(total_steps=total, warmup_steps=total), sgd),
        "DASO B=W=4": (daso.DASOConfig.fixed(4, 4, **edges), sgd),
        "DASO B=W=8, bf16": (daso.DASOConfig.fixed(8, 8, wire="bf16", **edges), sgd),
        "local SGD, B=8": (daso.DASOConfig.local_sgd(8, **edges), sgd),
        "DiLoCo, B=16": (daso.DASOConfig.diloco(16, **edges), adamw),
    }
    found: dict[str, list[float]] = {name: [] for name in cases}
    for seed in range(seeds):
        generator = torch.Generator().manual_seed(seed)
        orders = [torch.randperm(len(x), generator=generator) for _ in range(epochs)]
        batches = [
            [[(x[half], y[half])] for half in batch.chunk(2)]
            for order in orders
            for batch in order.split(BATCH)
        ]
        for name, (config, make) in cases.items():
            model = simulate(
                network(seed), cosine(make, total), cross_entropy, batches, config
            ).model
            with torch.no_grad():
                right = (model(test_x).argmax(1) == test_y).float().mean()
            found[name].append(100 * float(right))
            print(f"seed {seed}, {name}: {found[name][-1]:.2f} %", file=sys.stderr, flush=True)
    basis = found["synchronous, as DDP"]
    return [
        {
            "method": name,
            "accuracy": statistics.mean(values),
            "spread": statistics.stdev(values) if len(values) > 1 else 0.0,
            "minus synchronous": statistics.mean(values) - statistics.mean(basis),
        }
        for name, values in found.items()
    ]


def cross_entropy(model: nn.Module, batch: Images) -> Tensor:
    """The loss."""
    return nn.functional.cross_entropy(model(batch[0]), batch[1])


def show(rows: list[dict[str, Any]]) -> None:
    """Print rows as a Markdown table."""
    names = list(rows[0])
    print("| " + " | ".join(names) + " |")
    print("|" + "---|" * len(names))
    for row in rows:
        cells = [f"{v:.2f}" if isinstance(v, float) else str(v) for v in row.values()]
        print("| " + " | ".join(cells) + " |", flush=True)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two nodes, one rate, few steps")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--nodes", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--rates", nargs="+", default=["1gbit", "100mbit"])
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--accuracy", action="store_true", help="accuracy instead of times")
    parser.add_argument("--only", default="", help="methods whose name has this")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.worker:
        worker(options)
    if options.quick:
        options.nodes, options.rates, options.steps, options.repeats = [2], ["100mbit"], 8, 1
    rows: list[dict[str, Any]] = []
    if options.accuracy or options.quick:
        rows += accuracy(options)
        show(rows)
    if not options.accuracy:
        for nodes in options.nodes:
            for rate in options.rates:
                timed = measure(nodes, 2, rate, options)
                show(timed)
                rows += timed
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
