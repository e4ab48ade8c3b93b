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
from pathlib import Path

import torch

from f3.compare import PipelineGain, pipeline_gain
from mpi_utils import abort_on_exception, world

RANKS = 2
DEPTH, WIDTH, BATCH = 8, 512, 256


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
    gain = pipeline_gain(comm, DEPTH, WIDTH, BATCH, batches=batches, rounds=rounds)
    if comm.rank == 0:
        show(gain, options.json)


def show(gain: PipelineGain, file: Path | None) -> None:
    """Print, and write a file."""
    speedup = {way: gain.speed(way) for way in ("f3", "bp")}
    print(f"{len(gain.reports)} ranks on {os.cpu_count()} cores, {DEPTH} x {WIDTH}, batch {BATCH}")
    print(f"load of the machine: {os.getloadavg()[0]:.1f}")
    print(f"speed over one-process F3 {speedup['f3']:.2f}, over bp {speedup['bp']:.2f}")
    print(f"as many networks side by side, of one process's speed: {gain.limit:.2f}")
    print(f"largest difference of the weights to one process: {gain.difference}")
    for report in gain.reports:
        blocks = f"{report.blocks.start}-{report.blocks.stop - 1}"
        print(
            f"  rank {report.rank}: blocks {blocks}, busy {report.busy:.0%}, "
            f"sent {report.activation_bytes / 2**20:.0f} MiB forward, "
            f"{report.error_bytes / 2**20:.2f} MiB of errors"
        )
    if file:
        plain = {
            "seconds": gain.seconds,
            "speedup": speedup,
            "limit": gain.limit,
            "difference": gain.difference,
        }
        file.write_text(json.dumps(plain, indent=1))


if __name__ == "__main__":
    main()
