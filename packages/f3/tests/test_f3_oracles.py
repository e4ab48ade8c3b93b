"""What every way of training must agree with: backpropagation, closed forms, and each other."""

from __future__ import annotations

import copy

import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import f3
from f3.compare import Run, sweep
from f3.diagnostics import LiveMemory

OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=1e-2),
    "adam": lambda p: torch.optim.Adam(p, lr=1e-2),
    "adamw": lambda p: torch.optim.AdamW(p, lr=1e-2),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=1e-3),
}


def parameters_equal(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_dfa_with_the_true_weights_as_feedback_is_backpropagation(data, mlp, learner) -> None:
    model = mlp(depth=1)
    reference = copy.deepcopy(model)
    head = model[1].weight.detach().clone()
    sgd = lambda p: torch.optim.SGD(p, lr=1.0)
    learner(model, f3.CurrentError(), feedback=head, optimizer=sgd).step(data.x, data.t)
    nn.functional.cross_entropy(reference(data.x), data.t).backward()
    for new, old in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(old - new, old.grad, atol=2e-7, rtol=0)


@pytest.mark.parametrize(
    ("loss", "target"),
    [
        (nn.MSELoss(), "rows"),
        (nn.MSELoss(reduction="sum"), "rows"),
        (nn.HuberLoss(), "rows"),
        (nn.BCEWithLogitsLoss(), "ids"),
        (nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0, 0.5])), "ids"),
        (nn.CrossEntropyLoss(label_smoothing=0.1), "ids"),
        (nn.CrossEntropyLoss(), "soft"),
    ],
)
def test_the_head_and_dfa_have_true_gradients_for_every_loss(data, mlp, learner, loss, target):
    model = mlp(depth=1)
    reference = copy.deepcopy(model)
    one_hot = nn.functional.one_hot(data.t, 4).float()
    given = {"ids": data.t, "rows": one_hot, "soft": one_hot * 0.8 + 0.05}[target]
    for_torch = one_hot if isinstance(loss, nn.BCEWithLogitsLoss) else given
    sgd = lambda p: torch.optim.SGD(p, lr=1.0)
    head = model[1].weight.detach().clone()
    learn = learner(model, f3.CurrentError(), loss=loss, feedback=head, optimizer=sgd)
    result = learn.step(data.x, given)
    expected = loss(reference(data.x), for_torch)
    expected.backward()
    torch.testing.assert_close(result.loss, expected.detach())
    for new, old in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(old.detach() - new, old.grad, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize(
    "parts", [{}, {"drop": lambda: nn.Dropout(0.3)}, {"norm": lambda: nn.BatchNorm1d(16)}]
)
def test_updates_on_the_way_equal_updates_at_the_end(data, mlp, learner, name, parts) -> None:
    models = []
    for mode in ("in_forward", "deferred"):
        model = mlp(depth=3, **parts)
        learn = learner(model, optimizer=OPTIMIZERS[name], mode=mode)
        for x, t, ids in data.batches(15, epochs=6):
            learn.step(x, t, ids)
        models.append(model)
    assert parameters_equal(*models)
    assert not parameters_equal(models[0], mlp(depth=3, **parts))


def test_drop_in_use_with_one_optimiser_equals_the_learners_step(data, mlp, learner) -> None:
    one = mlp(depth=3)
    learn = learner(one, optimizer=OPTIMIZERS["adam"])
    other = mlp(depth=3)
    learner(other, optimizer=None, mode="deferred")
    optimizer = torch.optim.Adam(other.parameters(), lr=1e-2)
    for x, t, ids in data.batches(15, epochs=5):
        learn.step(x, t, ids)
        optimizer.zero_grad()
        nn.functional.cross_entropy(other(x, target=t, index=ids), t).backward()
        optimizer.step()
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("one_hot", [False, True])
def test_the_first_epoch_is_drtp(data, mlp, learner, one_hot) -> None:
    delayed, target = mlp(), mlp()
    first = learner(delayed, f3.DelayedError(60, one_hot=one_hot))
    second = learner(target, f3.TargetError())
    for x, t, ids in data.batches(20):
        first.step(x, t, ids)
        second.step(x, t)
    assert parameters_equal(delayed, target)
    first.step(data.x, data.t, data.ids)
    second.step(data.x, data.t)
    assert not parameters_equal(delayed, target)


def test_zero_errors_and_shallow_training_leave_hidden_blocks_alone(data, mlp, learner) -> None:
    start, frozen = mlp(), mlp()
    for block in frozen[:-1]:
        block.requires_grad_(requires_grad=False)
    decaying = lambda p: torch.optim.AdamW(p, lr=1e-2, weight_decay=0.1)
    models = [frozen, mlp(), mlp()]
    learners = [
        learner(models[0], f3.CurrentError(), optimizer=decaying),
        learner(models[1], f3.ZeroError(), optimizer=decaying),
        learner(models[2], mode="shallow", optimizer=decaying),
    ]
    for x, t, ids in data.batches(20, epochs=2):
        for learn in learners:
            learn.step(x, t, ids)
    assert all(parameters_equal(model[:-1], start[:-1]) for model in models)
    assert all(parameters_equal(model, models[0]) for model in models)
    assert not torch.equal(models[0][-1].weight, start[-1].weight)


def test_backpropagation_is_torchs(data, mlp, learner) -> None:
    model, reference = mlp(depth=3), mlp(depth=3)
    learn = learner(model, mode="bp", optimizer=OPTIMIZERS["adam"])
    optimizer = torch.optim.Adam(reference.parameters(), lr=1e-2)
    for x, t, ids in data.batches(20, epochs=2):
        learn.step(x, t, ids)
        optimizer.zero_grad()
        nn.functional.cross_entropy(reference(x), t).backward()
        optimizer.step()
    for a, b in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


def test_errors_are_read_before_they_are_written(data, mlp, learner) -> None:
    model = mlp(depth=1)
    learn = learner(model, f3.DelayedError(60))
    one_hot = nn.functional.one_hot(data.t, 4).float()
    stored = -one_hot
    for _ in range(3):
        before = copy.deepcopy(model)
        out = before(data.x).detach()
        hidden = torch.tanh(before[0][0](data.x)).detach()
        matrix = learn.hidden[0].projection.matrix if learn.is_built else None
        learn.step(data.x, data.t, data.ids)
        matrix = learn.hidden[0].projection.matrix if matrix is None else matrix
        delta = (stored @ matrix) * (1 - hidden**2) / 60
        torch.testing.assert_close(model[0][0].weight, before[0][0].weight - 0.1 * delta.T @ data.x)
        stored = out.softmax(1) - one_hot
        torch.testing.assert_close(learn.source.store.read(data.ids)[0], stored)


def test_damping_is_a_running_mean(data, mlp, learner) -> None:
    models = [mlp(), mlp()]
    plain = learner(models[0], f3.DelayedError(60, damping=0.0))
    damped = learner(models[1], f3.DelayedError(60, damping=0.75))
    expected = -nn.functional.one_hot(data.t, 4).float()
    for _ in range(3):
        error = models[1](data.x).softmax(1).detach() - nn.functional.one_hot(data.t, 4)
        damped.step(data.x, data.t, data.ids)
        expected = 0.75 * expected + 0.25 * error
        torch.testing.assert_close(damped.source.store.read(data.ids)[0], expected)
        plain.step(data.x, data.t, data.ids)
    assert not parameters_equal(*models)


@pytest.mark.parametrize("activation", [nn.Tanh, nn.ReLU, nn.Sigmoid, nn.Identity])
@pytest.mark.parametrize("bias", [True, False])
def test_fused_dense_blocks_equal_autograd(data, learner, activation, bias) -> None:
    models = []
    for fuse in (True, False):
        torch.manual_seed(0)
        model = f3.Sequential(
            nn.Sequential(nn.Flatten(), nn.Linear(8, 16, bias=bias), activation()),
            nn.Sequential(nn.Linear(16, 16, bias=bias), activation()),
            nn.Linear(16, 4),
        )
        learn = learner(model, fuse=fuse)
        for x, t, ids in data.batches(20, epochs=3):
            learn.step(x.reshape(-1, 2, 4), t, ids)
        models.append(model)
    for a, b in zip(*(model.parameters() for model in models), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("fuse", [True, False])
def test_live_memory_does_not_grow_with_depth(learner, fuse) -> None:
    x, t, ids = torch.randn(256, 64), torch.randint(10, (256,)), torch.arange(256)

    def peak(depth: int, **settings: object) -> int:
        blocks = [nn.Sequential(nn.Linear(64, 64), nn.Tanh()) for _ in range(depth)]
        model = f3.Sequential(*blocks, nn.Linear(64, 10))
        learn = learner(model, f3.DelayedError(256), fuse=fuse, **settings)
        learn.step(x, t, ids)
        with LiveMemory() as memory:
            learn.step(x, t, ids)
        return memory.peak

    shallow, deep = peak(10), peak(100)
    assert deep <= 1.02 * shallow
    assert deep <= 4 * x.nbytes + 2 * 64 * 64 * 4 + 8 * 256 * 10 * 4
    assert peak(100, mode="bp") > 20 * deep


@pytest.mark.parametrize("fuse", [True, False])
def test_no_gradient_of_an_input_is_computed(learner, fuse) -> None:
    depth, n, width = 5, 32, 64
    blocks = [nn.Sequential(nn.Linear(width, width), nn.Tanh()) for _ in range(depth)]
    model = f3.Sequential(*blocks, nn.Linear(width, 10))
    learn = learner(model, f3.DelayedError(n), fuse=fuse)
    x, t, ids = torch.randn(n, width), torch.randint(10, (n,)), torch.arange(n)
    learn.step(x, t, ids)
    with FlopCounterMode(display=False) as counter:
        learn.step(x, t, ids)
    hidden = 2 * n * width * width * 2 + 2 * n * 10 * width  # forward, weights, feedback
    head = 2 * n * 10 * width * 2
    assert counter.get_total_flops() == depth * hidden + head


def test_one_hot_signals_need_no_product(learner) -> None:
    x, t, ids = torch.randn(32, 8), torch.randint(4, (32,)), torch.arange(32)
    model = f3.Sequential(nn.Sequential(nn.Linear(8, 16), nn.Tanh()), nn.Linear(16, 4))
    learn = learner(model, f3.DelayedError(32, one_hot=True))
    learn.step(x, t, ids)
    with FlopCounterMode(display=False) as counter:
        learn.step(x, t, ids)
    assert counter.get_total_flops() == 2 * 2 * 32 * (8 * 16 + 16 * 4)


def test_digits_are_learned_as_well_as_they_should_be() -> None:
    """One hidden layer of 100, Adam with 1e-3, 60 epochs, 5 seeds: an independent prototype's."""
    x, y = load_digits(return_X_y=True)
    parts = train_test_split(x, y, test_size=0.25, stratify=y, random_state=0)
    mean, deviation = parts[0].mean(), parts[0].std()
    x, test_x = (torch.tensor((part - mean) / deviation).float() for part in parts[:2])
    rows, test_rows = (nn.functional.one_hot(torch.tensor(part), 10).float() for part in parts[2:])
    expected = {"bp": (97.9, 0.2), "dfa": (97.6, 0.2), "drtp": (96.5, 0.3), "shallow": (94.0, 0.4)}
    expected |= {"f3": (96.2, 0.5), "f3-onehot": (97.2, 0.2), "f3-damped": (97.4, 0.3)}
    runs = [Run(name, 1e-3, seed) for name in expected for seed in range(5)]
    found = sweep(runs, x, rows, epochs=60, every=60, scored={"test": (test_x, test_rows)})
    for name, (mean, deviation) in expected.items():
        mine = [i for i, run in enumerate(found.runs) if run.algorithm == name]
        score = 100 * float(found.scores["test"][-1][mine].mean())
        assert score == pytest.approx(mean, abs=0.6 + 2 * deviation)
