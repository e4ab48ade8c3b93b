"""What MPI packages share on top of mpi4py: arrays, nodes, errors on all ranks, progress."""

from mpi_utils._version import __version__
from mpi_utils.communicator import Communicator, world
from mpi_utils.errors import (
    CollectiveMismatchError,
    RemoteError,
    abort_on_exception,
    agree,
    collective,
)
from mpi_utils.reporting import get_logger, is_rank_zero, progress, rank_zero
from mpi_utils.requests import Request, waitall
from mpi_utils.runtime import MPIUnavailableError
from mpi_utils.seeds import spawn_seeds
from mpi_utils.topology import NodeMap, Topology
from mpi_utils.traffic import TrafficCounter, traffic

__all__ = [
    "CollectiveMismatchError",
    "Communicator",
    "MPIUnavailableError",
    "NodeMap",
    "RemoteError",
    "Request",
    "Topology",
    "TrafficCounter",
    "__version__",
    "abort_on_exception",
    "agree",
    "collective",
    "get_logger",
    "is_rank_zero",
    "progress",
    "rank_zero",
    "spawn_seeds",
    "traffic",
    "waitall",
    "world",
]
