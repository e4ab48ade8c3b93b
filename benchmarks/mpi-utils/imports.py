"""What an import costs over the library below it, in seconds.

Run on one rank: ``python benchmarks/mpi-utils/imports.py [--quick] [--json FILE]``. Fresh
interpreters take turns importing the library alone and with the package; medians are compared.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

#: package -> what it is compared with, and the limit of the difference in seconds
PAIRS = {
    "mpi_utils": ("from mpi4py import MPI", 0.15),
    "heat_core": ("import torch", 0.3),
}


def seconds(statement: str) -> float:
    """Seconds that a fresh interpreter needs for a statement."""
    program = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    command = [sys.executable, "-c", program]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    result = {}
    print(f"{'import':<12} {'over':<24} {'alone':>8} {'both':>8} {'difference':>11} {'limit':>6}")
    for package, (below, limit) in PAIRS.items():
        statements = (below, f"{below}; import {package}")
        for statement in statements:
            seconds(statement)  # fills the file cache
        samples = [
            [seconds(statement) for statement in statements]
            for _ in range(5 if options.quick else 11)
        ]
        alone, both = (statistics.median(column) for column in zip(*samples, strict=True))
        result[package] = {"alone_s": alone, "both_s": both, "over_s": both - alone}
        print(f"{package:<12} {below:<24} {alone:8.3f} {both:8.3f} {both - alone:11.3f} {limit:6}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
