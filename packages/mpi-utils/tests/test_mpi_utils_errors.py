"""What one rank's failure does to the others."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from subprocess import CompletedProcess

import pytest

from mpi_utils import (
    CollectiveMismatchError,
    Communicator,
    MPIUnavailableError,
    RemoteError,
    agree,
    collective,
)

Run = Callable[..., "CompletedProcess[str]"]


def run_together(comm: Communicator, error: Exception, *failing: int) -> None:
    with collective(comm):
        if comm.rank in failing:
            raise error


@pytest.mark.parallel([2, 3, 4])
def test_an_exception_on_one_rank_is_raised_on_all_within_a_second(comm: Communicator) -> None:
    failing = comm.size - 1
    comm.barrier()
    start = time.monotonic()
    with pytest.raises(FileNotFoundError) as caught:
        run_together(comm, FileNotFoundError("no such file: a.csv"), failing)
    assert time.monotonic() - start < 1
    if comm.rank == failing:
        assert type(caught.value) is FileNotFoundError
    else:
        assert isinstance(caught.value, RemoteError)
        assert caught.value.rank == failing
        assert caught.value.type_name == "FileNotFoundError"
        assert str(caught.value) == f"rank {failing} raised FileNotFoundError: no such file: a.csv"
        assert "run_together" in caught.value.remote_traceback
        copy = pickle.loads(pickle.dumps(caught.value))
        assert str(copy) == str(caught.value)
    comm.barrier()  # all are still in step


@pytest.mark.parallel([3])
def test_the_lowest_failing_rank_is_named_and_each_keeps_its_own(comm: Communicator) -> None:
    with pytest.raises(Exception, match="mine" if comm.rank else "rank 1 raised") as caught:
        run_together(comm, ValueError(f"mine: {comm.rank}"), 1, 2)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, RemoteError) == (comm.rank == 0)


@pytest.mark.parallel([1, 2])
def test_nothing_happens_without_an_exception(comm: Communicator) -> None:
    with collective(comm):
        value = 3
    assert value == 3


class _AwkwardError(Exception):
    def __init_subclass__(cls) -> None:
        raise TypeError("may not be subclassed")


@pytest.mark.parallel([2])
def test_exceptions_that_cannot_travel_are_reported_all_the_same(comm: Communicator) -> None:
    class LocalError(Exception):
        """Can't be pickled: it has no importable name."""

    for error in (
        LocalError("local"),
        _AwkwardError("awkward"),
        UnicodeDecodeError("ascii", b"", 0, 1, "x"),
    ):
        with pytest.raises(Exception, match=r"local|awkward|ascii") as caught:
            run_together(comm, error, 0)
        if comm.rank == 1:
            assert isinstance(caught.value, RemoteError)
            assert caught.value.type_name == type(error).__name__


@pytest.mark.parallel([1, 2, 3])
def test_agree(comm: Communicator) -> None:
    agree(comm, {"epochs": 3}, "the configuration")
    if comm.size == 1:
        return
    with pytest.raises(ValueError, match="disagree on the batch size") as caught:
        agree(comm, 32 + comm.rank, "the batch size")
    assert [f"rank {r}: {32 + r}" in str(caught.value) for r in range(comm.size)] == [
        True
    ] * comm.size


DIES = """
    import sys, threading
    from mpi_utils import abort_on_exception, world
    abort_on_exception()
    comm = world()
    if comm.rank == 1:
        {}
    comm.barrier()
"""


@pytest.mark.parametrize(
    "death",
    [
        "raise RuntimeError('the disk is full')",
        "threading.Thread(target=lambda: int('the disk is full')).start()",
    ],
    ids=["main thread", "other thread"],
)
def test_an_uncaught_exception_ends_the_job_within_five_seconds(mpirun: Run, death: str) -> None:
    mpirun(2, DIES.format("pass"))  # warm the file cache: the clock is for the end, not the start
    start = time.monotonic()
    result = mpirun(2, DIES.format(death))
    assert time.monotonic() - start < 5
    assert result.returncode != 0
    assert "rank 1 of 2 died" in result.stderr
    assert "the disk is full" in result.stderr


