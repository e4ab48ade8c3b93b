"""DLRT: the integrator against the dense flow, the schedule, ranks, checkpoints."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import lowrank
from lowrank.dlrt.config import tail_rule
from lowrank.dlrt.integrator import (
    augmented,
    core_gradient,
    new_directions,
    probe,
    probed,
)
from lowrank.linalg import USV, thin_svd
from lowrank.nn import Factored
from lowrank.optimizer_state import Grown, StateMap
from lowrank.parallel import run_virtual
from lowrank.ranks import RankLimits, Spectrum, propose_ranks
from lowrank.views import MatrixView
from mpi_utils import world


def low_rank(m: int, n: int, s: list[float], *batch: int, seed: int = 0) -> USV:
    generator = torch.Generator().manual_seed(seed)
    svd = thin_svd(torch.randn(*batch, m, n, generator=generator, dtype=torch.float64))
    values = torch.tensor(s, dtype=torch.float64).expand(*batch, -1)
    return USV(svd.U[..., : len(s)], torch.diag_embed(values), svd.V[..., : len(s), :])


def integrate(weight: USV, gradient, h: float, steps: int, tolerance: float) -> list[USV]:
    """The flow ``dW/dt = -gradient(W)``, each step with one Euler step of K, L and S."""
    path = [weight]
    for _ in range(steps):
        G = gradient(weight.product())
        count = min(weight.S.shape[-1], min(G.shape) - weight.S.shape[-1])
        left = new_directions(weight.U, G @ weight.V.mT, count)
        right = new_directions(weight.V.mT, (weight.U.mT @ G).mT, count)
        U, S, V = augmented(weight, left, right)
        S = S - h * U.mT @ gradient(U @ S @ V) @ V.mT
        core = thin_svd(S)
        spectrum = Spectrum("", core.s, MatrixView(tuple(G.shape)), len(core.s))
        rank = propose_ranks(tail_rule(tolerance), RankLimits(1, 0.999999), [spectrum])[""]
        P, s, Q = core.truncated(rank)
        weight = USV(U @ P, torch.diag_embed(s), Q @ V)
        path.append(weight)
    return path


def euler(W: torch.Tensor, gradient, h: float, steps: int) -> list[torch.Tensor]:
    path = [W]
    for _ in range(steps):
        path.append(path[-1] - h * gradient(path[-1]))
    return path


def test_the_integrator_follows_the_dense_flow() -> None:
    """To a target of rank 3 from rank 2: ranks adapt, and the path is that of the full weight."""
    wanted = low_rank(14, 10, [4.0, 2.0, 1.0], seed=1).product()
    start = low_rank(14, 10, [1.0, 0.5])

    def gradient(W: torch.Tensor) -> torch.Tensor:
        return W - wanted

    errors = []
    for h in (0.04, 0.02, 0.01):
        steps = round(6 / h)
        dense = euler(start.product(), gradient, h, steps)
        path = integrate(start, gradient, h, steps, 1e-6)
        errors.append(
            max(float((w.product() - d).norm()) for w, d in zip(path, dense, strict=True))
        )
    # the tangent bases of an Euler step are off by O(h)
    assert errors[0] < 0.1 * float(wanted.norm())
    assert errors[2] < 0.6 * errors[1] < 0.36 * errors[0]
    coarse = integrate(start, gradient, 0.02, 500, 1e-3)
    assert coarse[-1].S.shape == (3, 3)
    assert float((coarse[-1].product() - wanted).norm()) < 2e-3 * float(wanted.norm())


@pytest.mark.parametrize("batch", [(), (2,)])
def test_the_probe_has_the_gradients_of_K_and_L(batch: tuple[int, ...]) -> None:
    weight = low_rank(7, 5, [3.0, 1.0], *batch)
    A, B = (x.requires_grad_() for x in probe(weight))
    torch.testing.assert_close(A @ B, weight.product())
    G = torch.randn(*batch, 7, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    ((A @ B) * G).sum().backward()
    K, L = probed(A.grad, B.grad)
    torch.testing.assert_close(K, G @ weight.V.mT)
    torch.testing.assert_close(L, weight.U.mT @ G)


@pytest.mark.parametrize("count", [1, 2])
def test_bases_grow_by_what_they_lack(count: int) -> None:
    weight = low_rank(9, 6, [2.0, 1.0])
    generator = torch.Generator().manual_seed(3)
    K = torch.randn(9, 2, generator=generator, dtype=torch.float64) * torch.tensor([1.0, 100.0])
    new = new_directions(weight.U, K, count)
    both = torch.cat([weight.U, new], dim=1)
    torch.testing.assert_close(both.mT @ both, torch.eye(2 + count, dtype=torch.float64))
    lost = K - both @ (both.mT @ K)
    assert float(lost.norm()) < (1e-12 if count == 2 else 0.02) * float(K.norm())
    # a change within the basis has no directions to add: any others will do
    inside = new_directions(weight.U, weight.U.clone(), count)
    both = torch.cat([weight.U, inside], dim=1)
    torch.testing.assert_close(both.mT @ both, torch.eye(2 + count, dtype=torch.float64))
    wide = augmented(weight, new, new_directions(weight.V.mT, weight.V.mT, count))
    torch.testing.assert_close(wide.product(), weight.product())


def test_a_weight_of_low_rank_survives_the_cut() -> None:
    """The rule counts the whole tail, up to the last singular value."""
    view = MatrixView((20, 20))
    s = torch.tensor([3.0, 1.0, 0.5, 0.1, 0.1, 0.1])
    for tolerance in (0.0, 0.04, 0.05, 0.06, 0.2):
        rank = propose_ranks(tail_rule(tolerance), RankLimits(1, 0.99), [Spectrum("x", s, view, 6)])
        tails = [float(s[r:].norm()) <= tolerance * float(s.norm()) for r in range(7)]
        assert rank["x"] == tails.index(True), tolerance


def problem():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(24, 32), nn.Tanh(), nn.Unflatten(1, (4, 8)), nn.Conv1d(4, 12, 3, groups=2),
        nn.Flatten(), nn.Linear(72, 20), nn.Tanh(), nn.Linear(20, 3),
    )  # fmt: skip
    return model, torch.randn(64, 24), torch.randint(0, 3, (64,))


def train(model, optimizer, x, y, steps: int) -> list[float]:
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


SETTINGS = {"total_steps": 60, "frequency": 5, "init_rank": 0.2, "tolerance": 0.05}


def test_a_cycle() -> None:
    """A step for the bases, in which the weight stays; steps of a wider core; a cut."""
    model, x, y = problem()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2, weight_decay=0.1)
    controller = lowrank.DLRT(model, optimizer, lowrank.DLRTConfig(**SETTINGS))
    train(model, optimizer, x, y, 1)
    weight, bias = model[0].weight.detach(), model[0].bias.detach().clone()
    assert model[0].form == "ab"  # 5 of 24, and its probe
    assert [p.shape[1] for p in optimizer.param_groups[0]["params"][:2]] == [10, 24]
    train(model, optimizer, x, y, 1)
    torch.testing.assert_close(model[0].weight, weight, rtol=0, atol=1e-6)
    assert not torch.equal(model[0].bias, bias)
    assert (model[0].form, model[0].rank) == ("usv", 10)
    train(model, optimizer, x, y, 3)
    assert model[0].rank == 10
    assert (model[0].weight - weight).norm() > 1e-3
    losses = train(model, optimizer, x, y, 55)
    ranks = [r["rank"] for r in controller.history if r["layer"] == "0"]
    assert ranks[0] == 5
    assert max(ranks) > 5  # ranks rise
    assert all(rank <= round(0.4 * 24) for rank in ranks)
    assert losses[-1] < 0.5 * losses[0]
    assert all(t.factored.form == "usv" for t in controller.targets)
    assert model[0].rank == ranks[-1]
    groups = optimizer.param_groups[0]["params"]
    assert [p is q for p, q in zip(groups, model.parameters(), strict=True)] == [True] * len(groups)
    for target in controller.targets:
        U = target.factored.U
        torch.testing.assert_close(U.mT @ U, torch.eye(U.shape[-1]).expand(*U.shape[:-2], -1, -1))
    for name in ("exp_avg", "exp_avg_sq"):
        assert optimizer.state[model[0].S][name].shape == model[0].S.shape


def test_bases_turn_where_frozen_ones_cannot_learn() -> None:
    """A layer of rank 1 learns a function that is orthogonal to its first bases."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(12, 12, bias=False), nn.Linear(12, 12, bias=False))
    x, mix = torch.randn(200, 12), torch.zeros(12, 12)
    with torch.no_grad():
        model[0].weight.zero_()[0, 0] = 1.0
        model[1].weight.copy_(torch.eye(12))
    mix[5, 7] = 1.0
    model[1].requires_grad_(False)
    optimizer = torch.optim.SGD(model[:1].parameters(), 1.0)
    config = lowrank.DLRTConfig(total_steps=200, frequency=4, init_rank=1, max_rank=2)
    lowrank.DLRT(model, optimizer, config)
    for _ in range(200):
        optimizer.zero_grad()
        (model(x) - x @ mix.mT).square().mean().backward()
        optimizer.step()
    torch.testing.assert_close(model[0].weight, mix, atol=1e-3, rtol=0)
    assert model[0].rank == 1


