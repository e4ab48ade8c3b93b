"""Linear algebra, transforms and all estimators beside NumPy, SciPy and scikit-learn.

``python benchmarks/heat-core/analytics.py [--quick] [--json FILE] [--only REGEX] [--peers PYTHON]``

Milliseconds, medians, of the slowest rank; one thread a rank, two for dask. The column NumPy holds
what NumPy, SciPy or scikit-learn need for the same work. On the four problems of the original's
publication (k-means, moments, Lasso, distances) the original on two ranks and dask with dask-ml are
compared as well: ``--peers`` (or ``HPC_ML_PEERS``) is the Python of an environment that has them.
The bars are limits that the library sets itself, for idle cores. The ceiling of the efficiency is
what the machine allows: two processes that do half of the work each, without messages (column
"2 apart").
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import geometric_mean

from cases import ANALYTICS
from cases.crew import Side, sides
from cases.decompositions import SMALL
from cases.learning import PAPER
from cases.worker import Job
from table import Row, figure, measure

_COLUMNS = ("heat-core 1", "heat-core 2", "NumPy", "original 2", "dask")
_PASSES = 2
_SMALL = tuple(f"{name}_{SMALL}" for name in ("inv", "det", "solve", "eigh"))
_SCALING = ("matmul_1500", "kmeans_400kx18", "cdist_8000x18", "qr_200kx50", "fft2_2048")
_TIMES = {"kmeans": 10.0, "lasso": 10.0, "cdist": 1.5, "mean": 1.5}  # as fast as the original


@dataclass(frozen=True)
class Bar:
    """What a ratio of some rows has to be: at most, or at least."""

    ratio: str
    limit: float
    at_least: bool

    def holds(self, value: float) -> bool:
        """Whether a figure meets the bar."""
        return value >= self.limit if self.at_least else value <= self.limit


def ratios(row: Row) -> dict[str, float | None]:
    """The quotients of a row."""
    two, apart = row.ratio("heat-core 1", "heat-core 2"), row.ratio("heat-core 1", "2 apart")
    return {
        "1/peer": row.ratio("heat-core 1", "NumPy"),
        "efficiency": None if two is None else two / 2,
        "ceiling": None if apart is None else apart / 2,
        "orig/ours": row.ratio("original 2", "heat-core 2"),
        "dask/ours": row.ratio("dask", "heat-core 2"),
    }


def bars(case: str) -> list[Bar]:
    """What is asked of a case."""
    tall = case.startswith("qr_")
    asked = [Bar("1/peer", 1 / 1.3 if tall else 1.3, at_least=False)]
    if case in _SCALING:
        asked.append(Bar("efficiency", 0.8, at_least=True))
    if case in _SMALL:
        asked.append(Bar("efficiency", 0.25, at_least=True))  # at most twice the time
    if case in {one.name for one in PAPER}:
        times = next(limit for name, limit in _TIMES.items() if case.startswith(name))
        asked += [Bar("orig/ours", times, at_least=True), Bar("dask/ours", 1.0, at_least=True)]
    return asked


def judge(rows: list[Row]) -> list[dict[str, object]]:
    """Print which bars are missed; all of them as figures."""
    found: list[dict[str, object]] = []
    for row in rows:
        for bar in bars(row.case):
            value = ratios(row)[bar.ratio]
            if value is not None:
                found.append(
                    {"case": row.case, "ratio": bar.ratio, "value": value, "limit": bar.limit,
                     "met": bar.holds(value), "ceiling": ratios(row)["ceiling"]}
                )  # fmt: skip
    missed = [one for one in found if not one["met"]]
    print(f"{len(found) - len(missed)} of {len(found)} bars are met")
    for one in missed:
        remark = "bar {limit:.2f}"
        if one["ratio"] == "efficiency" and one["ceiling"] is not None:
            remark += ", ceiling {ceiling:.2f}"
        print(f"  missed: {{case}}, {{ratio}} {{value:.2f}} ({remark})".format_map(one))
    faster = [value for row in rows if (value := ratios(row)["dask/ours"]) is not None]
    if faster:
        print(f"dask/ours, geometric mean of {len(faster)}: {geometric_mean(faster):.1f} (bar 3)")
    return found


def main() -> None:
    """Measure, print a table, and write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="an eighth of the size, less time")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--only", default="", help="rows whose names match")
    parser.add_argument("--peers", default=os.environ.get("HPC_ML_PEERS", ""))
    given = parser.parse_args()
    columns, remarks = sides((1, 2), given.peers)
    columns = [side for side in columns if side.name in _COLUMNS]
    columns.insert(2, Side("apart", 2, sys.executable))
    print("\n".join([f"{platform.machine()}, milliseconds", *remarks]))
    heads = [*(side.name for side in columns), *ratios(Row("", {}, {}))]
    print(f"{'case':34}" + "".join(f"{head:>12}" for head in heads))
    names = [case.name for case in ANALYTICS if re.search(given.only, case.name)]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        job = Job("", folder, given.quick, 0.1 if given.quick else 0.5)
        for row in measure(columns, names, job, _PASSES):
            rows.append(row)
            values = [row.ms.get(side.name) for side in columns] + list(ratios(row).values())
            print(f"{row.case:34}" + "".join(figure(value, 12) for value in values), flush=True)
    for row in rows:
        for column, error in row.errors.items():
            if error != "not in this library":
                print(f"{row.case} in {column}: {error[:150]}")
    found = judge(rows)
    if given.json:
        figures = [{"case": row.case, "ms": row.ms, "ratios": ratios(row)} for row in rows]
        given.json.write_text(json.dumps({"rows": figures, "bars": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