def test_an_uncaught_exception_of_a_single_process_is_shown_as_ever(mpirun: Run) -> None:
    result = mpirun(1, "from mpi_utils import *\nabort_on_exception()\n1 / 0")
    assert result.returncode == 1
    assert "ZeroDivisionError" in result.stderr
    assert "died" not in result.stderr


MISMATCH = """
    import sys
    import numpy as np
    from mpi_utils import *
    abort_on_exception()
    comm = world()
    x = np.ones(3 if comm.rank == 0 else {other})
    try:
        {call}
    except CollectiveMismatchError as error:
        sys.stdout.write(f"rank {{comm.rank}} saw: {{error}}\\n")
"""


@pytest.mark.parametrize(
    ("other", "call"),
    [
        (4, "comm.allreduce(x)"),
        (3, "comm.allreduce(x) if comm.rank else comm.bcast(x)"),
        (3, "comm.iallreduce(x).wait() if comm.rank else comm.iallreduce(x, 'max').wait()"),
        (3, "agree(comm, 1, 'one') if comm.rank else comm.barrier()"),
    ],
    ids=["shapes", "operations", "non-blocking", "agree"],
)
def test_debug_mode_names_a_mismatch_on_all_ranks(mpirun: Run, other: int, call: str) -> None:
    result = mpirun(2, MISMATCH.format(other=other, call=call), MPI_UTILS_DEBUG="1")
    assert result.returncode == 0, result.stderr
    for rank in range(2):
        assert f"rank {rank} saw: The ranks call different collectives" in result.stdout
    assert "program.py:" in result.stdout  # the call site


def test_debug_mode_lets_right_programs_pass(mpirun: Run) -> None:
    program = """
        import numpy as np
        from mpi_utils import *
        comm = world()
        if comm.rank == 0:
            comm.bcast(np.ones(2))
            comm.send(np.ones(2), 1)
        else:
            comm.bcast(np.zeros(2))
            comm.recv(np.zeros(2), 0)
        request = comm.iallreduce(np.ones(2))
        node = comm.split(0)
        with collective(node):
            pass
        assert comm.allgatherv(np.ones(comm.rank)).size == 1
        assert request.wait().tolist() == [2, 2]
        node.free()
        print("right")
    """
    result = mpirun(2, program, MPI_UTILS_DEBUG="1")
    assert result.stdout.count("right") == 2, result.stderr


def test_the_watchdog_shows_where_a_rank_waits(mpirun: Run) -> None:
    program = """
        import time
        from mpi_utils import world
        def late():
            time.sleep(1.5)
        comm = world()
        if comm.rank == 0:
            late()
        comm.barrier()
    """
    result = mpirun(2, program, MPI_UTILS_TIMEOUT="0.5")
    assert result.returncode == 0
    assert "rank 1: barrier has taken more than 0.5 s" in result.stderr
    assert "program.py" in result.stderr
    assert "rank 0" not in result.stderr


def test_without_an_mpi_library_the_message_says_how_to_get_one(mpirun: Run) -> None:
    program = """
        import sys
        sys.modules["mpi4py.MPI"] = None  # as if the import found no library
        import mpi_utils
        assert mpi_utils.is_rank_zero()
        assert list(mpi_utils.progress([1, 2])) == [1, 2]
        mpi_utils.get_logger("single").warning("logs")
        try:
            mpi_utils.world()
        except mpi_utils.MPIUnavailableError as error:
            print(error)
    """
    result = mpirun(1, program)
    assert "pip install 'mpi-utils[mpich]'" in result.stdout, result.stderr
    assert issubclass(MPIUnavailableError, ImportError)
    assert issubclass(CollectiveMismatchError, RuntimeError)
