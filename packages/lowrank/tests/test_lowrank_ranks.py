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
    from lowrank.oialr.decompose import Decompositions

    comm = world()
    _, controller = trained(comm, steps=0)
    svds = Decompositions(controller.targets, comm)
    mine = set(svds._mine)
    everyone = comm.handle.allgather(mine)
    assert set.union(*everyone) == {t.name for t in controller.targets}
    assert not set.intersection(*everyone)
    assert all(everyone)
