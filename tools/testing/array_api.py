"""The public test suite of the Python array API standard, run on heat-core.

The suite is not part of this repository: CONTRIBUTING.md says how to get it. It runs on one process
as it is, and under ``mpirun`` with creation functions that return distributed arrays.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from tools.testing.launch import child_environment, launcher
from tools.workspace import ROOT

__all__ = ["find_suite", "run_suite"]

XFAILS = ROOT / "packages/heat-core/tests/array_api_xfails.txt"
NEEDED = ("hypothesis", "ndindex", "pytest_jsonreport")
# ranks and the split of new arrays; None: replicated, as on one process
RUNS: tuple[tuple[int, int | None], ...] = ((1, None), (2, 0), (2, -1), (3, 0), (3, -1))


def find_suite(path: str | None) -> Path:
    """The checked-out suite: ``path``, or ``$ARRAY_API_TESTS``.

    Raises
    ------
    LookupError
        If there is none, or if a package that it needs is not installed.
    """
    given = path or os.environ.get("ARRAY_API_TESTS", "")
    folder = Path(given)
    if not given or not (folder / "array_api_tests").is_dir():
        raise LookupError(
            f"no array-api-tests in {given or 'ARRAY_API_TESTS'}: "
            "see 'The array API standard' in CONTRIBUTING.md"
        )
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise LookupError(
            f"the suite needs {', '.join(missing)}: see 'The array API standard' in CONTRIBUTING.md"
        )
    return folder.resolve()


def command(ranks: int, examples: int) -> list[str]:
    """The command of one run; every rank draws the same examples."""
    pytest = [sys.executable, "-m", "pytest", "array_api_tests", "-q", "--tb=short"]
    pytest += ["-p", "no:cacheprovider", "-p", "no:randomly", "--disable-warnings"]
    pytest += ["--disable-deadline", "--derandomize", f"--max-examples={examples}"]
    pytest += [f"--xfails-file={XFAILS}"]
    return pytest if ranks == 1 else [*launcher(), "-n", str(ranks), *pytest]


def environment(ranks: int, split: int | None) -> dict[str, str]:
    """The environment of one run."""
    module = "heat_core" if split is None else "tools.testing.distributed"
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    added = {"ARRAY_API_TESTS_MODULE": module, "PYTHONPATH": path}
    if split is not None:
        added["HEAT_CORE_TEST_SPLIT"] = str(split)
    return child_environment(ranks) | added


def run_suite(suite: Path, examples: int = 100, limit: float = 3600.0) -> int:
    """Run the suite in all ways; the exit status is 0 if all passed.

    Parameters
    ----------
    suite : pathlib.Path
    examples : int
        Examples that hypothesis draws for a test.
    limit : float
        Seconds for each run: ranks that wait for each other are ended.
    """
    failed = 0
    for ranks, split in RUNS:
        layout = "replicated" if split is None else f"split={split}"
        print(f"array API suite on {ranks} ranks, new arrays {layout}", flush=True)
        try:
            done = subprocess.run(
                command(ranks, examples),
                cwd=suite,
                env=environment(ranks, split),
                timeout=limit,
                check=False,
            )
            failed += done.returncode != 0
        except subprocess.TimeoutExpired:
            print(f"ended after {limit:g} s", flush=True)
            failed += 1
    return 1 if failed else 0
