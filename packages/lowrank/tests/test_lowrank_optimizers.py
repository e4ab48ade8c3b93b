"""The optimiser's state follows a weight through conversions and rotations."""

import copy

import pytest
import torch
from torch import nn

import lowrank
from lowrank.optimizer_state import check_optimizer, holder_of

OPTIMIZERS = {
    "SGD": lambda p: torch.optim.SGD(p, 0.01, momentum=0.9),
    "ASGD": lambda p: torch.optim.ASGD(p, 0.01),
    "Adam": lambda p: torch.optim.Adam(p, 0.01, amsgrad=True),
    "AdamW, fused": lambda p: torch.optim.AdamW(p, 0.01, fused=True),
    "AdamW, foreach": lambda p: torch.optim.AdamW(p, 0.01, foreach=True),
    "NAdam": lambda p: torch.optim.NAdam(p, 0.01),
    "RAdam": lambda p: torch.optim.RAdam(p, 0.01),
    "Adamax": lambda p: torch.optim.Adamax(p, 0.01),
    "RMSprop": lambda p: torch.optim.RMSprop(p, 0.01, momentum=0.5, centered=True),
    "Adagrad": lambda p: torch.optim.Adagrad(p, 0.01),
    "Adadelta": lambda p: torch.optim.Adadelta(p, 0.5),
    "Rprop": lambda p: torch.optim.Rprop(p, 0.01),
}


def problem(width: int = 24, **settings: object):
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 4))
    return model, torch.randn(64, width), torch.randn(64, 4)


def train(model, optimizer, x, y, steps: int) -> list[float]:
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (model(x) - y).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    return losses


def config(**changes: object) -> lowrank.OIALRConfig:
    settings = {
        "total_steps": 40,
        "delay": 10,
        "frequency": 5,
        "cutoff": 0.2,
        "layer_fraction": 1.0,
    }
    return lowrank.OIALRConfig(**{**settings, "convert": "at_delay", **changes})


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_training_goes_on_with_every_optimizer(kind: str) -> None:
    model, x, y = problem()
    optimizer = OPTIMIZERS[kind](model.parameters())
    controller = lowrank.OIALR(model, optimizer, config(update_scale=0.0))
    losses = train(model, optimizer, x, y, 40)
    layer = model[0]
    assert isinstance(layer, lowrank.nn.FactoredLinear)
    assert layer.rank < 24
    assert losses[-1] < losses[0]
    assert max(losses[10:]) < 2 * losses[9]
    groups = optimizer.param_groups[0]["params"]
    assert [p is q for p, q in zip(groups, model.parameters(), strict=True)] == [True] * 4
    assert controller.history[-1]["rank"] == layer.rank
    for key, value in optimizer.state[layer.S].items():
        assert (
            not isinstance(value, torch.Tensor) or value.dim() == 0 or value.shape == layer.S.shape
        ), key


def test_sgd_at_full_rank_takes_the_path_of_the_dense_weight() -> None:
    model, x, y = problem()
    dense = copy.deepcopy(model)
    ours, theirs = (
        torch.optim.SGD(m.parameters(), 0.05, momentum=0.9, nesterov=True, weight_decay=0.01)
        for m in (model, dense)
    )
    lowrank.OIALR(model, ours, config(cutoff=0.0, min_rank=24, total_steps=60))
    for m, optimizer in ((model, ours), (dense, theirs)):
        train(m, optimizer, x, y, 30)
    assert isinstance(model[0], lowrank.nn.FactoredLinear)
    assert (model[0].weight - dense[0].weight).norm() < 1e-4 * dense[0].weight.norm()


def test_momentum_is_projected_exactly() -> None:
    model, x, y = problem()
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    controller = lowrank.OIALR(model, optimizer, config(delay=1000, total_steps=1000))
    train(model, optimizer, x, y, 5)
    momentum = optimizer.state[model[0].weight]["momentum_buffer"].clone()
    controller.set_rank("0", 9)
    layer = model[0]
    projected = layer.U.mT @ momentum @ layer.V.mT
    torch.testing.assert_close(optimizer.state[layer.S]["momentum_buffer"], projected)
    controller.set_rank("0", 4)
    assert isinstance(layer, lowrank.nn.FactoredLinear)
    projected = layer.U.mT @ momentum @ layer.V.mT
    torch.testing.assert_close(
        optimizer.state[layer.S]["momentum_buffer"], projected, rtol=1e-4, atol=1e-6
    )


