"""What the runner prints: each failure once, a table of counts, and the closing line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tools.testing.job import JobResult
from tools.testing.verdict import Detail, State, TestResult

__all__ = ["closing_line", "print_failures", "print_slowest", "print_table", "totals"]

README_TEST = re.compile(r"test_readmes\.py::test_readme\[(.+)\]$")


def totals(results: Sequence[JobResult]) -> Counter[str]:
    """Count the tests by state; a job that went wrong outside its tests counts as a failure."""
    counts = Counter(test.state for result in results for test in result.tests)
    return Counter(counts) + Counter(failed=sum(bool(result.problems) for result in results))


def closing_line(counts: Counter[str]) -> str:
    """Say how it went in the one line that other tools read."""
    return ", ".join(f"{counts[state]} {state}" for state in ("passed", "failed", "skipped"))


def print_failures(results: Sequence[JobResult], console: Console) -> None:
    """Print what failed where, and what was not run."""
    for result in results:
        where = _place(result.ranks)
        if result.problems:
            _print_details(f"tests on {where}", result.problems, result.ranks, console)
        for test in result.tests:
            if test.state == "failed":
                _print_details(test.name, test.details, result.ranks, console)
        not_run = sum(test.state == "not run" for test in result.tests)
        if not_run:
            console.print(f"the job on {where} ended early: {not_run} tests were not run")


def print_slowest(results: Sequence[JobResult], number: int, console: Console) -> None:
    """Print the tests that took longest, on any number of ranks."""
    times = [(test.seconds, test.name, result.ranks) for result in results for test in result.tests]
    for seconds, name, ranks in sorted(times, reverse=True)[:number]:
        console.print(f"{seconds:6.1f} s  {name}, {_place(ranks)}", markup=False, soft_wrap=True)


def print_table(results: Sequence[JobResult], console: Console) -> None:
    """Print the tests per package and number of ranks, with failures where there are any."""
    table = Table("passed")
    for result in results:
        table.add_column(_place(result.ranks), justify="right")
    owners = sorted({_owner(test) for result in results for test in result.tests})
    for owner in owners:
        cells = (
            Counter(test.state for test in result.tests if _owner(test) == owner)
            for result in results
        )
        table.add_row(owner, *map(_cell, cells))
    if owners:
        console.print(table)


def _print_details(name: str, details: Sequence[Detail], n_ranks: int, console: Console) -> None:
    console.print(f"\nFAILED {name}", style="bold red", markup=False, soft_wrap=True)
    for detail in details:
        if n_ranks > 1:
            noun = "rank" if len(detail.ranks) == 1 else "ranks"
            who = f"{noun} {', '.join(map(str, detail.ranks))} of {n_ranks} "
        else:
            who = ""
        console.print(f"{who}{detail.headline}", markup=False, highlight=False, soft_wrap=True)
        if detail.text:
            console.print(detail.text, markup=False, highlight=False, soft_wrap=True)


def _place(ranks: int) -> str:
    return f"{ranks} ranks" if ranks > 1 else "1 process"


def _cell(counts: Counter[State]) -> str:
    if not counts.total():
        return ""
    extra = (f"{count} {state}" for state, count in counts.items() if state != "passed")
    return "\n".join([str(counts["passed"]), *extra])


def _owner(test: TestResult) -> str:
    """The package that a test belongs to."""
    if readme := README_TEST.search(test.name):
        return readme[1]
    parts = test.name.split("/")
    return parts[1] if parts[0] == "packages" else parts[0]
