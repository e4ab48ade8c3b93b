"""Groups of MPI ranks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from torch import Tensor

from daso.group import Group, Pending
from daso.topology import Topology
from daso.transport.base import Courier, Transport

if TYPE_CHECKING:
    import mpi_utils

__all__ = ["MPIGroup", "mpi_transport"]

logger = logging.getLogger(__name__)


class _MPIPending(Pending):
    """A request. Waiting polls it, which drives MPI's progress and knows a deadline."""

    def __init__(self, request: mpi_utils.Request[Any]) -> None:
        self.request = request

    def test(self) -> bool:
        return self.request.test()


class MPIGroup(Group):
    """The ranks of a communicator.

    Parameters
    ----------
    comm : mpi_utils.Communicator
    """

    def __init__(self, comm: mpi_utils.Communicator) -> None:
        self.comm, self.rank, self.size = comm, comm.rank, comm.size

    def allreduce(self, x: Tensor, op: str = "sum") -> Pending:  # noqa: D102 - see the base
        return _MPIPending(self.comm.iallreduce(x, op, out=x))

    def allgather(self, out: Tensor, x: Tensor) -> Pending:  # noqa: D102
        return _MPIPending(self.comm.iallgather(x, out=out))

    def alltoall(self, out: Tensor, x: Tensor) -> Pending:  # noqa: D102
        return _MPIPending(self.comm.ialltoall(x, out=out))

    def bcast(self, x: Tensor, root: int = 0) -> Pending:  # noqa: D102
        return _MPIPending(self.comm.ibcast(x, root))


def mpi_transport(
    topology: Topology | None = None, comm: mpi_utils.Communicator | None = None
) -> Transport:
    """The groups of this rank in an MPI job. Collective.

    Parameters
    ----------
    topology : Topology, optional
        Default: ranks that share memory share a node.
    comm : mpi_utils.Communicator, optional
        Default: all ranks of the job.
    """
    import mpi_utils
    from mpi_utils.runtime import load_mpi

    MPI = load_mpi()
    comm = mpi_utils.world() if comm is None else comm
    topology = Topology.from_mpi(comm) if topology is None else topology
    world = mpi_utils.Communicator(comm.handle)
    node = world.split(topology.node, world.rank)
    cross = world.split(topology.local_rank if topology.peers else None, world.rank)
    assert node is not None
    threaded = MPI.Query_thread() == MPI.THREAD_MULTIPLE
    if not threaded:
        logger.warning(
            "this MPI library was started without MPI_THREAD_MULTIPLE: exchanges progress only in "
            "between layers and steps; see opt.stats for the waits that this leaves"
        )

    def free() -> None:
        if not MPI.Is_finalized():
            for part in (cross, node, world):
                if part is not None:
                    part.free()

    return Transport(
        topology,
        world=MPIGroup(world),
        node=MPIGroup(node),
        cross=None if cross is None else MPIGroup(cross),
        courier=Courier(threaded=threaded),
        free=free,
        install_abort=mpi_utils.abort_on_exception,
    )
