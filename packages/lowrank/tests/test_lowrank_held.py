"""Parameters of recurrent and of unknown modules."""

import copy
import pickle

import pytest
import torch
from torch import nn

import lowrank
from lowrank.nn import Factored


class Unknown(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(12, 3, 4) / 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.einsum("okl,bkl->bo", self.kernel, x.unflatten(1, (3, 4)))


class Reader(nn.Module):
    def __init__(self, kind: type[nn.RNNBase]) -> None:
        super().__init__()
        self.rnn = kind(6, 12, num_layers=2, batch_first=True)
        self.unknown = Unknown()
        self.head = nn.Linear(12, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.unknown(self.rnn(x)[0][:, -1]))


def build(kind: type[nn.RNNBase] = nn.LSTM):
    torch.manual_seed(0)
    return Reader(kind), torch.randn(16, 5, 6), torch.randn(16, 2)


NAMES = ["rnn.weight_*", "kernel"]


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers_compute_the_same_and_train(kind: type[nn.RNNBase]) -> None:
    model, x, y = build(kind)
    expected = model(x)
    lowrank.factorize(model, rank=0.999, target_parameters=NAMES, only_smaller=False)
    assert sum(isinstance(m, Factored) for m in model.modules()) == 5
    assert isinstance(model.rnn, kind)
    torch.testing.assert_close(model(x), expected, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(model.eval()(x), expected, rtol=1e-4, atol=1e-5)
    (model.train()(x) - y).square().mean().backward()
    assert all(p.grad is not None for p in model.parameters())
    assert "weight_hh_l0" not in dict(model.rnn.named_parameters(recurse=False))


def test_a_recurrent_model_is_trained_in_low_rank_and_goes_back() -> None:
    model, x, y = build()
    weight, optimizer = model.rnn.weight_hh_l0, torch.optim.AdamW(model.parameters(), 1e-2)
    config = lowrank.OIALRConfig(
        total_steps=40, delay=10, frequency=10, cutoff=0.3, layer_fraction=1.0,
        target_parameters=NAMES, profit="memory",
    )  # fmt: skip
    controller = lowrank.OIALR(model, optimizer, config)
    assert model.rnn.weight_hh_l0 is weight
    assert [t.name for t in controller.targets][-1] == "unknown.held_kernel"
    assert "head" in controller.selection.kept
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = (model(x) - y).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert model.rnn.held_weight_hh_l0.rank < 12
    assert {x.name for x in lowrank.report(model).layers} >= {"rnn.held_weight_hh_l0", "head"}
    dense = lowrank.merge(model)
    assert type(dense.rnn) is nn.LSTM
    assert set(dense.state_dict()) == set(build()[0].state_dict())
    torch.testing.assert_close(dense(x), model(x), rtol=1e-4, atol=1e-5)
    assert type(lowrank.to_sequential(model).unknown) is Unknown


def test_checkpoints_copies_and_pickles() -> None:
    model, x, _ = build()
    dense = copy.deepcopy(model)
    lowrank.factorize(model, rank=0.5, target_parameters=NAMES, only_smaller=False)
    fresh = build()[0]
    fresh.load_state_dict(lowrank.to_dense_state_dict(model.state_dict()))
    torch.testing.assert_close(fresh(x), model(x), rtol=1e-4, atol=1e-5)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(other(x), model(x))
    held = lowrank.factorize(
        copy.deepcopy(dense), rank=0.999, target_parameters=NAMES, only_smaller=False
    )
    with torch.no_grad():
        for p in dense.parameters():
            p.mul_(0.7)
    held.load_state_dict(dense.state_dict())
    torch.testing.assert_close(held(x), dense(x), rtol=1e-4, atol=1e-5)


def test_unknown_parameters_are_named() -> None:
    with pytest.raises(ValueError, match="no parameter of two dimensions or more matches 'nix'"):
        lowrank.select_layers(build()[0], target_parameters=["nix"])
