"""Logging, progress, seeds, and the command line."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from subprocess import CompletedProcess

import numpy as np
import pytest

from mpi_utils import (
    Communicator,
    MPIUnavailableError,
    get_logger,
    is_rank_zero,
    progress,
    rank_zero,
    spawn_seeds,
)
from mpi_utils import __main__ as command


@pytest.mark.parallel([1, 2, 3])
def test_records_carry_the_rank_and_levels_differ(
    comm: Communicator, caplog: pytest.LogCaptureFixture
) -> None:
    logger = get_logger("hpc", comm)
    logger = get_logger("hpc", comm, level="INFO")  # twice is as good as once
    assert len(logger.filters) == 1
    with caplog.at_level(logging.DEBUG, "root"):
        logger.info("only rank 0")
        logger.warning("everyone")
    messages = [record.message for record in caplog.records]
    assert messages == (["only rank 0"] if comm.rank == 0 else []) + ["everyone"]
    assert {(vars(r)["rank"], vars(r)["size"]) for r in caplog.records} == {(comm.rank, comm.size)}
    logger = get_logger("hpc", comm, levels={comm.size - 1: "DEBUG"})
    assert logger.isEnabledFor(logging.DEBUG) == (comm.rank == comm.size - 1)


@pytest.mark.parallel([1, 2])
def test_rank_zero(comm: Communicator) -> None:
    @rank_zero
    def where(x: int) -> int:
        """Doc."""
        return x

    assert where(3) == (3 if comm.rank == 0 else None)
    assert where.__doc__ == "Doc."
    assert is_rank_zero(comm) == is_rank_zero() == (comm.rank == 0)


@pytest.mark.parallel([1, 2])
def test_progress_draws_on_rank_zero_of_a_terminal_only(
    comm: Communicator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(progress(range(3), comm, description="quiet")) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert list(progress(iter(range(3)), comm, total=3, description="loud")) == [0, 1, 2]
    out, err = capsys.readouterr()
    assert out == ""
    assert ("loud" in err) == (comm.rank == 0)
    monkeypatch.setitem(sys.modules, "rich.progress", None)  # without the extra
    assert list(progress(range(3), comm)) == [0, 1, 2]
    assert capsys.readouterr().err == ""


def test_seeds_differ_and_are_the_same_everywhere() -> None:
    seeds = spawn_seeds(7, 1000)
    assert seeds == spawn_seeds(7, 1000)
    assert seeds[:3] == spawn_seeds(7, 3)
    assert len({*seeds, *spawn_seeds(8, 1000)}) == 2000
    assert all(0 <= seed < 2**63 for seed in seeds)
    first = [np.random.default_rng(seed).random() for seed in seeds]
    assert abs(np.mean(first) - 0.5) < 0.05


@pytest.mark.parallel([1, 2])
def test_the_command_describes_the_installation(
    comm: Communicator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_SECONDS", 0.05)
    monkeypatch.setattr(command, "abort_on_exception", lambda: None)
    command.main()
    out = capsys.readouterr().out
    if comm.rank:
        assert out == ""
        return
    for what in ("mpi4py:", "MPI library:", "thread level:", "takes GPU memory:", "ping-pong"):
        assert what in out
    assert f"{'ranks:':20} {comm.size}" in out
    assert ("GB/s" in out) == (comm.size > 1)


def test_the_command_without_mpi_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise MPIUnavailableError("install one")

    monkeypatch.setattr(command, "world", missing)
    monkeypatch.setattr(command, "abort_on_exception", lambda: None)
    with pytest.raises(SystemExit, match="install one"):
        command.main()
    assert command._version("no-such-package") == "not installed"


def test_the_module_runs(mpirun: Callable[..., CompletedProcess[str]]) -> None:
    result = mpirun(2, "import runpy; runpy.run_module('mpi_utils', run_name='__main__')")
    assert result.returncode == 0, result.stderr
    assert "ping-pong" in result.stdout
