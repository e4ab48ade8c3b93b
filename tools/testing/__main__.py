"""``python -m tools.testing``: the tests of all packages, or of some, on 1, 2, 3, 4 and 7 ranks."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from tools.testing.array_api import find_suite, run_suite
from tools.testing.coverage import report_coverage
from tools.testing.job import JobResult, Options, run_jobs
from tools.testing.launch import cores
from tools.testing.report import closing_line, print_failures, print_slowest, print_table, totals
from tools.workspace import ROOT, find_package, packages

README_TEST = "tools/tests/test_readmes.py"
RANKS = (1, 2, 3, 4, 7)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tests; the exit status is 0 if some ran and none failed."""
    parser = argparse.ArgumentParser(prog="hatch run test", description=__doc__)
    parser.add_argument("target", nargs="*", help="a package, 'tools', or a path; default: all")
    parser.add_argument(
        "-n", dest="ranks", type=int, nargs="+", action="extend", help="how many; default: all used"
    )
    parser.add_argument("-k", dest="select", default="", help="only tests whose name matches")
    parser.add_argument("-x", dest="first", action="store_true", help="stop at the first failure")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds a test may take")
    parser.add_argument("--grace", type=float, default=5.0, help="seconds to follow a failed rank")
    parser.add_argument("--slowest", type=int, default=0, help="how many slow tests to name")
    parser.add_argument("--coverage", action="store_true", help="measure coverage as well")
    parser.add_argument(
        "--array-api",
        nargs="?",
        const="",
        metavar="PATH",
        help="run the public array API suite on heat-core instead; default: $ARRAY_API_TESTS",
    )
    given = parser.parse_args(arguments)
    if given.array_api is not None:
        try:
            return run_suite(find_suite(given.array_api))
        except LookupError as error:
            parser.error(str(error.args[0]))
    try:
        targets = _test_paths(given.target)
    except LookupError as error:
        parser.error(str(error.args[0]))
    options = Options(given.select, given.first, given.timeout, given.grace, given.coverage)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that jobs are cleaned up
    console = Console(highlight=False)
    results = _run_all(targets, given.ranks, options, console)
    if options.coverage:
        names = {package.name for package in packages()}
        report_coverage([find_package(name) for name in given.target if name in names], console)
    print_failures(results, console)
    print_table(results, console)
    print_slowest(results, given.slowest, console)
    counts = totals(results)
    if not counts.total():
        console.print("no tests were selected")
    print(closing_line(counts), flush=True)
    return 0 if counts["passed"] + counts["skipped"] and not counts["failed"] else 1


def _test_paths(targets: Sequence[str]) -> list[str]:
    """Turn packages into what pytest shall collect: their tests and their README."""
    if not targets:
        found = [package.tests for package in packages() if package.tests.is_dir()]
        return [*(str(path.relative_to(ROOT)) for path in found), "tools/tests"]
    paths: list[str] = []
    for target in targets:
        if target == "tools":
            paths.append("tools/tests")
        elif Path(target.partition("::")[0]).exists():
            paths.append(target)
        else:
            package = find_package(target)
            paths.append(str(package.tests.relative_to(ROOT)))
            paths.append(f"{README_TEST}::test_readme[{package.name}]")
    return paths


def _run_all(
    targets: Sequence[str], chosen: Sequence[int] | None, options: Options, console: Console
) -> list[JobResult]:
    """Run one job per number of ranks; the first one tells which others are needed.

    Tests on one process run as one job per target, the largest first and one for each core.
    """
    results: list[JobResult] = []
    for ranks in chosen or RANKS:
        if not chosen and results and ranks not in results[0].ranks_wanted:
            continue
        console.print(f"on {ranks} ranks" if ranks > 1 else "on 1 process", style="bold")
        groups = [[target] for target in sorted(targets, key=_size, reverse=True)]
        result = run_jobs(
            groups if ranks == 1 else [targets], ranks, options, cores() if ranks == 1 else 1
        )
        # a file that cannot be collected fails in each job alike; report it once
        known = {test.name for earlier in results for test in earlier.tests}
        tests = tuple(test for test in result.tests if "::" in test.name or test.name not in known)
        results.append(replace(result, tests=tests))
        print(flush=True)
        if options.stop_at_first and totals(results)["failed"]:
            break
    return results


def _size(target: str) -> int:
    """Bytes of test code, as a guess of how long it runs."""
    path = ROOT / target.partition("::")[0]
    files = list(path.glob("test_*.py")) if path.is_dir() else [path]
    guess = sum(file.stat().st_size for file in files)
    if ROOT / README_TEST in files:  # starts a process for each of many short blocks
        guess += 4 * sum(package.readme.stat().st_size for package in packages())
    return guess


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