def test_momenta_of_new_directions() -> None:
    """Mean gradients begin with the probe's, mean squares with the mean of the others."""
    gradient = torch.tensor([[0.0, 0, 5], [0, 0, 6], [7, 8, 0]])
    turn = StateMap(torch.eye(3, 2), torch.eye(2, 3), 2.0, grown=Grown(1, gradient))
    found = turn.squared(torch.tensor([[1.0, 2.0], [3.0, 6.0]]))
    assert torch.equal(found, torch.tensor([[4.0, 8, 12], [12, 24, 12], [12, 12, 12]]))
    found = turn.linear(torch.ones(2, 2))
    assert torch.equal(found, torch.tensor([[2.0, 2, 5], [2, 2, 6], [7, 8, 0]]))
    weight = low_rank(7, 5, [3.0, 1.0])
    G = torch.randn(7, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    K, L = G @ weight.V.mT, weight.U.mT @ G
    left, right = new_directions(weight.U, K, 2), new_directions(weight.V.mT, L.mT, 2)
    wide = augmented(weight, left, right)
    exact = wide.U.mT @ G @ wide.V.mT
    exact[:2, :2] = exact[2:, 2:] = 0  # the former is the core's own, the latter is not known
    torch.testing.assert_close(core_gradient(left, right, K, L), exact)


@pytest.mark.parametrize("stop", [1, 6, 8, 23])
def test_a_run_that_was_stopped_goes_on_bit_for_bit(stop: int, tmp_path: Path) -> None:
    def fresh():
        model, x, y = problem()
        optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
        return (
            model,
            optimizer,
            lowrank.DLRT(model, optimizer, lowrank.DLRTConfig(**SETTINGS)),
            x,
            y,
        )

    model, optimizer, controller, x, y = fresh()
    train(model, optimizer, x, y, stop)
    lowrank.save(tmp_path / "run.pt", model, optimizer, controller)
    expected = train(model, optimizer, x, y, 30)
    model, optimizer, controller, x, y = fresh()
    lowrank.load(tmp_path / "run.pt", model, optimizer, controller)
    assert train(model, optimizer, x, y, 30) == expected


def test_tied_layers_and_the_global_random_state() -> None:
    torch.manual_seed(0)
    a, b = nn.Linear(16, 16), nn.Linear(16, 16)
    b.weight = a.weight
    model = nn.Sequential(a, nn.Tanh(), b, nn.Linear(16, 3))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    controller = lowrank.DLRT(model, optimizer, lowrank.DLRTConfig(total_steps=50, frequency=4))
    x = torch.randn(32, 16)
    state = torch.random.get_rng_state()
    for _ in range(10):
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()
        assert all(model[0]._parameters[k] is model[2]._parameters[k] for k in ("S", "A", "B"))
        assert model[0].U is model[2].U
        assert {id(p) for p in model.parameters()} == {
            id(p) for p in optimizer.param_groups[0]["params"]
        }
    assert torch.equal(torch.random.get_rng_state(), state)
    assert [target.name for target in controller.targets] == ["0"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"delay": 200}, "delay 200"),
        ({"frequency": 1}, "at least 2"),
        ({"tolerance": 1.0}, "tolerance"),
        ({"max_rank": 0}, "max_rank"),
        ({"total_steps": 0}, "total_steps"),
    ],
)
def test_wrong_settings_are_refused_at_once(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lowrank.DLRTConfig(**{"total_steps": 100, **settings})


def test_ranks_train_as_one_process_with_the_whole_batch() -> None:
    x = torch.randn(24, 16, generator=torch.Generator().manual_seed(1))

    def program(comm):
        generator = torch.Generator().manual_seed(0)
        model = nn.Sequential(nn.Linear(16, 20), nn.Tanh(), nn.Linear(20, 4))
        for parameter in model.parameters():
            parameter.data.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
        optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
        lowrank.GradientAverager(model, optimizer, comm)
        lowrank.DLRT(model, optimizer, lowrank.DLRTConfig(total_steps=20, frequency=3), comm=comm)
        mine = x.chunk(comm.size)[comm.rank]
        for _ in range(20):
            optimizer.zero_grad()
            (model(mine) - mine[:, :4]).square().mean().backward()
            optimizer.step()
        return lowrank.merge(model).state_dict()

    (alone,), both = run_virtual(1, program), run_virtual(2, program)
    for key, value in alone.items():
        assert torch.equal(both[0][key], both[1][key])
        torch.testing.assert_close(both[0][key], value, rtol=1e-3, atol=1e-4)


@pytest.mark.parallel(2)
def test_mpi_ranks_stay_equal_bit_for_bit() -> None:
    comm = world()
    model, x, y = problem()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    lowrank.GradientAverager(model, optimizer, comm)
    lowrank.DLRT(model, optimizer, lowrank.DLRTConfig(**SETTINGS), comm=comm)
    mine = slice(comm.rank, None, 2)
    train(model, optimizer, x[mine], y[mine], 23)
    assert all(isinstance(model[i], Factored) for i in (0, 3, 5))
    for name, ours in model.state_dict().items():
        everyone = comm.handle.allgather(ours.numpy())
        assert np.array_equal(*everyone), name
