"""Several MPI ranks share the work of an update and stay equal; an error reaches all."""

import numpy as np
import pytest
import torch
from torch import nn

import lowrank
from mpi_utils import world


def trained(comm, steps: int = 24, **changes: object):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(24, 32), nn.Tanh(), nn.Unflatten(1, (4, 8)), nn.Conv1d(4, 6, 3, groups=2),
        nn.Flatten(), nn.Linear(36, 20), nn.Tanh(), nn.Linear(20, 3),
    )  # fmt: skip
    x, y = torch.randn(40, 24), torch.randint(0, 3, (40,))
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    config = lowrank.OIALRConfig(
        total_steps=60, delay=6, frequency=6, cutoff=0.3, layer_fraction=0.5, convert="at_delay",
        **changes,
    )  # fmt: skip
    controller = lowrank.OIALR(model, optimizer, config, comm=comm)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model, controller


@pytest.mark.parallel([2, 3, 4])
def test_ranks_stay_equal_bit_for_bit() -> None:
    comm = world()
    model, controller = trained(comm, fold_at=20)
    alone, _ = trained(None, fold_at=20)
    assert [x.form for x in lowrank.report(model).layers] == ["ab"] * 3 + ["dense"]
    for (name, ours), theirs in zip(
        model.state_dict().items(), alone.state_dict().values(), strict=True
    ):
        everyone = comm.allgather(ours.numpy() if ours.dim() else ours.reshape(1).numpy())
        assert all(np.array_equal(everyone[0], x) for x in everyone), name
        assert torch.equal(ours, theirs), name
    ranks = comm.handle.allgather([record["rank"] for record in controller.history])
    assert all(r == ranks[0] for r in ranks)


@pytest.mark.parallel(2)
def test_nan_on_one_rank_is_an_error_on_all() -> None:
    comm = world()
    _, controller = trained(comm, steps=0)
    if comm.rank == 1:
        with torch.no_grad():
            for target in controller.targets:
                target.module.weight.fill_(torch.nan)
    with pytest.raises(lowrank.NonFiniteWeightError, match="diverged"):
        controller.update_now()


@pytest.mark.parallel(2)
def test_work_is_spread() -> None:
    """Each rank decomposes about half of the layers."""
    from lowrank.decompose import Decompositions
    from lowrank.parallel.ledger import Ledger, Metered

    comm = world()
    _, controller = trained(comm, steps=0)
    svds = Decompositions(controller.targets, Metered(comm, Ledger()))
    mine = set(svds._mine)
    everyone = comm.handle.allgather(mine)
    assert set.union(*everyone) == {t.name for t in controller.targets}
    assert not set.intersection(*everyone)
    assert all(everyone)


@pytest.mark.parallel([2, 3])
@pytest.mark.parametrize("bucket_mb", [25.0, 1e-4])
def test_ranks_train_as_one_process_with_the_whole_batch(bucket_mb: float) -> None:
    comm = world()
    parts = 12 * comm.size
    generator = torch.Generator().manual_seed(1)
    x, y = (
        torch.randn(30, parts, 16, generator=generator),
        torch.randn(30, parts, 3, generator=generator),
    )

    def fresh(seed: int):
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(16, 24), nn.Tanh(), nn.Linear(24, 24), nn.Linear(24, 3))
        return model, torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)

    def train(model, optimizer, mine: slice, comm=None) -> None:
        config = lowrank.OIALRConfig(
            total_steps=30, delay=5, frequency=5, cutoff=0.3, layer_fraction=1, convert="at_delay"
        )
        lowrank.OIALR(model, optimizer, config, comm=comm)
        for xs, ys in zip(x, y, strict=True):
            optimizer.zero_grad()
            (model(xs[mine]) - ys[mine]).square().mean().backward()
            optimizer.step()

    model, optimizer = fresh(comm.rank)
    averager = lowrank.GradientAverager(model, optimizer, comm, bucket_mb=bucket_mb)
    train(model, optimizer, slice(comm.rank * 12, (comm.rank + 1) * 12), comm)
    alone, its_optimizer = fresh(0)
    train(alone, its_optimizer, slice(None))
    for ours, theirs in zip(model.parameters(), alone.parameters(), strict=True):
        assert ours.shape == theirs.shape
        everyone = comm.allgather(ours.detach())
        assert all(torch.equal(everyone[0], other) for other in everyone)
    torch.testing.assert_close(
        lowrank.merge(model)(x[0]), lowrank.merge(alone)(x[0]), rtol=1e-3, atol=1e-4
    )
    assert averager.payload_bytes < 30 * 4 * sum(p.numel() for p in fresh(0)[0].parameters())


