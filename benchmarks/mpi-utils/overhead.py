"""What mpi-utils adds to mpi4py: microseconds per call.

Run on one rank: ``python benchmarks/mpi-utils/overhead.py [--quick] [--json FILE]``.
An 8-byte allreduce through `Communicator` is compared with mpi4py's own buffer call
``comm.Allreduce([x, MPI.DOUBLE], [y, MPI.DOUBLE])``; the two take turns, and medians are compared.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from mpi4py import MPI

from mpi_utils import world


def per_call(
    functions: dict[str, Callable[[], object]], rounds: int, calls: int
) -> dict[str, float]:
    """Median microseconds per call of each function, measured in turns."""
    samples: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            start = time.perf_counter()
            for _ in range(calls):
                function()
            samples[name].append((time.perf_counter() - start) / calls * 1e6)
    return {name: statistics.median(times) for name, times in samples.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    comm = world()
    x, y = np.zeros(1), np.zeros(1)
    s, t = torch.zeros(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    handle, double = comm.handle, MPI.DOUBLE
    calls = per_call(
        {
            "mpi4py, NumPy": lambda: handle.Allreduce([x, double], [y, double]),
            "mpi_utils, NumPy, out=": lambda: comm.allreduce(x, out=y),
            "mpi_utils, NumPy, in place": lambda: comm.allreduce(x, out=x),
            "mpi_utils, NumPy, new result": lambda: comm.allreduce(x),
            "mpi4py, torch": lambda: handle.Allreduce(s, t),
            "mpi_utils, torch, out=": lambda: comm.allreduce(s, out=t),
            "mpi_utils, torch, in place": lambda: comm.allreduce(s, out=s),
            "mpi_utils, torch, new result": lambda: comm.allreduce(s),
        },
        rounds=5 if options.quick else 25,
        calls=2_000 if options.quick else 10_000,
    )
    print(f"{'8-byte allreduce on one rank':34} {'us':>8} {'over mpi4py':>12}")
    for name, microseconds in calls.items():
        peer = calls["mpi4py, torch" if "torch" in name else "mpi4py, NumPy"]
        print(f"{name:34} {microseconds:8.2f} {microseconds - peer:12.2f}")
    if options.json:
        options.json.write_text(json.dumps({"allreduce_8_bytes_us": calls}, indent=2))


if __name__ == "__main__":
    main()
