"""Accuracy against traffic of data-parallel training on 4 ranks, on Fashion-MNIST.

Run on four ranks: ``mpirun -n 4 python benchmarks/lowrank/traffic.py [--quick] [--json FILE]``. An
MLP 784-256-256-256-10 is trained on 30,000 images for 8 epochs (AdamW, 1e-3, cosine, batches of 32
on each rank) and tested once, at the end, on the 10,000 test images. Bytes are those that one rank
puts on the wire with a ring, as a share of plain data-parallel training. They come from the ledger
of each method, which must agree with what is counted at the MPI calls to the byte.

``--threads`` runs the ranks as threads of one process instead, which is faster where there are
fewer cores than ranks; the MPI calls aren't counted then.
"""

from __future__ import annotations

import argparse
import copy
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
from tasks.peers import LocalSGD, Peer, PowerSGD
from torch import nn

import lowrank
from lowrank.parallel import VirtualComm, run_virtual
from lowrank.parallel.communicators import share
from mpi_utils import Communicator, traffic, world

RANKS = 4
EPOCHS, BATCH = 8, 128

Attach = Callable[[nn.Module, torch.optim.Optimizer, int, Communicator], Any]


@dataclass(frozen=True)
class Outcome:
    """One run."""

    accuracy: float
    payload: float
    ring: float
    seconds: float
    exact: bool


def plain(model: nn.Module, optimizer: torch.optim.Optimizer, _: int, comm: Communicator) -> Any:
    """Data-parallel training."""
    return lowrank.GradientAverager(model, optimizer, comm)


def ab(**settings: Any) -> Attach:
    """AB-training with settings."""

    def attach(
        model: nn.Module, optimizer: torch.optim.Optimizer, total: int, comm: Communicator
    ) -> Any:
        config = lowrank.ABConfig(total_steps=total, **{"keep_first": False, **settings})
        return lowrank.ABTraining(model, optimizer, config, comm=comm)

    return attach


def peer(kind: type[Peer], warmup: float = 0.2, **settings: Any) -> Attach:
    """One of the other methods, after a dense warm-up."""

    def attach(
        model: nn.Module, optimizer: torch.optim.Optimizer, total: int, comm: Communicator
    ) -> Any:
        return kind(model, optimizer, comm, round(warmup * total), **settings)

    return attach


METHODS: dict[str, Attach] = {
    "data parallel": plain,
    "AB, groups, cutoff 0.3": ab(cutoff=0.3),
    "AB, local": ab(intra_group="local"),
    "AB, local, cutoff 0.3": ab(cutoff=0.3, intra_group="local"),
    "AB, combined": ab(
        intra_group="local",
        combine="tangent",
        outer="nesterov",
        payload_dtype=torch.bfloat16,
        dense=0,
        warmup=0.1,
    ),
    "local SGD": peer(LocalSGD, every=56),
    "DiLoCo": peer(LocalSGD, every=56, outer=(0.7, 0.9)),
    "DiLoCo, half as fast": peer(LocalSGD, every=56, outer=(0.5, 0.5)),
    "PowerSGD, rank 4": peer(PowerSGD, rank=4),
}


def train(
    data: Data, attach: Attach, model: nn.Module, seed: int, epochs: int, comm: Any
) -> tuple[nn.Module, Any, float]:
    """Train on this rank's part of each batch."""
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    per_epoch = len(data.x) // BATCH
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * per_epoch)
    method = attach(model, optimizer, epochs * per_epoch, comm)
    generator = torch.Generator().manual_seed(seed)
    share(comm, None)  # begin together
    begun = time.perf_counter()
    for _ in range(epochs):
        order = torch.randperm(len(data.x), generator=generator)
        for batch in order[: per_epoch * BATCH].split(BATCH):
            mine = batch.chunk(comm.size)[comm.rank]
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(data.x[mine]), data.y[mine]).backward()
            optimizer.step()
            schedule.step()
    if hasattr(method, "finish"):
        method.finish()
    share(comm, None)
    return model, method.ledger, time.perf_counter() - begun


