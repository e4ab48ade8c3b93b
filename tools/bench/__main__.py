"""``python -m tools.bench``: run benchmarks/<package>/*.py, each on the ranks that it asks for.

A benchmark is a script with ``--quick`` and ``--json FILE`` that prints a table. A top-level
constant ``RANKS = N`` makes it run under ``mpirun -n N``; status 77 says that the machine lacks
what it measures (a GPU, say). What it finds goes to
``results/<package>/``; ``--record`` keeps it in ``benchmarks/results`` and makes
``benchmarks/RESULTS.md`` of all that is there. Ratios that moved since then are listed.
"""

from __future__ import annotations

import argparse
import ast
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from tools.bench.results import Run, moved, write_page
from tools.testing.launch import child_environment, launcher
from tools.workspace import ROOT, find_package

NOT_HERE = 77


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks of all packages, or of some; the exit status is 0 if all ran."""
    parser = argparse.ArgumentParser(prog="hatch run bench", description=__doc__)
    parser.add_argument("package", nargs="*", help="default: all that have benchmarks")
    parser.add_argument("--quick", action="store_true", help="small sizes, under two minutes")
    parser.add_argument("-n", dest="ranks", type=int, help="run on this many ranks instead")
    parser.add_argument("--record", action="store_true", help="keep the results for all to see")
    given = parser.parse_args(arguments)
    try:
        names = [find_package(name).name for name in given.package] or ["*"]
    except LookupError as error:
        parser.error(str(error.args[0]))
    scripts = [script for name in names for script in sorted(ROOT.glob(f"benchmarks/{name}/*.py"))]
    console = Console(highlight=False)
    failed, kept = [], 0
    for script in scripts:
        run = _run(script, given.ranks or ranks_of(script), given.quick, console)
        if isinstance(run, Run):
            _keep(run, script, given.record, console)
            kept += 1
        elif run != NOT_HERE:
            failed.append(script)
    if given.record and kept:
        write_page(ROOT / "benchmarks" / "results", ROOT / "benchmarks" / "RESULTS.md")
    for script in failed:
        console.print(f"failed: {script.relative_to(ROOT)}", style="red")
    if not scripts:
        console.print("there are no benchmarks of this package")
    return 0 if scripts and not failed else 1


def ranks_of(script: Path) -> int:
    """The number of ranks that a benchmark asks for, found without importing it."""
    for node in ast.parse(script.read_text()).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="RANKS")], value=ast.Constant(value=int(ranks))):
                return ranks
    return 1


def _run(script: Path, ranks: int, quick: bool, console: Console) -> Run | int:
    """Run a benchmark, showing what it prints; its status if it isn't 0."""
    name = script.relative_to(ROOT)
    figures = (
        ROOT / "results" / script.relative_to(ROOT / "benchmarks").with_suffix(".figures.json")
    )
    figures.parent.mkdir(parents=True, exist_ok=True)
    options = ["--quick"] if quick else []
    command = [sys.executable, str(script), "--json", str(figures), *options]
    shown = ["python", str(name), *options]
    if ranks > 1:
        command = [*launcher(), "-n", str(ranks), *command]
        shown = ["mpirun", "-n", str(ranks), *shown]
    console.rule(" ".join(shown), align="left")
    table = ""
    with subprocess.Popen(
        command, cwd=ROOT, env=child_environment(ranks), stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout or ():
            console.print(line, end="", markup=False, soft_wrap=True)
            table += line
    if process.returncode != 0:
        return process.returncode
    title = (ast.get_docstring(ast.parse(script.read_text())) or script.stem).splitlines()[0]
    return Run.now(" ".join(shown), title.rstrip("."), table, json.loads(figures.read_text()))


def _keep(run: Run, script: Path, record: bool, console: Console) -> None:
    """Save a run, and say which ratios moved since the last one that was recorded."""
    name = script.relative_to(ROOT / "benchmarks").with_suffix(".json")
    recorded = ROOT / "benchmarks" / "results" / name
    if recorded.exists():
        for line in moved(Run.load(recorded), run):
            console.print(f"moved: {line}", style="yellow", markup=False)
    run.save(recorded if record else ROOT / "results" / name)


if __name__ == "__main__":
    sys.exit(main())
