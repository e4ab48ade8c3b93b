"""Two ranks that share the layers, beside one process: time of an epoch, and equal weights.

``mpirun -n 2 python benchmarks/f3/pipeline.py [--quick] [--json FILE]``. A chain of 8 blocks of
512, batches of 256, one thread a rank, Adam. Rank 0 trains alone with F3 and by backpropagation
while the other rank sleeps, then both train together; then each rank trains a network of its own,
which shows what the machine gives to two processes that never wait for each other. They take turns.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from pathlib import Path

import torch
from torch import nn

import f3
from mpi_utils import abort_on_exception, world

RANKS = 2
DEPTH, WIDTH, BATCH = 8, 512, 256


def make(way: str, n: int) -> f3.Learner:
    """A learner, the same on all ranks."""
    torch.manual_seed(0)
    blocks = [nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Tanh()) for _ in range(DEPTH)]
    return f3.Learner(
        f3.Sequential(*blocks, nn.Linear(WIDTH, 10)),
        loss=nn.CrossEntropyLoss(),
        error=None if way == "bp" else f3.DelayedError(n),
        mode="bp" if way == "bp" else "in_forward",
        optimizer=lambda parameters: torch.optim.Adam(parameters, lr=1e-4, fused=True),
    )


def main() -> None:
    """Measure and print on rank 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    abort_on_exception()
    torch.set_num_threads(1)
    comm = world()
    batches, rounds = (12, 2) if options.quick else (40, 5)
    n = batches * BATCH - 100  # the last batch is shorter
    generator = torch.Generator().manual_seed(1)
    x, t = torch.randn(n, WIDTH, generator=generator), torch.randint(10, (n,), generator=generator)
    train = f3.TensorBatches(x, t, BATCH)
    alone, back = make("f3", n), make("bp", n)
    pipeline = f3.Pipeline(make("f3", n), comm)
    apart = make("f3", n)
    seconds: dict[str, list[float]] = {"bp": [], "f3": [], "pipeline": [], "apart": []}
    for number in range(rounds):
        for name, learner in (("bp", back), ("f3", alone)):
            comm.barrier()
            start = time.perf_counter()
            if comm.rank == 0:
                learner.fit(train, number + 1)
            request = comm.ibarrier()
            while not request.test():  # an MPI library that waits burns a core
                time.sleep(0.005)
            seconds[name].append(time.perf_counter() - start)
        for name, both in (("pipeline", pipeline), ("apart", apart)):
            comm.barrier()
            start = time.perf_counter()
            both.fit(train, number + 1)
            comm.barrier()
            seconds[name].append(time.perf_counter() - start)
    reports = pipeline.report()
    if comm.rank == 0:
        states = zip(alone.model.parameters(), pipeline.learner.model.parameters(), strict=True)
        difference = max(float((a - b).detach().abs().max()) for a, b in states)
        show(seconds, difference, reports, options.json)


def show(
    seconds: dict[str, list[float]],
    difference: float,
    reports: list[f3.PipelineReport],
    file: Path | None,
) -> None:
    """Print, and write a file."""

    def ratio(way: str, other: str) -> float:
        return statistics.median(a / b for a, b in zip(seconds[way], seconds[other], strict=True))

    speedup = {way: ratio(way, "pipeline") for way in ("f3", "bp")}
    limit = len(reports) * ratio("f3", "apart")
    print(f"{len(reports)} ranks on {os.cpu_count()} cores, {DEPTH} x {WIDTH}, batch {BATCH}")
    print(f"load of the machine: {os.getloadavg()[0]:.1f}")
    print(f"speed over one-process F3 {speedup['f3']:.2f}, over bp {speedup['bp']:.2f}")
    print(f"as many networks side by side, of one process's speed: {limit:.2f}")
    print(f"largest difference of the weights to one process: {difference}")
    for report in reports:
        blocks = f"{report.blocks.start}-{report.blocks.stop - 1}"
        print(
            f"  rank {report.rank}: blocks {blocks}, busy {report.busy:.0%}, "
            f"sent {report.activation_bytes / 2**20:.0f} MiB forward, "
            f"{report.error_bytes / 2**20:.2f} MiB of errors"
        )
    if file:
        plain = {"seconds": seconds, "speedup": speedup, "limit": limit, "difference": difference}
        file.write_text(json.dumps(plain, indent=1))


if __name__ == "__main__":
    main()
