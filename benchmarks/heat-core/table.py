"""Our arrays, NumPy, torch, dask and the original HeAT on one and two ranks, in one run.

``python benchmarks/heat-core/table.py [--quick] [--json FILE] [--only REGEX] [--peers PYTHON]``

Every row is measured in all libraries in turn, each in processes of its own; figures are medians in
milliseconds, of the slowest rank. NumPy and torch use one thread, dask two. ``--peers`` (or
``HPC_ML_PEERS``) is the Python of an environment with ``heat`` and ``dask[array]``; a library that
is missing is left out. ``2 x torch`` is the limit that the machine sets: two processes of torch,
each with one half of the data, that send nothing. Ratios: to the better of NumPy and torch on one
rank, how many times as fast as the original and dask, and to that limit.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import geometric_mean, median

from cases import CASES
from cases.crew import Crew, Side, sides
from cases.worker import Job


@dataclass(frozen=True)
class Row:
    """One case: milliseconds by column; columns in which it failed or does not exist are absent."""

    case: str
    ms: dict[str, float]
    errors: dict[str, str]

    def ratio(self, above: str, below: str) -> float | None:
        """The quotient of two columns."""
        if above not in self.ms or below not in self.ms:
            return None
        return self.ms[above] / self.ms[below]

    def ratios(self, ranks: Sequence[int]) -> dict[str, float | None]:
        """All quotients of the row."""
        peers = [self.ms[name] for name in ("NumPy", "torch") if name in self.ms]
        best = min(peers, default=None)
        alone = self.ms.get("heat-core 1")
        found = {"1/best": alone / best if alone and best else None}
        for n in ranks:
            found[f"orig/ours {n}"] = self.ratio(f"original {n}", f"heat-core {n}")
        for n in ranks:
            if n != 1:
                found[f"dask/ours {n}"] = self.ratio("dask", f"heat-core {n}")
                found[f"{n}/1"] = self.ratio(f"heat-core {n}", "heat-core 1")
                found[f"{n}/limit"] = self.ratio(f"heat-core {n}", f"{n} x torch")
        return found


def measure(
    columns: Sequence[Side], names: Iterable[str], job: Job, passes: int = 1
) -> Iterable[Row]:
    """Measure the rows one by one; in several passes, so that all columns see the same machine."""
    crews: list[Crew] = []
    broken: dict[str, str] = {}
    for side in columns:
        try:
            crews.append(Crew(side, launcher()))
        except RuntimeError as error:
            broken[side.name] = str(error)
    for name in names:
        rounds: dict[str, list[float]] = {}
        errors = dict(broken)
        asked = Job(name, job.folder, job.quick, job.seconds / passes)
        for crew in [crew for _ in range(passes) for crew in crews]:
            if crew.side.name in errors:
                continue
            try:
                times = crew.measure(asked)
            except RuntimeError as error:  # its workers died, and no new ones start
                times = broken[crew.side.name] = str(error)
                crews.remove(crew)
            if isinstance(times, list):
                rounds.setdefault(crew.side.name, []).extend(times)
            else:
                errors[crew.side.name] = times
        good = {column: times for column, times in rounds.items() if column not in errors}
        yield Row(name, {column: median(times) for column, times in good.items()}, errors)
    for crew in crews:
        crew.stop()


def launcher() -> list[str]:
    """The ``mpirun`` beside this Python, or on the path."""
    found = os.environ.get("HPC_ML_MPIRUN") or shutil.which("mpirun")
    if found is None:
        raise SystemExit("no mpirun: pip install mpich")
    return found.split()


def figure(value: float | None, width: int) -> str:
    """Three digits, or a dash."""
    if value is None:
        return f"{'-':>{width}}"
    digits = 3 if value < 1 else 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:>{width},.{digits}f}"


def print_means(rows: Sequence[Row], ranks: Sequence[int]) -> dict[str, float]:
    """Geometric means of the ratios over the rows that have them."""
    table = [row.ratios(ranks) for row in rows]
    means = {}
    for name in table[0] if table else ():
        values = [ratios[name] for ratios in table]
        present = [value for value in values if value is not None]
        if present:
            means[name] = geometric_mean(present)
            print(f"geometric mean of {name}: {means[name]:.2f} over {len(present)} rows")
    return means


def main() -> None:
    """Measure, print a table, and write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="an eighth of the size, less time")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--only", default="", help="rows whose names match")
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--peers", default=os.environ.get("HPC_ML_PEERS", ""))
    parser.add_argument("--without", nargs="*", default=[], help="columns to leave out")
    given = parser.parse_args()
    columns, remarks = sides(given.ranks, given.peers)
    columns = [side for side in columns if side.library not in given.without]
    print("\n".join([f"{platform.machine()}, milliseconds", *remarks]))
    heads = [side.name for side in columns]
    ratio_heads = list(Row("", {}, {}).ratios(given.ranks))
    print(f"{'case':30}" + "".join(f"{head:>12}" for head in heads + ratio_heads))
    names = [case.name for case in CASES if re.search(given.only, case.name)]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        job = Job("", folder, given.quick, 0.1 if given.quick else 0.5)
        for row in measure(columns, names, job):
            rows.append(row)
            values = [row.ms.get(head) for head in heads] + list(row.ratios(given.ranks).values())
            print(f"{row.case:30}" + "".join(figure(v, 12) for v in values), flush=True)
    for row in rows:
        for column, error in row.errors.items():
            if error != "not in this library":
                print(f"{row.case} in {column}: {error[:150]}")
    means = print_means(rows, given.ranks)
    if given.json:
        figures = [
            {"case": row.case, "ms": row.ms, "ratios": row.ratios(given.ranks)} for row in rows
        ]
        given.json.write_text(json.dumps({"rows": figures, "means": means}, indent=2) + "\n")


if __name__ == "__main__":
    main()