@pytest.mark.parallel(2)
def test_missing_gradients_and_small_payloads() -> None:
    comm = world()
    model = nn.ModuleList([nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)])
    optimizer = torch.optim.SGD(model.parameters(), 1.0)
    averager = lowrank.GradientAverager(model, optimizer, comm, payload_dtype=torch.bfloat16)
    before = [layer.weight.detach().clone() for layer in model]
    model[comm.rank].weight.sum().backward()  # each rank reaches one layer only
    optimizer.step()
    for layer, old in zip(model, before, strict=True):
        torch.testing.assert_close(layer.weight, old - 0.5)
    assert averager.payload_bytes == 2 * 18


@pytest.fixture
def group(tmp_path_factory):
    """A process group of torch over the ranks of MPI."""
    from torch import distributed

    comm = world()
    folder = comm.handle.bcast(str(tmp_path_factory.mktemp("gloo")))
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=comm.rank, world_size=comm.size
    )
    yield lowrank.TorchDistributed()
    distributed.destroy_process_group()


@pytest.mark.parallel([2, 3])
def test_torch_distributed_does_what_mpi_does(group) -> None:
    from lowrank.parallel.communicators import node_of_ranks, together

    comm, size = world(), world().size
    assert (group.rank, group.size) == (comm.rank, size)
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        x = torch.arange(6.0).to(dtype) + comm.rank
        assert torch.equal(group.bcast(x.clone(), size - 1), torch.arange(6.0).to(dtype) + size - 1)
        rows = torch.arange(4.0 * size).reshape(size, 4).to(dtype) + 100 * comm.rank
        assert torch.equal(group.ialltoall(rows).wait(), comm.alltoall(rows))
        assert torch.equal(group.iallgather(x).wait(), comm.allgather(x))
    x = torch.arange(6.0) + comm.rank
    assert torch.equal(group.iallreduce(x).wait(), comm.allreduce(x))
    assert torch.equal(x, torch.arange(6.0) + comm.rank)
    part = group.split(comm.rank % 2)
    assert part is not None
    assert part.share(comm.rank) == list(range(comm.rank % 2, size, 2))
    nested = part.split(0)
    assert nested is not None
    assert nested.share(comm.rank) == part.share(comm.rank)
    assert group.split(None if comm.rank else 0) is None or comm.rank == 0
    assert node_of_ranks(group) == (0,) * size

    def fail() -> None:
        with together(group):
            if comm.rank == 1:
                raise KeyError("missing")

    with pytest.raises(KeyError, match="missing"):
        fail()


@pytest.mark.parallel([2, 3])
def test_ab_training_over_torch_distributed_is_that_over_mpi(group) -> None:
    comm = world()

    def train(over) -> tuple[nn.Module, lowrank.ABTraining]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(10, 16), nn.Tanh(), nn.Linear(16, 16), nn.Linear(16, 2))
        optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
        config = lowrank.ABConfig(
            total_steps=20, warmup=4, period=8, dense=2, cutoff=0.3, keep_first=False,
            payload_dtype=torch.bfloat16,
        )  # fmt: skip
        controller = lowrank.ABTraining(model, optimizer, config, comm=over)
        generator = torch.Generator().manual_seed(comm.rank)
        for _ in range(20):
            x = torch.randn(8, 10, generator=generator)
            optimizer.zero_grad()
            (model(x) - x[:, :2]).square().mean().backward()
            optimizer.step()
        return model, controller

    model, controller = train(group)
    other, its_controller = train(comm)
    for ours, theirs in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-2, atol=1e-3)
    assert controller.ledger.total("sent") == its_controller.ledger.total("sent")
