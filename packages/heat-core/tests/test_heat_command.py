"""The command, what it shows, and debug mode."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import heat_core as ht
from heat_core.cli.bench import measure
from heat_core.cli.selftest import CHECKS, run_checks

Mpirun = Callable[..., "subprocess.CompletedProcess[str]"]


def test_info_under_mpirun(mpirun: Mpirun) -> None:
    result = mpirun(2, ["-m", "heat_core", "info"])
    assert result.returncode == 0, result.stderr
    assert re.search(r"ranks +2\b", result.stdout)
    assert ht.__version__ in result.stdout
    assert result.stdout.count("MPI library") == 1  # rank 0 only


@pytest.mark.parallel([1, 2, 4])
def test_selftest() -> None:
    results = run_checks()
    assert [result.name for result in results] == list(CHECKS)
    assert [result.error for result in results] == [""] * len(results)


@pytest.mark.parallel([2])
def test_selftest_reports_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(x: ht.DNDarray, data: object) -> tuple[object, object]:
        # on one rank only
        return x.numpy() + (x.comm.rank == 1), data

    monkeypatch.setitem(CHECKS, "sum", wrong)
    errors = {result.name: result.error for result in run_checks()}
    assert "AssertionError" in errors.pop("sum")
    assert set(errors.values()) == {""}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_selftest_without_the_gpu_it_asks_for(mpirun: Mpirun) -> None:
    result = mpirun(1, ["-m", "heat_core", "selftest", "--device", "gpu"])
    assert result.returncode == 1
    assert "there is no GPU that torch can use" in result.stderr


@pytest.mark.parallel([1, 2])
def test_bench_measures_every_operation() -> None:
    timings = measure(10_000)
    assert all(timing.seconds > 0 and len(timing.row()) == 3 for timing in timings)
    assert len(timings) >= 8


def test_memory_usage_sees_an_array() -> None:
    before = ht.memory_usage()
    x = ht.ones(8 << 20)
    usage = ht.memory_usage()
    assert usage.resident - before.resident > 0.9 * x.nbytes
    assert usage.peak >= usage.resident


def test_debug_mode_names_ranks_and_call_sites(mpirun: Mpirun, tmp_path: Path) -> None:
    program = """
        from pathlib import Path
        import heat_core as ht
        from mpi_utils import CollectiveMismatchError
        x = ht.arange(10, split=0)
        try:
            if x.comm.rank == 0:
                x.resplit(None)
            else:
                ht.array(x.larray, is_split=0)
        except CollectiveMismatchError as error:
            Path(__file__).with_name(f"rank{x.comm.rank}.txt").write_text(str(error))
    """
    result = mpirun(2, program, HEAT_CORE_DEBUG="1")
    assert result.returncode == 0, result.stderr
    # On both ranks a table with the lines of the user's program, not of the library.
    for message in ((tmp_path / f"rank{rank}.txt").read_text() for rank in range(2)):
        assert re.search(r"rank 0: allgatherv.*program\.py:8\b", message)
        assert re.search(r"rank 1: allgather of objects.*program\.py:10\b", message)


def test_debug_mode_lets_right_programs_pass(mpirun: Mpirun) -> None:
    result = mpirun(2, ["-m", "heat_core", "selftest"], HEAT_CORE_DEBUG="1")
    assert result.returncode == 0, result.stdout
    assert result.stdout.count(" ok ") == len(CHECKS)


def test_an_uncaught_error_ends_the_job(mpirun: Mpirun) -> None:
    program = """
        import heat_core as ht
        x = ht.arange(10, split=0)
        if x.comm.rank == 1:
            raise LookupError("lost")
        x.sum()
    """
    result = mpirun(2, program)
    assert result.returncode != 0
    assert "rank 1 of 2 died" in result.stderr and "LookupError: lost" in result.stderr


def test_a_rank_that_waits_too_long_shows_its_stack(mpirun: Mpirun) -> None:
    program = """
        import time
        import heat_core as ht
        x = ht.arange(10, split=0)
        if x.comm.rank == 0:
            time.sleep(1.5)
        x.sum()
    """
    result = mpirun(2, program, HEAT_CORE_TIMEOUT="0.5")
    assert result.returncode == 0
    assert "rank 1: allreduce has taken more than 0.5 s" in result.stderr
