"""The test runner's verdict on small projects, each with one thing that can happen to ranks."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from tools.testing import verdict
from tools.testing.coverage import line_coverage
from tools.testing.job import JobResult, Options, run_jobs
from tools.testing.launch import child_environment
from tools.testing.report import print_slowest
from tools.workspace import ROOT

HEAD = """
import ctypes, os, pytest, time
from mpi4py import MPI
comm = MPI.COMM_WORLD
"""


def project(folder: Path, body: str) -> str:
    (folder / "test_it.py").write_text(HEAD + body)
    return str(folder)


def run(folder: Path, body: str, *options: str) -> tuple[int, str]:
    process = subprocess.run(
        [sys.executable, "-m", "tools.testing", project(folder, body), *options],
        cwd=ROOT,
        env=child_environment(1),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=50,
        check=False,
    )
    return process.returncode, process.stdout


def last_line(output: str) -> str:
    return output.splitlines()[-1]


def test_needed_ranks_are_found(tmp_path: Path) -> None:
    status, output = run(
        tmp_path,
        """
def test_serial(): pass
def test_skipped(): pytest.skip("why not")
@pytest.mark.parallel([1, 2, 3])
def test_parallel(tmp_path): assert comm.allreduce(1) == comm.size
""",
    )
    assert (status, last_line(output)) == (0, "4 passed, 0 failed, 1 skipped"), output


def test_nothing_selected_is_no_success(tmp_path: Path) -> None:
    status, output = run(tmp_path, "def test_a(): pass", "-k", "other")
    assert (status, last_line(output)) == (1, "0 passed, 0 failed, 0 skipped"), output


def test_failures_on_all_ranks_are_shown_once(tmp_path: Path) -> None:
    body = """
@pytest.mark.parallel(2)
def test_wrong(): assert 'ice' == 'fire'
@pytest.mark.parallel(2)
def test_next(): pass
"""
    status, output = run(tmp_path, body)
    assert (status, last_line(output)) == (1, "1 passed, 1 failed, 0 skipped"), output
    assert output.count("AssertionError") == 1
    assert "ranks 0, 1 of 2 failed" in output


# What happens on one rank, and the lines which must tell it.
TROUBLE = {
    "one rank fails, the other waits in a collective": (
        "def test_a():\n    assert comm.rank == 1, 'rank 0 is lost'\n    comm.allreduce(1)",
        ["rank 0 of 2 failed", "rank 0 is lost", "rank 1 of 2 still in the test 1 s after"],
    ),
    "a fixture fails on one rank": (
        """
@pytest.fixture
def data(): assert comm.rank == 0, 'no data'
@pytest.mark.parallel(2)
def test_a(data): comm.allreduce(1)""",
        ["rank 1 of 2 failed in setup", "no data", "rank 0 of 2 still in the test"],
    ),
    "one rank hangs": (
        "def test_a():\n    if comm.rank == 0: comm.allreduce(1)",
        ["rank 0 of 2 timed out after 5 s", "in test_a", "rank 1 of 2 had finished the test"],
    ),
    "a call that holds the interpreter hangs": (
        "def test_a(): ctypes.PyDLL(None).pause()",
        ["ranks 0, 1 of 2 timed out after 5 s", "in test_a"],
    ),
    "one rank exits": (
        "def test_a():\n    if comm.rank == 1: os._exit(3)\n    comm.allreduce(1)",
        ["rank 1 of 2 ended with exit status 3", "rank 0 of 2 was in the test"],
    ),
    "one rank is killed": (
        "def test_a():\n    if comm.rank == 1: ctypes.string_at(0)\n    comm.allreduce(1)",
        ["rank 1 of 2 was killed by SIGSEGV"],
    ),
}


@pytest.mark.parametrize("case", TROUBLE)
def test_trouble_names_test_and_rank(tmp_path: Path, case: str) -> None:
    body, lines = TROUBLE[case]
    marker = "" if "@pytest.mark.parallel" in body else "@pytest.mark.parallel(2)\n"
    later = "\n@pytest.mark.parallel(2)\ndef test_later(): pass\n"
    start = time.monotonic()
    status, output = run(
        tmp_path, marker + body + later, "-n", "2", "--timeout", "5", "--grace", "1"
    )
    assert time.monotonic() - start < 25, output  # of which 5 s of timeout; the rest is start-up
    assert (status, last_line(output)) == (1, "0 passed, 1 failed, 0 skipped"), output
    assert "test_it.py::test_a" in output
    assert "1 tests were not run" in output
    for line in lines:
        assert line in output


def test_ranks_that_differ_fail(tmp_path: Path) -> None:
    body = """
