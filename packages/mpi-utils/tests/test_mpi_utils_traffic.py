"""What the traffic counter counts, and what a dropped request says."""

from __future__ import annotations

import gc
import os
import warnings

import numpy as np
import pytest
import torch

from mpi_utils import Communicator, Topology, requests, runtime, traffic


@pytest.mark.parallel([1, 4])
def test_messages_and_bytes_by_operation_and_link(comm: Communicator) -> None:
    x, rows = np.ones(4), np.ones((comm.size, 2), np.float32)
    right, left = (comm.rank + 1) % comm.size, (comm.rank - 1) % comm.size
    with traffic(comm, ranks_per_node=2) as sent:
        comm.allreduce(x)
        comm.iallreduce(torch.ones(2, dtype=torch.bfloat16)).wait()  # travels as float32
        comm.bcast(x)
        comm.barrier()
        comm.alltoall(rows)
        comm.alltoallv(rows, [1] * comm.size)
        comm.sendrecv(x, right, np.empty(4), left)
        comm.gather(x)
        comm.scatter(rows, out=np.empty(2, np.float32))
        if comm.rank == 0 and comm.size > 1:
            comm.send(x, 1)
        elif comm.rank == 1:
            comm.recv(x, 0)
    comm.allreduce(x)  # no longer counted
    link, other = ("inter", "intra") if comm.size > 2 else ("intra", "inter")
    assert sent.messages("allreduce", link) == 2
    assert sent.bytes("allreduce") == 4 * 8 + 2 * 4
    assert sent.messages("allreduce", other) == 0
    assert sent.bytes("bcast") == (32 if comm.rank == 0 else 0)
    assert sent.messages("barrier") == sent.messages("recv") == 0
    if comm.size == 1:
        assert sent.messages() == 3  # two reductions and a broadcast; nothing else left the rank
        return
    for name in ("alltoall", "alltoallv"):
        assert sent.table[name, "intra"] == (1, 8)  # one neighbour on the node
        assert sent.table[name, "inter"] == (2, 16)
    assert sent.bytes("exchange", "inter" if comm.rank % 2 else "intra") == 32
    assert sent.bytes("gather", "inter") == (32 if comm.rank > 1 else 0)
    assert sent.bytes("scatter") == (24 if comm.rank == 0 else 0)
    assert sent.table.get(("send", "intra"), (0, 0)) == ((1, 32) if comm.rank == 0 else (0, 0))


@pytest.mark.parallel([4])
def test_hierarchical_sums_cross_the_nodes_less(comm: Communicator) -> None:
    topology = Topology(comm, ranks_per_node=2)
    x = torch.ones(1000)
    with traffic(comm, ranks_per_node=2) as sent:
        topology.node.reduce(x, out=x if topology.is_leader else None)
        if topology.is_leader:
            topology.cross.allreduce(x, out=x)
        topology.node.bcast(x)
    assert x[0] == 4
    assert sent.bytes(link="inter") == (4000 if topology.is_leader else 0)
    assert sent.messages("reduce", "intra") == 1
    topology.free()


@pytest.mark.parallel([1, 2])
def test_a_dropped_request_warns_and_keeps_its_memory(comm: Communicator) -> None:
    buffer = np.zeros(4)
    peer = (comm.rank + 1) % comm.size
    kept = len(requests._abandoned)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        comm.handle.barrier()
        request = comm.irecv(buffer, peer, tag=5)
        del request
        gc.collect()
    assert [w.category for w in caught] == [ResourceWarning]
    assert "recv was dropped before it was complete" in str(caught[0].message)
    assert len(requests._abandoned) == kept + 1
    comm.isend(np.ones(4), peer, tag=5).wait()
    requests._abandoned[-1][1][0].Wait()
    assert buffer.tolist() == [1.0] * 4


def test_gpu_awareness_is_what_the_user_says(monkeypatch: pytest.MonkeyPatch) -> None:
    ask = runtime.is_gpu_aware.__wrapped__
    for setting, answer in (("1", True), ("0", False)):
        monkeypatch.setenv("MPI_UTILS_GPU_AWARE", setting)
        assert ask() is answer
    monkeypatch.setenv("MPI_UTILS_GPU_AWARE", "yes")
    with pytest.raises(ValueError, match="must be 0, 1 or auto"):
        ask()
    monkeypatch.setenv("MPI_UTILS_GPU_AWARE", "auto")
    assert ask() in {True, False}
    assert os.environ["MPI_UTILS_GPU_AWARE"] == "auto"
