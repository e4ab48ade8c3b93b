"""Cost of random numbers, as ratios to torch's own generator, in one run; and their distributions.

``python benchmarks/heat-core/random_numbers.py [--quick] [--json PATH]``, alone or with ``mpirun``.
The two sides of a row are timed in turns; figures are medians. Under ``mpirun`` arrays are split
along axis 0 and torch draws as many elements as a rank holds; the slowest rank counts. If SciPy is
there, rank 0 tests ten million draws of each kind (Kolmogorov and Smirnov; chi-square over 1000
cells, and over pairs of neighbours); a p-value below 0.001 is a miss.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

import heat_core as ht  # before the first tensor, so that torch uses huge pages on both sides

ELEMENTS = 16_000_000
PERMUTED = 1_000_000
DRAWS = 10_000_000


@dataclass(frozen=True)
class Row:
    """Median times of one case in milliseconds."""

    case: str
    elements: int
    heat_core_ms: float
    torch_ms: float

    @property
    def ratio(self) -> float:
        """Time as a multiple of torch's."""
        return self.heat_core_ms / self.torch_ms


def measure(
    case: str, elements: int, ours: Callable[[], Any], theirs: Callable[[], Any], rounds: int
) -> Row:
    """Time both sides in turns, the slowest rank counting."""
    comm = ht.get_comm()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for side, function in zip(times, (ours, theirs), strict=True):
            comm.barrier()
            start = time.perf_counter()
            function()
            side.append((time.perf_counter() - start) * 1e3)
    slowest = comm.allreduce(torch.tensor([times[0], times[1]], dtype=torch.float64), "max")
    medians = (statistics.median(side) for side in slowest.tolist())
    return Row(case, elements, *medians)


def measure_all(rounds: int, elements: int) -> list[Row]:
    """All cases."""
    size, r = ht.get_comm().size, ht.random
    local, side = elements // size, int(elements**0.5)
    double, half = torch.float64, elements // 2
    table = (elements // 8, 8)
    cases: tuple[tuple[str, int, Callable[[], Any], Callable[[], Any]], ...] = (
        ("rand", elements, lambda: r.rand(elements, split=0), lambda: torch.rand(local)),
        ("randn", elements, lambda: r.randn(elements, split=0), lambda: torch.randn(local)),
        (
            *("rand, float64", half),
            lambda: r.rand(half, dtype=ht.float64, split=0),
            lambda: torch.rand(half // size, dtype=double),
        ),
        (
            *("randn, float64", half),
            lambda: r.randn(half, dtype=ht.float64, split=0),
            lambda: torch.randn(half // size, dtype=double),
        ),
        (
            *("rand, square", side * side),
            lambda: r.rand(side, side, split=0),
            lambda: torch.rand(side // size, side),
        ),
        (
            *("rand, 8 columns", elements),
            lambda: r.rand(*table, split=0),
            lambda: torch.rand(local // 8, 8),
        ),
        (
            *("randint", elements),
            lambda: r.randint(0, 1000, elements, split=0),
            lambda: torch.randint(0, 1000, (local,), dtype=torch.int32),
        ),
        (
            *("randperm", PERMUTED),
            lambda: r.randperm(PERMUTED, split=0),
            lambda: torch.randperm(PERMUTED),
        ),
        (
            *("randperm", elements),
            lambda: r.randperm(elements, split=0),
            lambda: torch.randperm(elements),
        ),
        ("rand", 10, lambda: r.rand(10, split=0), lambda: torch.rand(10)),
    )
    return [measure(name, n, ours, theirs, rounds) for name, n, ours, theirs in cases]


def p_values(draws: int) -> dict[str, float]:
    """P-values of tests of the numbers of one seed, drawn by this rank alone."""
    import numpy as np
    from scipy import stats

    rng, alone = ht.random.default_rng(2026), {"comm": ht.MPI_SELF}
    integers = rng.integers(0, 1000, draws, **alone).larray.numpy()
    uniform = rng.random(draws, **alone).larray.numpy()
    double = rng.random(draws, ht.float64, **alone).larray.numpy()
    normal = rng.standard_normal(draws, **alone).larray.numpy()
    normals = rng.standard_normal(draws, ht.float64, **alone).larray.numpy()

    def chi_square(cells: Any) -> float:
        return float(stats.chisquare(np.bincount(cells, minlength=1000)).pvalue)

    # Every second one with the next: 31 * 31 cells of equal probability.
    pairs = (uniform[: draws // 2 * 2].reshape(-1, 2) * 31).astype(int) @ np.array([31, 1])
    found = {
        "uniform, KS": stats.kstest(uniform, "uniform").pvalue,
        "uniform float64, KS": stats.kstest(double, "uniform").pvalue,
        "normal, KS": stats.kstest(normal, "norm").pvalue,
        "normal float64, KS": stats.kstest(normals, "norm").pvalue,
        "uniform, chi-square": chi_square((uniform * 1000).astype(int)),
        "normal, chi-square": chi_square((stats.norm.cdf(normals) * 1000).astype(int)),
        "integers, chi-square": chi_square(integers),
        "pairs, chi-square": float(stats.chisquare(np.bincount(pairs, minlength=961)).pvalue),
    }
    return {name: float(p) for name, p in found.items()}


def main() -> None:
    """Measure, print a table, and write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="fewer rounds and a quarter of the size"
    )
    parser.add_argument("--json", type=Path, help="where to write the figures")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rounds, elements = (5, ELEMENTS // 4) if arguments.quick else (11, ELEMENTS)
    rows = measure_all(rounds, elements)
    comm = ht.get_comm()
    if comm.rank:
        return
    print(f"{comm.size} rank(s), torch {torch.__version__}, one thread per rank")
    print(f"{'case':20}{'elements':>12}{'heat-core ms':>15}{'torch ms':>12}{'ratio':>8}")
    for row in rows:
        print(
            f"{row.case:20}{row.elements:>12,}{row.heat_core_ms:>15,.3f}{row.torch_ms:>12,.3f}"
            f"{row.ratio:>8.2f}"
        )
    tests = {}
    if find_spec("scipy"):
        tests = p_values(DRAWS // 10 if arguments.quick else DRAWS)
        print(
            "\n".join(
                f"{name:24}p = {p:.3f}{'' if p > 1e-3 else '  missed'}" for name, p in tests.items()
            )
        )
    if arguments.json:
        figures = {
            "ranks": comm.size,
            "machine": platform.processor() or platform.machine(),
            "torch": torch.__version__,
            "p-values": tests,
            "rows": [asdict(row) | {"ratio": row.ratio} for row in rows],
        }
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
