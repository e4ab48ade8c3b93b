"""Which ranks share a node, and which cores and devices are theirs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mpi_utils.communicator import Communicator
from mpi_utils.runtime import load_mpi

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class NodeMap:
    """Where every rank lives, as plain data.

    Attributes
    ----------
    node_of : tuple of int
        Node index of each rank; nodes are numbered by their lowest rank.
    """

    node_of: tuple[int, ...]

    @classmethod
    def from_labels(cls, labels: Sequence[Any]) -> NodeMap:
        """Ranks with equal labels share a node."""
        numbers: dict[Any, int] = {}
        return cls(tuple(numbers.setdefault(label, len(numbers)) for label in labels))

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(set(self.node_of))

    @property
    def is_uniform(self) -> bool:
        """Whether all nodes have equally many ranks."""
        return len({self.node_of.count(node) for node in set(self.node_of)}) == 1


class Topology:
    """The ranks of a communicator, sorted by node. Creating one is collective.

    Parameters
    ----------
    comm : Communicator
    ranks_per_node : int, optional
        Cut the ranks into emulated nodes of this size instead of asking which share memory; the
        environment variable ``MPI_UTILS_RANKS_PER_NODE`` does the same for a whole program.

    Attributes
    ----------
    node : Communicator
        The ranks of this node.
    cross : Communicator
        The ranks with the same position in their nodes, one a node.
    node_rank, node_size : int
        This rank's position in its node, and the number of ranks there.
    node_index, n_nodes : int
        This node's number, and how many there are.
    is_leader : bool
        Whether this is the first rank of its node.
    is_uniform : bool
        Whether all nodes have equally many ranks.
    map : NodeMap
        The node of every rank.
    """

    def __init__(self, comm: Communicator, *, ranks_per_node: int | None = None) -> None:
        if ranks_per_node is None:
            ranks_per_node = int(os.environ.get("MPI_UTILS_RANKS_PER_NODE", "0")) or None
        if ranks_per_node is not None and ranks_per_node < 1:
            raise ValueError(f"ranks_per_node must be positive, got {ranks_per_node}")
        shared = comm.handle.Split_type(load_mpi().COMM_TYPE_SHARED, comm.rank)
        affinity = shared.allgather(_usable_cores())
        lowest = shared.bcast(comm.rank)
        self._local_rank: int = shared.Get_rank()
        shared.Free()
        self._cores_per_rank = max(1, len(set().union(*affinity)) // len(affinity))
        label = lowest if ranks_per_node is None else comm.rank // ranks_per_node
        self.map = NodeMap.from_labels(comm.handle.allgather(label))
        self.node_index = self.map.node_of[comm.rank]
        self.n_nodes = self.map.n_nodes
        self.is_uniform = self.map.is_uniform
        self.node = _part(comm, self.node_index)
        self.node_rank = self.node.rank
        self.node_size = self.node.size
        self.is_leader = self.node_rank == 0
        self.cross = _part(comm, self.node_rank)

    def local_device(self) -> torch.device:
        """The device of this rank: CUDA devices go by position on the real node; else the CPU."""
        import torch

        if not torch.cuda.is_available():
            return torch.device("cpu")
        return torch.device("cuda", self._local_rank % torch.cuda.device_count())

    def set_threads(self) -> int:
        """Give torch and OpenMP this rank's share of the node's cores, and return it.

        Leaves everything alone where the user has set ``OMP_NUM_THREADS``. Libraries that start
        their threads on import must be imported later; torch may be there already.
        """
        if "OMP_NUM_THREADS" in os.environ:
            return int(os.environ["OMP_NUM_THREADS"].split(",")[0])
        os.environ["OMP_NUM_THREADS"] = str(self._cores_per_rank)
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(self._cores_per_rank)
        return self._cores_per_rank

    def free(self) -> None:
        """Free the communicators of this topology. Collective."""
        self.node.free()
        self.cross.free()


def _part(comm: Communicator, color: int) -> Communicator:
    part = comm.split(color, comm.rank)
    assert part is not None  # only a color of None gives None
    return part


def _usable_cores() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))
