"""What a run of a benchmark leaves behind, and how two runs compare."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any

__all__ = ["Run", "moved", "processor", "unsupported", "write_page"]

#: Which figures of a run can be compared between machines: their names say so.
RATIO = re.compile(r"ratio|speedup|times as fast", re.IGNORECASE)
TOLERANCE = 1.25
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w])")
COMMAND = re.compile(r"`(?:mpirun -n \d+ )?python (benchmarks/\S+\.py)[^`]*`")
# a cell of a table that ends with its script: 2.5 times ([layers.py](benchmarks/lowrank/layers.py))
CLAIM = re.compile(r"\|([^|\n]+)\(\[[^\]]+\]\((benchmarks/\S+\.py)\)\) *\|")
LIBRARIES = ("torch", "numpy", "mpi4py")
#: What tells the rows of a list apart, where they have one of these.
NAMES = ("case", "name", "what", "method", "form", "shape")
INTRODUCTION = """# Results

Written by `hatch run bench --record`, from `benchmarks/results/`. Ratios are between things that
were measured in the same run, and are what carries over to other machines; times do not.
"""


@dataclass(frozen=True)
class Run:
    """One run of one benchmark.

    Attributes
    ----------
    command, title : str
        How to do it again, and the first line of its docstring.
    date, machine, versions : str
    table : str
        What it printed.
    figures : object
        What it wrote as JSON.
    """

    command: str
    title: str
    date: str
    machine: str
    versions: str
    table: str
    figures: Any

    @classmethod
    def now(cls, command: str, title: str, table: str, figures: Any) -> Run:
        """A run that has just ended here."""
        date = dt.datetime.now(tz=dt.UTC).date().isoformat()
        machine = f"{processor()}, {os.cpu_count()} cores"
        versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
        versions = f"Python {platform.python_version()}, {versions}"
        return cls(command, title, date, machine, versions, table, figures)

    @classmethod
    def load(cls, path: Path) -> Run:
        """Read what `save` wrote."""
        return cls(**json.loads(path.read_text()))

    def save(self, path: Path) -> None:
        """Write the run as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")


def processor() -> str:
    """The name of the processor."""
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def moved(before: Run, after: Run) -> list[str]:
    """The ratios that differ by more than a quarter between two runs of the same command."""
    if before.command != after.command:
        return []
    old = dict(_ratios(before.figures))
    lines = []
    for name, new in _ratios(after.figures):
        if name in old and min(old[name], new) > 0:
            change = max(new / old[name], old[name] / new)
            if change > TOLERANCE:
                lines.append(f"{name}: {old[name]:.3g} on {before.date}, now {new:.3g}")
    return lines


def write_page(folder: Path, page: Path) -> None:
    """Write all runs that are kept in a folder as one page."""
    parts = [INTRODUCTION]
    for package in sorted(path for path in folder.iterdir() if path.is_dir()):
        parts.append(f"## {package.name}\n")
        parts += [_section(Run.load(path)) for path in sorted(package.glob("*.json"))]
    page.write_text("\n".join(parts))


def unsupported(readme: str, runs: Sequence[Run]) -> list[str]:
    """The numbers in tables of a README that the benchmark named with them did not print.

    It is named above the table, or in the cell. A number is supported if one of the run, rounded as
    in the README, is the same. What has no run that is kept is passed over.
    """
    wrong = []
    claims = ((script, cell) for cell, script in CLAIM.findall(readme))
    for script, table in (*_tables(readme), *claims):
        kept = [run for run in runs if script in run.command.split()]
        if kept:
            known = [float(n) for run in kept for n in NUMBER.findall(_numeric(run))]
            wrong += [
                f"{script}: {text}"
                for text in NUMBER.findall(table.replace(",", ""))
                if not any(round(x, _decimals(text)) == float(text) for x in known)
            ]
    return wrong


def _tables(readme: str) -> Iterator[tuple[str, str]]:
    """(script, body) of each table below a command of a benchmark, without the first column."""
    script = None
    for paragraph in re.split(r"\n\s*\n", readme):
        if paragraph.startswith("#"):
            script = None
        found = COMMAND.search(paragraph)
        script = found[1] if found else script
        if script and paragraph.startswith("|"):
            rows = (line.split("|")[2:] for line in paragraph.splitlines()[2:])
            yield script, "\n".join("|".join(row) for row in rows)


def _numeric(run: Run) -> str:
    return f"{run.table} {json.dumps(run.figures)}".replace(",", " ")


def _decimals(text: str) -> int:
    return len(text.partition(".")[2])


def _section(run: Run) -> str:
    script = run.command.rpartition("/")[2]
    return (
        f"### {script}\n\n{run.title}\n\n"
        f"`{run.command}`, {run.date}, {run.machine}; {run.versions}\n\n{_printed(run.table)}\n"
    )


def _printed(text: str) -> str:
    """What a benchmark printed: as it stands, but Markdown's tables as such."""
    parts = []
    for is_table, lines in groupby(text.strip().splitlines(), lambda line: line.startswith("|")):
        part = "\n".join(lines).strip("\n")
        header = part.partition("\n")[0]
        if is_table:  # a second header begins a second table
            parts.append(part.replace(f"\n{header}", f"\n\n{header}"))
        elif part:
            parts.append(f"```text\n{part}\n```")
    return "\n\n".join(parts)


def _ratios(figures: Any, path: Sequence[str] = ()) -> Iterator[tuple[str, float]]:
    """Names and values of all ratios in a tree of figures."""
    if isinstance(figures, dict):
        for key, value in figures.items():
            yield from _ratios(value, (*path, str(key)))
    elif isinstance(figures, list):
        for number, value in enumerate(figures):
            own = value if isinstance(value, dict) else {}
            names = [str(own[name]) for name in NAMES if name in own]
            yield from _ratios(value, (*path, " ".join(names) or str(number)))
    elif isinstance(figures, int | float) and any(map(RATIO.search, path)):
        yield " / ".join(path), float(figures)