def measure(
    data: Data, attach: Attach, seed: int, epochs: int, comm: Communicator | None
) -> Outcome:
    """Train once, and compare what the ledger says with what the communicator was given."""
    torch.manual_seed(seed)
    initial = mlp()
    if comm is None:

        def program(virtual: VirtualComm) -> tuple[nn.Module, Any, float, bool]:
            model, ledger, seconds = train(
                data, attach, copy.deepcopy(initial), seed, epochs, virtual
            )
            return model, ledger, seconds, ledger.total("sent") == sum(virtual.sent.values())

        results = run_virtual(RANKS, program)
    else:
        with traffic(comm) as sent:
            model, ledger, seconds = train(data, attach, initial, seed, epochs, comm)
        results = comm.handle.allgather(
            (model, ledger, seconds, ledger.total("sent") == sent.bytes())
        )
    model, ledger, seconds, _ = results[0]
    pairs = (
        pair
        for other in results
        for pair in zip(other[0].parameters(), model.parameters(), strict=True)
    )
    assert all(torch.equal(a, b) for a, b in pairs), "the ranks ended with different weights"
    steps = epochs * (len(data.x) // BATCH)
    dense = 4 * sum(p.numel() for p in initial.parameters()) * (steps + 1)
    return Outcome(
        accuracy(model, data),
        100 * ledger.total("payload") / dense,
        100 * ledger.total("ring") / (dense * 2 * (RANKS - 1) / RANKS),
        seconds / epochs,
        all(exact for _, _, _, exact in results),
    )


def show(outcomes: dict[str, list[Outcome]]) -> None:
    """Print the table."""
    print(f"{'method':28} {'accuracy':>14} {'ring':>8} {'payload':>8} {'s/epoch':>8}  exact")
    for name, runs in outcomes.items():
        found = [o.accuracy for o in runs]
        spread = statistics.stdev(found) if len(found) > 1 else math.nan
        print(
            f"{name:28} {statistics.mean(found):6.2f} ± {spread:4.2f} %"
            f" {statistics.mean(o.ring for o in runs):6.1f} %"
            f" {statistics.mean(o.payload for o in runs):6.1f} %"
            f" {statistics.mean(o.seconds for o in runs):8.2f}  {all(o.exact for o in runs)}"
        )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one seed, 1 epoch")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", default="", help="methods whose name has this")
    parser.add_argument("--threads", action="store_true", help="without MPI")
    options = parser.parse_args()
    comm = None if options.threads else world()
    if comm is not None and comm.size != RANKS:
        parser.error(f"run it on {RANKS} ranks: mpirun -n {RANKS} python {sys.argv[0]}")
    if not FOLDER.is_dir():
        print(f"no Fashion-MNIST in {FOLDER}: set FASHION_MNIST; nothing was measured")
        return 0
    torch.set_num_threads(1)
    data = load()
    seeds, epochs = (1, 1) if options.quick else (options.seeds, EPOCHS)
    methods = {k: v for k, v in METHODS.items() if options.only in k or v is plain}
    outcomes: dict[str, list[Outcome]] = {name: [] for name in methods}
    for seed in range(seeds):
        for name, attach in methods.items():
            outcomes[name].append(measure(data, attach, seed, epochs, comm))
            if comm is None or comm.rank == 0:
                print(name, seed, outcomes[name][-1], file=sys.stderr, flush=True)
    if comm is None or comm.rank == 0:
        print(f"{RANKS} ranks, {seeds} seeds, {epochs} epochs")
        show(outcomes)
        if options.json:
            table = {name: [vars(o) for o in runs] for name, runs in outcomes.items()}
            options.json.write_text(json.dumps({"epochs": epochs, "outcomes": table}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