def test_adam_does_not_jump_at_a_conversion() -> None:
    model, x, y = problem(64)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    controller = lowrank.OIALR(model, optimizer, config(delay=1000, total_steps=1000))
    train(model, optimizer, x, y, 50)
    moves = []
    for _ in range(2):
        before = model[0].weight.detach().clone()
        train(model, optimizer, x, y, 1)
        moves.append(float((model[0].weight.detach() - before).norm()))
        if model[0].weight is not None and not isinstance(model[0], lowrank.nn.Factored):
            controller.convert("0")
    assert 0.5 < moves[1] / moves[0] < 2
    assert optimizer.state[model[0].S]["step"] == 52


def test_old_graphs_and_references_do_no_harm() -> None:
    model, x, y = problem()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    controller = lowrank.OIALR(model, optimizer, config(delay=1000, total_steps=1000))
    old_weight = model[0].weight
    loss = (model(x) - y).square().mean()
    replaced: dict = {}
    controller.on("update", replaced.update)
    controller.set_rank("0", 5)
    loss.backward()  # the graph of the dense layer is still alive
    optimizer.zero_grad()
    train(model, optimizer, x, y, 2)
    assert replaced[old_weight] == [model[0].S]


def test_the_learning_rate_rises_again_unseen_by_schedulers() -> None:
    model, x, y = problem()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    seen = []
    controller = lowrank.OIALR(
        model,
        optimizer,
        config(rebound_steps=4, rebound_floor=0.0, frequency=1000, total_steps=1000),
    )
    optimizer.register_step_pre_hook(lambda o, *_: seen.append(o.param_groups[0]["lr"]))
    for _ in range(16):
        train(model, optimizer, x, y, 1)
        scheduler.step()
    expected = [0.1 * 0.9**i * (min(1.0, (i - 10) / 4) if i >= 10 else 1.0) for i in range(16)]
    assert seen == pytest.approx(expected)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * 0.9**16)
    assert controller.t == 16


def test_state_of_an_unknown_kind_starts_anew_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    model, x, y = problem()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    controller = lowrank.OIALR(model, optimizer, config(delay=1000, total_steps=1000))
    train(model, optimizer, x, y, 3)
    optimizer.state[model[0].weight]["odd"] = torch.zeros(3)
    controller.convert("0")
    assert model[0].S not in optimizer.state
    assert "'odd'" in caplog.text


def test_optimizers_that_cannot_follow_are_refused() -> None:
    model, _, _ = problem()
    with pytest.raises(lowrank.UnsupportedOptimizerError, match="LBFGS"):
        check_optimizer(torch.optim.LBFGS(model.parameters()))
    with pytest.raises(TypeError, match="no torch optimiser"):
        check_optimizer(object())
    both = [torch.optim.SGD(model.parameters(), 0.1) for _ in range(2)]
    with pytest.raises(ValueError, match="two optimisers"):
        holder_of(both, model[0].weight)


def test_a_wrapped_optimizer_is_found() -> None:
    model, _, _ = problem()

    class Wrapper:
        optimizer = torch.optim.SGD(model.parameters(), 0.1)

    assert check_optimizer(Wrapper()) is Wrapper.optimizer


@pytest.mark.parametrize("kind", ["AdamW", "SGD"])
@pytest.mark.parametrize("decay", ["weight", "factors", "none"])
def test_decay_of_folded_layers(kind: str, decay: str) -> None:
    """After a fold it is still the weight that decays, unless another kind is asked for."""
    model = problem()[0]
    rates = {"lr": 0.1, "weight_decay": 0.5}
    optimizer = getattr(torch.optim, kind)(model.parameters(), **rates)
    controller = lowrank.OIALR(
        model, optimizer, config(delay=100, total_steps=100, factor_decay=decay)
    )
    controller.set_rank("0", 9)
    controller.fold()
    layer = model[0]
    A, B, W = (z.detach().clone() for z in (layer.A, layer.B, layer.weight))
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    if decay == "none":
        torch.testing.assert_close(layer.weight, W)
    elif decay == "factors":
        torch.testing.assert_close(layer.weight, W * 0.95**2)
    elif kind == "AdamW":
        torch.testing.assert_close(layer.weight, W * 0.95)
    else:  # the gradient of 0.5 ||A B||² / 2
        A, B = A.requires_grad_(), B.requires_grad_()
        (0.25 * (A @ B).square().sum()).backward()
        torch.testing.assert_close(layer.A, A - 0.1 * A.grad)
        torch.testing.assert_close(layer.B, B - 0.1 * B.grad)
    controller.detach()
    with pytest.raises(ValueError, match="factor_decay='odd'"):
        config(factor_decay="odd")