@pytest.mark.parallel(2)
def test_fails_on_one(): assert comm.rank == 0
@pytest.mark.parallel(2)
def test_skips_on_one():
    if comm.rank: pytest.skip()
@pytest.mark.parallel(2)
def test_good(): pass
"""
    status, output = run(tmp_path, body, "-n", "2")
    assert (status, last_line(output)) == (1, "1 passed, 2 failed, 0 skipped"), output
    assert "rank 1 of 2 failed" in output
    assert "rank 1 of 2 skipped" in output


def test_parameters_that_differ_between_ranks_are_refused(tmp_path: Path) -> None:
    body = """
@pytest.mark.parallel(2)
@pytest.mark.parametrize("x", [comm.rank])
def test_a(x): pass
"""
    status, output = run(tmp_path, body, "-n", "2")
    assert (status, last_line(output)) == (1, "0 passed, 1 failed, 0 skipped"), output
    assert "ranks [1] collected other tests than rank 0" in output


def test_a_file_that_cannot_be_imported_fails_once(tmp_path: Path) -> None:
    (tmp_path / "test_broken.py").write_text("import no_such_module")
    body = "@pytest.mark.parallel([1, 2])\ndef test_a(): pass"
    status, output = run(tmp_path, body)
    assert (status, last_line(output)) == (1, "2 passed, 1 failed, 0 skipped"), output
    assert output.count("No module named 'no_such_module'") == 1


def test_stopping_at_the_first_failure_is_agreed(tmp_path: Path) -> None:
    body = """
@pytest.mark.parallel(2)
def test_a(): assert comm.rank
@pytest.mark.parallel(2)
def test_b(): comm.barrier()
"""
    status, output = run(tmp_path, body, "-n", "2", "-x")
    assert (status, last_line(output)) == (1, "0 passed, 1 failed, 0 skipped"), output
    assert "1 tests were not run" in output


def test_an_interrupt_leaves_no_process(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    pids.mkdir()
    body = f"""
@pytest.mark.parallel(2)
def test_a():
    open(r"{pids}/" + str(os.getpid()), "w").close()
    time.sleep(50)
"""
    command = [sys.executable, "-m", "tools.testing", project(tmp_path, body), "-n", "2"]
    runner = subprocess.Popen(
        command, cwd=ROOT, env=child_environment(1), stdout=subprocess.DEVNULL
    )
    while len(list(pids.iterdir())) < 2:
        time.sleep(0.1)
    runner.send_signal(signal.SIGINT)
    assert runner.wait(timeout=20) == 130
    deadline = time.monotonic() + 5
    for file in pids.iterdir():
        while Path(f"/proc/{file.name}").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        with pytest.raises(ProcessLookupError):
            os.kill(int(file.name), 0)


def test_jobs_run_side_by_side_and_their_results_are_joined(tmp_path: Path) -> None:
    """Each of two tests waits for a file that the other one writes."""
    groups = []
    for name, other in (("one", "two"), ("two", "one")):
        body = f"""
from pathlib import Path
def test_{name}():
    Path({str(tmp_path)!r}, {name!r}).touch()
    while not Path({str(tmp_path)!r}, {other!r}).exists():
        time.sleep(0.01)
"""
        (tmp_path / f"folder_{name}").mkdir()
        groups.append([project(tmp_path / f"folder_{name}", body)])
    result = run_jobs(groups, 1, Options(timeout=20), at_once=2)
    states = {test.name.rpartition("::")[2]: test.state for test in result.tests}
    assert (states, result.problems) == ({"test_one": "passed", "test_two": "passed"}, ())


def test_lines_reached_are_counted_by_package() -> None:
    def file(reached: int, lines: int) -> dict[str, dict[str, int]]:
        return {"summary": {"covered_lines": reached, "num_statements": lines}}

    files = {
        "packages/daso/src/daso/a.py": file(9, 10),
        "packages/daso/src/daso/b.py": file(0, 10),
        "packages/f3/src/f3/a.py": file(0, 0),
    }
    assert line_coverage(files) == {"daso": 45.0, "f3": 0.0}


def test_the_slowest_tests_are_named() -> None:
    tests = tuple(
        verdict.TestResult(name, "passed", seconds=s) for name, s in (("a", 0.1), ("b", 2.0))
    )
    console = Console(record=True, width=80)
    print_slowest([JobResult(3, tests, (), frozenset())], 1, console)
    assert console.export_text() == "   2.0 s  b, 3 ranks\n"
