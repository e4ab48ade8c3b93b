"""What holds for every training method."""

import threading

import pytest
import torch
from torch import nn

import lowrank
from lowrank import decompose
from lowrank.nn import Factored
from lowrank.parallel import run_virtual

CONFIGS = {
    "oialr": lowrank.OIALRConfig(
        total_steps=12, delay=2, frequency=2, cutoff=0.5, layer_fraction=1, convert="at_delay"
    ),
    "ab": lowrank.ABConfig(total_steps=12, warmup=2, period=4, dense=1, keep_first=False),
    "dlrt": lowrank.DLRTConfig(total_steps=12, frequency=3),
}
METHODS = {"oialr": lowrank.OIALR, "ab": lowrank.ABTraining, "dlrt": lowrank.DLRT}
METHOD = pytest.mark.parametrize("method", METHODS)


class Net(nn.Module):
    """Two layers with one weight, and one layer that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.shared = (nn.Linear(16, 16) for _ in range(3))
        self.b.weight = self.a.weight
        self.again, self.head = self.shared, nn.Linear(16, 3)
        generator = torch.Generator().manual_seed(0)
        for parameter in self.parameters():
            parameter.data.copy_(0.25 * torch.randn(parameter.shape, generator=generator))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.again(torch.tanh(self.b(self.shared(torch.tanh(self.a(x)))))))


def train(method: str, comm=None, steps: int = 12):
    model = Net()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    if method != "ab" and comm is not None:
        lowrank.GradientAverager(model, optimizer, comm)
    METHODS[method](model, optimizer, CONFIGS[method], comm=comm)
    x = torch.randn(20, 16, generator=torch.Generator().manual_seed(1))
    for _ in range(steps):
        optimizer.zero_grad()
        (model(x) - x[:, :3]).square().mean().backward()
        optimizer.step()
    return model, optimizer


@METHOD
def test_a_decomposition_that_fails_on_one_rank_ends_all(method: str, monkeypatch) -> None:
    """With one error, and without a hang."""
    here, works = threading.local(), decompose.thin_svd

    def fails_on_rank_1(matrix: torch.Tensor, name: str = ""):
        if here.rank == 1:
            raise torch.linalg.LinAlgError("did not converge")
        return works(matrix, name)

    monkeypatch.setattr(decompose, "thin_svd", fails_on_rank_1)
    reached = []

    def program(comm) -> None:
        here.rank = comm.rank
        try:
            train(method, comm)
        except (torch.linalg.LinAlgError, threading.BrokenBarrierError):
            # threads that wait while another one gives up are woken up by the latter
            reached.append(comm.rank)
            raise

    with pytest.raises(torch.linalg.LinAlgError, match="did not converge"):
        run_virtual(3, program)
    assert sorted(reached) == [0, 1, 2]


@METHOD
def test_identities_and_the_global_random_state(method: str) -> None:
    state = torch.random.get_rng_state()
    steps = 4 if method == "ab" else 12  # in the midst of a period
    model, optimizer = train(method, steps=steps)
    lowrank.factorize(lowrank.merge(model), rank=0.5)
    lowrank.to_sequential(model)
    assert isinstance(model.a, Factored)
    assert model.shared is model.again
    for name in ("U", "S", "V", "A", "B"):
        assert getattr(model.a, name) is getattr(model.b, name)
    held = optimizer.param_groups[0]["params"]
    assert {id(p) for p in model.parameters()} == {id(p) for p in held}
    # building the layers draws from the global state; nothing else may
    torch.random.set_rng_state(state)
    Net()
    after = torch.random.get_rng_state()
    torch.random.set_rng_state(state)
    train(method, steps=steps)
    assert torch.equal(torch.random.get_rng_state(), after)
