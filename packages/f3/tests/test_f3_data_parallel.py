"""Data parallelism against one process with the joined batch, and stores over ranks."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import f3
from f3.distributed import ShardedStore
from mpi_utils import Communicator, world


@pytest.fixture
def comm() -> Communicator:
    return world()


def parts(comm, data, size: int = 12, epochs: int = 3):
    for x, t, ids in data.batches(size, epochs):
        mine = slice(comm.rank, None, comm.size)
        yield (x, t, ids), (x[mine], t[mine], ids[mine])


@pytest.mark.parallel([1, 2, 3])
@pytest.mark.parametrize("kind", ["dense", "scalar", "sharded", "dfa", "bp"])
def test_parts_of_a_batch_train_as_the_whole(comm, data, mlp, learner, kind) -> None:
    def make(store: str) -> f3.Learner:
        factory = lambda p: torch.optim.Adam(p, lr=1e-2)
        if kind == "bp":
            return learner(mlp(), mode="bp", optimizer=factory)
        if kind == "dfa":
            return learner(mlp(), f3.CurrentError(), optimizer=factory)
        if store == "sharded":
            error = f3.DelayedError(store=ShardedStore(comm, 60, 4))
        else:
            error = f3.DelayedError(60, one_hot=kind == "scalar")
        return learner(mlp(), error, optimizer=factory)

    whole, shared = make("dense"), make(kind)
    parallel = f3.DataParallel(shared, comm, shuffle="global")
    for everything, mine in parts(comm, data):
        whole.step(*everything)
        parallel.step(*mine)
    for a, b in zip(whole.model.parameters(), shared.model.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-4)
    if kind in {"dense", "scalar", "sharded"}:
        found, expected = (one.source.store.read(data.ids)[0] for one in (shared, whole))
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    assert parallel.reducer.bytes_sent > 0


@pytest.mark.parallel([2])
@pytest.mark.parametrize("shuffle", ["shard", "global"])
def test_fit_deals_out_the_samples(comm, data, mlp, learner, shuffle) -> None:
    learn = learner(mlp(), f3.DelayedError(60))
    parallel = f3.DataParallel(learn, comm, shuffle=shuffle)
    history = parallel.fit(f3.TensorBatches(data.x, data.t, 10), 4)
    assert len(history) == 4
    assert history["loss"][-1] < history["loss"][0]
    weights = comm.allgather(learn.model[0][0].weight.detach())
    assert torch.equal(weights[0], weights[1])
    seen = torch.tensor(int(learn.source.store.read(data.ids)[1].sum()))
    assert int(seen) == (60 if shuffle == "global" else 30)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(data.x, data.t), 10)
    assert len(parallel.fit(loader, 5)) == 1
    with pytest.raises(ValueError, match="can't be divided"):
        parallel.fit(f3.TensorBatches(data.x, data.t, 9), 6)


@pytest.mark.parallel([2, 3])
def test_a_bad_part_is_an_error_on_all_ranks(comm, data, mlp, learner) -> None:
    parallel = f3.DataParallel(learner(mlp(), f3.DelayedError(60)), comm)
    parallel.step(data.x, data.t, data.ids)
    before = parallel.learner.model[0][0].weight.clone()
    ids = data.ids.clone()
    ids[0] = -1 if comm.rank == comm.size - 1 else 0
    with pytest.raises(IndexError, match="from 0 to 59"):
        parallel.step(data.x, data.t, ids)
    assert torch.equal(parallel.learner.model[0][0].weight, before)


@pytest.mark.parallel([1, 2, 3])
def test_a_sharded_store_is_a_dense_one(comm) -> None:
    generator = torch.Generator().manual_seed(0)
    dense, sharded = f3.DenseStore(11, 3), ShardedStore(comm, 11, 3)
    for _ in range(3):
        ids = torch.randperm(11, generator=generator)
        rows = torch.randn(11, 3, generator=generator)
        mine = slice(comm.rank, None, comm.size)
        dense.write(ids, rows)
        sharded.write(sharded.check(ids[mine], len(ids[mine])), rows[mine])
    everything = torch.arange(11)
    for a, b in zip(dense.read(everything), sharded.read(everything), strict=True):
        assert torch.equal(a, b)
    assert sharded.nbytes <= -(-dense.nbytes // comm.size) + 13
    copy = f3.DenseStore(11, 3)
    copy.load_state_dict(sharded.state_dict())
    assert torch.equal(copy.read(everything)[0], dense.read(everything)[0])
    again = ShardedStore(comm, 11, 3)
    again.load_state_dict(dense.state_dict())
    assert torch.equal(again.read(everything)[0], dense.read(everything)[0])


@pytest.mark.parallel([4])
def test_pipelines_side_by_side_train_as_the_joined_batch(comm, data, mlp, learner) -> None:
    pipe, replica = comm.split(comm.rank // 2), comm.split(comm.rank % 2)
    assert pipe is not None and replica is not None
    factory = lambda p: torch.optim.SGD(p, lr=0.1)
    whole = learner(mlp(depth=3), f3.DelayedError(60), optimizer=factory)
    part = learner(mlp(depth=3), f3.DelayedError(60), optimizer=factory)
    pipeline = f3.Pipeline(part, pipe, cuts=[2], replicas=replica)
    order = [torch.arange(60)[k::5] for k in range(5)] * 3  # each sample stays with its replica
    mine = [ids[comm.rank // 2 :: 2] for ids in order]
    for ids in order:
        whole.step(data.x[ids], data.t[ids], ids)
    pipeline.epoch((ids, data.x[ids], data.t[ids]) for ids in mine)
    pipeline.gather()
    for a, b in zip(whole.model.parameters(), part.model.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)
    assert isinstance(part.model[0], nn.Sequential)
