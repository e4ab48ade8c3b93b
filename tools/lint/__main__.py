"""``python -m tools.lint``: run all checks; one line each, and what is wrong below it."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from tools.lint import layout
from tools.workspace import ROOT, packages

Check = Callable[[], list[str]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checks; the exit status is 0 if all hold."""
    parser = argparse.ArgumentParser(prog="hatch run lint", description=__doc__)
    parser.add_argument("--fix", action="store_true", help="let ruff repair what it can, first")
    if parser.parse_args(arguments).fix:
        for command in (["ruff", "check", "--fix", "--quiet"], ["ruff", "format", "--quiet"]):
            _tool(*command)
    console = Console(highlight=False)
    failed = 0
    for name, check in _checks().items():
        wrong = check()
        failed += bool(wrong)
        verdict = "[red]failed[/]" if wrong else "[green]ok[/]"
        console.print(f"{name:<40}{verdict}")
        for line in wrong:
            console.print(f"  {line}", markup=False, soft_wrap=True)
    console.print(f"{failed} checks failed" if failed else "all checks hold")
    return int(failed > 0)


def _checks() -> dict[str, Check]:
    files, code = layout.tracked_files(), layout.package_code()
    small = {
        f"code of {name} ({code[name]} of {most} lines)": partial(_at_most, code[name], most)
        for name, most in layout.MAX_CODE.items()
    }
    return {
        "style (ruff check)": partial(_tool, "ruff", "check", "--quiet", "--output-format=concise"),
        "format (ruff format)": partial(
            _tool, "ruff", "format", "--check", "--output-format=concise"
        ),
        "types (mypy)": _types,
        "import rules (import-linter)": partial(_tool, "lint-imports", "--no-cache"),
        "top level": partial(layout.top_level, files),
        "entries of the packages": partial(layout.package_entries, files),
        "file names": partial(layout.file_names, files),
        "lengths of files and functions": partial(layout.sizes, files),
        "changelogs": layout.changelogs,
        **small,
    }


def _at_most(lines: int, most: int) -> list[str]:
    return [f"{lines - most} lines too many"] if lines > most else []


def _types() -> list[str]:
    """Check packages and tools together, and each folder of benchmarks, whose scripts are alone."""
    together = [str(package.source.relative_to(ROOT)) for package in packages()]
    alone = [str(script.parent) for script in sorted(ROOT.glob("benchmarks/*/*.py"))]
    runs = [[*together, "tools"], *([folder] for folder in dict.fromkeys(alone))]
    return [line for run in runs for line in _tool("mypy", *run)]


def _tool(name: str, *arguments: str) -> list[str]:
    """Run a tool of this environment; its output if it finds fault."""
    beside = Path(sys.executable).with_name(name)
    command = [str(beside) if beside.exists() else name, *arguments]
    result = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    output = (result.stdout + result.stderr).strip().splitlines()
    return (output or [f"{name} ended with status {result.returncode}"]) * (result.returncode != 0)


if __name__ == "__main__":
    sys.exit(main())
