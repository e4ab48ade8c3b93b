"""``python -m mpi_utils``, alone or under mpirun: what this MPI installation is and does."""

from __future__ import annotations

import math
import platform
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from mpi_utils.communicator import Communicator, world
from mpi_utils.errors import abort_on_exception
from mpi_utils.runtime import MPIUnavailableError, has_large_counts, is_gpu_aware, load_mpi
from mpi_utils.topology import Topology

_SIZES = (8, 64 * 1024, 4 * 1024 * 1024)
_SECONDS = 2.0


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def describe(comm: Communicator) -> list[tuple[str, str]]:
    """(what, value) of the installation and the job. Collective."""
    MPI, topology = load_mpi(), Topology(comm)
    thread_levels = ("single", "funneled", "serialized", "multiple")
    rows = [
        ("Python", platform.python_version()),
        *((package, _version(package)) for package in ("mpi-utils", "mpi4py", "numpy", "torch")),
        ("MPI library", MPI.Get_library_version().splitlines()[0].strip("\0 ")),
        ("MPI standard", ".".join(map(str, MPI.Get_version()))),
        ("large counts", "native" if has_large_counts() else "cut into segments"),
        ("thread level", thread_levels[MPI.Query_thread()]),
        ("takes GPU memory", "yes" if is_gpu_aware() else "no, staged through the host"),
        ("ranks", str(comm.size)),
        ("nodes", str(topology.n_nodes)),
        ("ranks of each node", str([*map(topology.map.node_of.count, range(topology.n_nodes))])),
        ("threads per rank", str(topology.set_threads())),
        ("device of rank 0", str(topology.local_device()) if "torch" in sys.modules else "cpu"),
    ]
    topology.free()
    return rows


def measure(comm: Communicator, nbytes: int, seconds: float) -> tuple[float, float]:
    """Best times of a message from the first rank to the last and back, and of an allreduce.

    Collective.

    Parameters
    ----------
    comm : Communicator
    nbytes : int
    seconds : float
        Time to spend.

    Returns
    -------
    ping_pong, allreduce : float
        Seconds.
    """
    x, y, last = np.zeros(nbytes // 8), np.zeros(nbytes // 8), comm.size - 1

    def ping_pong() -> None:
        if last and comm.rank in {0, last}:
            for operation in (comm.send, comm.recv) if comm.rank == 0 else (comm.recv, comm.send):
                operation(x, last - comm.rank)

    def best(operation: Callable[[], object]) -> float:
        going, best, end = np.ones((), bool), math.inf, time.perf_counter() + seconds / 2
        while comm.bcast(going):  # rank 0 decides
            start = time.perf_counter()
            for _ in range(10):
                operation()
            best = min(best, (time.perf_counter() - start) / 10)
            going[...] = time.perf_counter() < end
        return best

    return best(ping_pong), best(lambda: comm.allreduce(x, out=y))


def main() -> None:
    """Print the tables on rank 0."""
    abort_on_exception()
    try:
        comm = world()
    except MPIUnavailableError as error:
        sys.exit(str(error))
    lines = [f"{what + ':':20} {value}" for what, value in describe(comm)]
    lines.append(f"\n{'bytes':>10} {'ping-pong':>12} {'bandwidth':>12} {'allreduce':>12}")
    for nbytes in _SIZES:
        ping_pong, allreduce = measure(comm, nbytes, _SECONDS / len(_SIZES))
        rate = 2 * nbytes / ping_pong / 1e9
        lines.append(
            f"{nbytes:10} {ping_pong * 1e6:9.1f} us {rate:7.2f} GB/s {allreduce * 1e6:9.1f} us"
            if comm.size > 1
            else f"{nbytes:10} {'-':>12} {'-':>12} {allreduce * 1e6:9.1f} us"
        )
    if comm.rank == 0:
        print("\n".join(lines))


if __name__ == "__main__":
    main()
