"""What the tests of each package reach."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tools.workspace import ROOT, Package, packages

__all__ = ["line_coverage", "report_coverage"]

ENOUGH = 90.0  # percent of the lines of each package


def report_coverage(chosen: Sequence[Package], console: Console) -> None:
    """Combine what the processes recorded; name what is not reached, and the shares by package."""
    include = ",".join(f"packages/{package.name}/*" for package in chosen or packages())
    _coverage("combine", "--quiet")
    _coverage("report", "--skip-covered", f"--include={include}")
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "coverage.json"
        if not _coverage("json", "--quiet", f"--include={include}", "-o", str(file)):
            return  # nothing ran
        shares = line_coverage(json.loads(file.read_text())["files"])
    table = Table("package", "lines reached")
    for name, share in shares.items():
        table.add_row(name, f"{share:.1f} %", style="" if share >= ENOUGH else "red")
    console.print(table)


def line_coverage(files: Mapping[str, Any]) -> dict[str, float]:
    """Percent of the lines of each package that ran, from the files of coverage's JSON report."""
    counts: dict[str, tuple[int, int]] = {}
    for path, file in files.items():
        name = Path(path).parts[1]
        reached, lines = counts.get(name, (0, 0))
        summary = file["summary"]
        counts[name] = reached + summary["covered_lines"], lines + summary["num_statements"]
    return {name: 100 * reached / max(lines, 1) for name, (reached, lines) in counts.items()}


def _coverage(*arguments: str) -> bool:
    command = [sys.executable, "-m", "coverage", *arguments]
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0
