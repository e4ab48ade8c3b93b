"""``python -m tools.bench``: run benchmarks/<package>/*.py, each on the ranks that it asks for.

A benchmark is a script with ``--quick`` and ``--json FILE`` that prints a table. A top-level
constant ``RANKS = N`` makes it run under ``mpirun -n N``. The JSON goes to ``results/<package>/``.
"""

from __future__ import annotations

import argparse
import ast
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from tools.testing.launch import child_environment, launcher
from tools.workspace import ROOT, find_package


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks of all packages, or of some; the exit status is 0 if all ran."""
    parser = argparse.ArgumentParser(prog="hatch run bench", description=__doc__)
    parser.add_argument("package", nargs="*", help="default: all that have benchmarks")
    parser.add_argument("--quick", action="store_true", help="small sizes, under two minutes")
    parser.add_argument("-n", dest="ranks", type=int, help="run on this many ranks instead")
    given = parser.parse_args(arguments)
    try:
        names = [find_package(name).name for name in given.package] or ["*"]
    except LookupError as error:
        parser.error(str(error.args[0]))
    scripts = [script for name in names for script in sorted(ROOT.glob(f"benchmarks/{name}/*.py"))]
    console = Console()
    failed = [s for s in scripts if not _run(s, given.ranks or ranks_of(s), given.quick, console)]
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


def _run(script: Path, ranks: int, quick: bool, console: Console) -> bool:
    name = script.relative_to(ROOT / "benchmarks").with_suffix("")
    result = ROOT / "results" / name.with_suffix(".json")
    result.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(script), "--json", str(result), *(["--quick"] if quick else [])]
    if ranks > 1:
        command = [*launcher(), "-n", str(ranks), *command]
    console.rule(f"{name}, {ranks} rank{'s' * (ranks > 1)}", align="left")
    environment = child_environment(ranks)
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
