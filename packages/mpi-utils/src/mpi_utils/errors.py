"""One rank's failure becomes every rank's exception."""

from __future__ import annotations

import contextlib
import pickle
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from mpi_utils.runtime import load_mpi

if TYPE_CHECKING:
    from mpi_utils.communicator import Communicator


class CollectiveMismatchError(RuntimeError):
    """The ranks of a communicator called different collectives (found in debug mode)."""


class RemoteError(Exception):
    """Another rank raised inside a block that all ranks run together.

    It is also an instance of the remote exception's type, wherever that type can be subclassed, so
    that one ``except FileNotFoundError`` serves all ranks.

    Attributes
    ----------
    rank : int
        The lowest rank that failed.
    type_name : str
        Name of the exception's type there.
    message : str
        Its message.
    remote_traceback : str
        Its formatted traceback.
    """

    def __init__(self, rank: int, type_name: str, message: str, remote_traceback: str = "") -> None:
        Exception.__init__(self, rank, type_name, message, remote_traceback)
        self.rank = rank
        self.type_name = type_name
        self.message = message
        self.remote_traceback = remote_traceback

    def __str__(self) -> str:
        return f"rank {self.rank} raised {self.type_name}: {self.message}"

    def __reduce__(self) -> tuple[Any, ...]:
        return RemoteError, (self.rank, self.type_name, self.message, self.remote_traceback)


def _remote_error(rank: int, payload: tuple[bytes, str, str, str]) -> RemoteError:
    """The `RemoteError` for what `rank` reported, derived from the exception's type if possible."""
    pickled_type, *report = payload
    try:
        original = pickle.loads(pickled_type)  # noqa: S301 - from a rank of the same job
        kind: type[RemoteError] = type(f"Remote{original.__name__}", (RemoteError, original), {})
        return kind(rank, *report)
    except Exception:  # an unknown or uncooperative type must not hide the report
        return RemoteError(rank, *report)


@contextlib.contextmanager
def collective(comm: Communicator) -> Iterator[None]:
    """Make a block without communication succeed or fail on all ranks together.

    If the block raises on any rank, it raises on all: the original exception where it happened, a
    `RemoteError` elsewhere. Don't communicate inside the block: a rank that has raised is no longer
    there to answer.

    Parameters
    ----------
    comm : Communicator
        Its ranks run the block. Leaving the block is collective and costs one small allreduce.

    Examples
    --------
    >>> from mpi_utils import collective, world
    >>> with collective(world()):
    ...     text = "opened, parsed, checked"
    """
    try:
        yield
    except BaseException as error:
        _share(comm, error)
        raise
    _share(comm, None)


def _share(comm: Communicator, error: BaseException | None) -> None:
    """Raise the error of the lowest failing rank where there is none."""
    comm.verify("collective block", ())
    candidate = comm.size if error is None else comm.rank
    failed = comm.handle.allreduce(candidate, op=load_mpi().MIN)
    if failed < comm.size:
        report = comm.handle.bcast(_report(error) if comm.rank == failed else None, root=failed)
        if error is None:
            raise _remote_error(failed, report)


def _report(error: BaseException | None) -> tuple[bytes, str, str, str]:
    try:
        pickled_type = pickle.dumps(type(error))
    except Exception:  # a local class; its name and message still travel
        pickled_type = b""
    trace = "".join(traceback.format_exception(error))
    return pickled_type, type(error).__name__, str(error), trace


def per_rank_table(values: Iterable[object]) -> str:
    """One line a rank, for error messages."""
    return "\n".join(f"  rank {rank}: {value}" for rank, value in enumerate(values))


def agree(comm: Communicator, value: Any, what: str) -> None:
    """Raise on all ranks unless all of them hold the same value. Collective.

    Parameters
    ----------
    comm : Communicator
    value : object
        Picklable, compared with ``==``.
    what : str
        What the value is, for the message.

    Raises
    ------
    ValueError
        On all ranks, with a table of the values, if they differ.
    """
    comm.verify(f"agree on {what}", ())
    values = comm.handle.allgather(value)
    if any(other != values[0] for other in values[1:]):
        raise ValueError(f"The ranks disagree on {what}:\n{per_rank_table(map(repr, values))}")


def abort_on_exception() -> None:
    """End the whole MPI job when an uncaught exception ends one of its ranks.

    Without this, the other ranks wait for the lost one until the job's time limit. Installs
    `sys.excepthook` and `threading.excepthook`; a job of one rank, and one whose MPI was never
    started, end as always. Call it early in a program's ``main``.
    """

    def aborting(show: Callable[..., object]) -> Callable[..., None]:
        def report_and_abort(*error: Any) -> None:
            MPI: Any = sys.modules.get("mpi4py.MPI")
            running = MPI is not None and MPI.Is_initialized() and not MPI.Is_finalized()
            job = MPI.COMM_WORLD if running and MPI.COMM_WORLD.size > 1 else None
            if job is not None:
                sys.stderr.write(f"rank {job.rank} of {job.size} died:\n")
            show(*error)
            sys.stdout.flush()
            sys.stderr.flush()
            if job is not None:
                # the launcher drops what it has not yet read of a dead job's output
                time.sleep(0.2)
                job.Abort(1)

        return report_and_abort

    sys.excepthook = aborting(sys.excepthook)
    threading.excepthook = aborting(threading.excepthook)
