"""Nodes, devices, threads, and communicators of a part of the ranks."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch

from mpi_utils import Communicator, NodeMap, Topology


def test_node_map_numbers_nodes_by_their_lowest_rank() -> None:
    nodes = NodeMap.from_labels(["b", "a", "b", "a", "c"])
    assert nodes.node_of == (0, 1, 0, 1, 2)
    assert nodes.n_nodes == 3
    assert not nodes.is_uniform
    assert NodeMap.from_labels("xyyx").is_uniform


@pytest.mark.parallel([1, 2, 3, 4, 7])
def test_the_ranks_of_this_machine_share_a_node(comm: Communicator) -> None:
    topology = Topology(comm)
    assert topology.n_nodes == 1
    assert topology.node_index == 0
    assert (topology.node_rank, topology.node_size) == (comm.rank, comm.size)
    assert topology.is_leader == (comm.rank == 0)
    assert topology.cross.size == 1
    topology.free()


@pytest.mark.parallel([1, 2, 3, 4, 7])
@pytest.mark.parametrize("source", ["argument", "environment"])
def test_emulated_nodes(comm: Communicator, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if source == "environment":
        monkeypatch.setenv("MPI_UTILS_RANKS_PER_NODE", "2")
    topology = Topology(comm, ranks_per_node=2 if source == "argument" else None)
    assert topology.n_nodes == (comm.size + 1) // 2
    assert topology.node_index == comm.rank // 2
    assert topology.node_rank == comm.rank % 2
    assert topology.is_leader == (comm.rank % 2 == 0)
    assert topology.is_uniform == (comm.size % 2 == 0 or comm.size == 1)
    mates = [rank for rank in range(comm.size) if rank // 2 == comm.rank // 2]
    peers = [rank for rank in range(comm.size) if rank % 2 == comm.rank % 2]
    me = np.array(comm.rank)
    assert topology.node.allgather(me).tolist() == mates
    assert topology.cross.allgather(me).tolist() == peers
    assert topology.cross.rank == topology.node_index
    topology.free()


@pytest.mark.parallel([1])
def test_nodes_need_a_positive_number_of_ranks(comm: Communicator) -> None:
    with pytest.raises(ValueError, match="positive"):
        Topology(comm, ranks_per_node=-1)


@pytest.mark.parallel([1, 2])
def test_threads_are_this_ranks_share_of_the_cores(
    comm: Communicator, monkeypatch: pytest.MonkeyPatch
) -> None:
    topology = Topology(comm)
    monkeypatch.setenv("OMP_NUM_THREADS", "3,2")
    assert topology.set_threads() == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    before = torch.get_num_threads()
    try:
        share = max(1, len(os.sched_getaffinity(0)) // comm.size)
        assert topology.set_threads() == share
        assert torch.get_num_threads() == share
        assert os.environ["OMP_NUM_THREADS"] == str(share)
    finally:
        torch.set_num_threads(before)
        topology.free()


@pytest.mark.parallel([1, 2])
def test_devices_are_dealt_out_on_the_node(
    comm: Communicator, monkeypatch: pytest.MonkeyPatch
) -> None:
    topology = Topology(comm, ranks_per_node=1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert topology.local_device() == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert topology.local_device() == torch.device("cuda", comm.rank)  # the real node's rank
    topology.free()


@pytest.mark.parallel([1, 2, 3, 4])
def test_split_and_free(comm: Communicator) -> None:
    part = comm.split(comm.rank % 2 if comm.rank < 3 else None, -comm.rank)
    if comm.rank == 3:
        assert part is None
        return
    assert part is not None
    members = [rank for rank in range(min(3, comm.size)) if rank % 2 == comm.rank % 2]
    assert part.root_ranks() == members[::-1]
    assert part.allreduce(np.array(1)) == part.size == len(members)
    assert repr(part) == f"Communicator(rank={part.rank}, size={part.size})"
    part.free()
    part.free()  # a second time is harmless


@pytest.mark.parallel([1, 2])
def test_a_communicator_without_a_duplicate_is_the_users(comm: Communicator) -> None:
    borrowed = Communicator(comm.handle, duplicate=False)
    assert borrowed.handle is comm.handle
    borrowed.free()
    comm.barrier()
