"""Which ranks share a node."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import torch

__all__ = ["Topology"]


@dataclass(frozen=True)
class Topology:
    """Where every rank lives, seen from one of them. Any placement of ranks will do.

    Attributes
    ----------
    rank : int
        This rank in the world.
    node_of : tuple of int
        The node of every rank; nodes are numbered by their lowest rank.
    """

    rank: int
    node_of: tuple[int, ...]

    # ------------------------------------------------------------------ making one

    @classmethod
    def from_table(cls, rank: int, labels: Sequence[Any]) -> Self:
        """Ranks with equal labels share a node."""
        if not 0 <= rank < len(labels):
            raise ValueError(f"there is no rank {rank} among {len(labels)} ranks")
        numbers: dict[Any, int] = {}
        return cls(rank, tuple(numbers.setdefault(label, len(numbers)) for label in labels))

    @classmethod
    def single(cls) -> Self:
        """One process."""
        return cls(0, (0,))

    @classmethod
    def from_mpi(cls, comm: Any = None) -> Self:
        """The nodes of an MPI job: ranks that share memory. Collective.

        Parameters
        ----------
        comm : mpi_utils.Communicator, optional
            Default: all ranks. ``DASO_RANKS_PER_NODE`` (or ``MPI_UTILS_RANKS_PER_NODE``) emulates
            nodes of so many ranks.
        """
        import mpi_utils

        comm = mpi_utils.world() if comm is None else comm
        nodes = mpi_utils.Topology(comm, ranks_per_node=_emulated())
        node_of = nodes.map.node_of
        nodes.free()
        return cls(comm.rank, node_of)

    @classmethod
    def from_env(cls) -> Self:
        """The nodes of a job of torchrun or Slurm, from its environment variables.

        torchrun places ranks in blocks of LOCAL_WORLD_SIZE. Slurm's tasks are taken as placed in
        blocks (``--distribution=block``).

        Raises
        ------
        RuntimeError
            If there are no such variables.
        """
        env = os.environ
        if "RANK" in env and "WORLD_SIZE" in env:
            size, per_node = int(env["WORLD_SIZE"]), env.get("LOCAL_WORLD_SIZE")
            rank = int(env["RANK"])
            return cls.from_table(rank, _blocks(size, _emulated() or int(per_node or size)))
        if "SLURM_PROCID" in env and "SLURM_NTASKS" in env:
            counts = _slurm_counts(env.get("SLURM_TASKS_PER_NODE", env["SLURM_NTASKS"]))
            labels = [node for node, count in enumerate(counts) for _ in range(count)]
            size = int(env["SLURM_NTASKS"])
            labels = _blocks(size, _emulated() or 0) if _emulated() else labels[:size]
            return cls.from_table(int(env["SLURM_PROCID"]), labels)
        raise RuntimeError(
            "neither torchrun's variables (RANK, WORLD_SIZE) nor Slurm's (SLURM_PROCID, "
            "SLURM_NTASKS) are set: start the program with torchrun, srun or mpirun"
        )

    @classmethod
    def from_device_mesh(cls, mesh: Any, *, global_dim: int | str = 0) -> Self:
        """The nodes along one dimension of a mesh of torch.distributed; the others are local."""
        names = mesh.mesh_dim_names or ()
        dim = names.index(global_dim) if isinstance(global_dim, str) else global_dim
        table = mesh.mesh.movedim(dim, 0).reshape(mesh.mesh.shape[dim], -1)
        labels = [0] * table.numel()
        for node, ranks in enumerate(table.tolist()):
            for rank in ranks:
                labels[rank] = node
        return cls.from_table(mesh.get_rank(), labels)

    @classmethod
    def detect(cls) -> Self:
        """The nodes of this job. Collective.

        An initialised MPI world of several ranks, then the variables of torchrun and Slurm, then
        MPI if a launcher has started this process, else one process.
        """
        if is_mpi_job():
            return cls.from_mpi()
        try:
            return cls.from_env()
        except RuntimeError:
            return cls.single()

    # ------------------------------------------------------------------ questions

    @property
    def size(self) -> int:
        """Number of ranks."""
        return len(self.node_of)

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(set(self.node_of))

    @property
    def node(self) -> int:
        """The node of this rank."""
        return self.node_of[self.rank]

    def ranks_of(self, node: int) -> tuple[int, ...]:
        """The ranks of a node."""
        return tuple(rank for rank, other in enumerate(self.node_of) if other == node)

    @property
    def local_ranks(self) -> tuple[int, ...]:
        """The ranks of this node."""
        return self.ranks_of(self.node)

    @property
    def local_rank(self) -> int:
        """The place of this rank in its node."""
        return self.local_ranks.index(self.rank)

    @property
    def local_size(self) -> int:
        """Number of ranks of this node."""
        return len(self.local_ranks)

    @property
    def stripes(self) -> int:
        """Ranks of the smallest node: so many can take part in a global synchronisation."""
        return min(self.node_of.count(node) for node in set(self.node_of))

    @property
    def peers(self) -> tuple[int, ...]:
        """The ranks of equal place on all nodes; empty beyond the number of stripes."""
        if self.local_rank >= self.stripes:
            return ()
        return tuple(self.ranks_of(node)[self.local_rank] for node in range(self.n_nodes))

    @property
    def is_uniform(self) -> bool:
        """Whether all nodes have equally many ranks."""
        return len({self.node_of.count(node) for node in set(self.node_of)}) == 1

    def device(self) -> torch.device:
        """The GPU of this rank, or the CPU."""
        import torch

        if not torch.cuda.is_available():
            return torch.device("cpu")
        return torch.device("cuda", self.local_rank % torch.cuda.device_count())

    def describe(self) -> str:
        """One line a node."""
        lines = [f"{self.size} ranks on {self.n_nodes} nodes, {self.stripes} stripes"]
        for node in range(self.n_nodes):
            ranks = ", ".join(map(str, self.ranks_of(node)))
            lines += [f"  node {node}: ranks {ranks}"]
        return "\n".join(lines)


def is_mpi_job() -> bool:
    """Whether this process is one of several ranks of an MPI job."""
    MPI: Any = sys.modules.get("mpi4py.MPI")
    if MPI is not None and MPI.Is_initialized():
        return bool(MPI.COMM_WORLD.size > 1)
    return any(int(os.environ.get(name, "1")) > 1 for name in ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE"))


def _emulated() -> int | None:
    return int(os.environ.get("DASO_RANKS_PER_NODE") or "0") or None


def _blocks(size: int, per_node: int) -> list[int]:
    return [rank // per_node for rank in range(size)]


def _slurm_counts(text: str) -> list[int]:
    """Read "2(x3),1" as [2, 2, 2, 1]."""
    counts: list[int] = []
    for part in text.split(","):
        count, _, times = part.partition("(x")
        counts += [int(count)] * int(times.rstrip(")") or 1)
    return counts
