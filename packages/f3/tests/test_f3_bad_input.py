"""Input that can't be trained with: an error that says what to do, and nothing trained."""

from __future__ import annotations

import copy
import logging

import pytest
import torch
from torch import nn

import f3
from f3.feedback import PerToken, Seeded


@pytest.mark.parametrize(
    ("ids", "error", "message"),
    [
        (torch.arange(-1, 59), IndexError, "from 0 to 59"),
        (torch.arange(1, 61), IndexError, "from 0 to 59"),
        (torch.arange(60.0), TypeError, "must be integers"),
        (torch.arange(59), ValueError, "60 ids"),
        (None, ValueError, "f3.indexed"),
    ],
)
def test_wrong_ids_train_nothing(data, mlp, learner, ids, error, message) -> None:
    model = mlp()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(error, match=message):
        learner(model).step(data.x, data.t, ids)
    assert all(
        torch.equal(a, b) for a, b in zip(before.values(), model.state_dict().values(), strict=True)
    )


def test_targets_are_never_broadcast(data) -> None:
    def make(n_outputs: int, loss=None) -> f3.Learner:
        return f3.Learner(
            f3.Sequential(nn.Sequential(nn.Linear(8, 6), nn.Tanh()), nn.Linear(6, n_outputs)),
            loss=loss or nn.MSELoss(),
            error=f3.DelayedError(60),
            optimizer=lambda p: torch.optim.SGD(p, lr=0.1),
        )

    target = torch.randn(60)
    one, other = make(1).step(data.x, target, data.ids), None
    torch.manual_seed(0)
    assert torch.isclose(one.loss, (one.output[:, 0] - target).square().mean())
    other = make(2)
    for wrong in (target, target[:, None], torch.randn(60, 3), torch.randn(59, 2)):
        with pytest.raises(ValueError, match="do not fit"):
            other.step(data.x, wrong, data.ids)
    classes = make(3, nn.CrossEntropyLoss())
    with pytest.raises(ValueError, match="from 0 to 2"):
        classes.step(data.x, torch.full((60,), 3), data.ids)
    with pytest.raises(ValueError, match="do not fit"):
        classes.step(data.x, torch.zeros(60, 3, dtype=torch.int64), data.ids)


def test_settings_that_contradict_each_other(mlp, learner, data) -> None:
    with pytest.raises(f3.ModeError, match="clip_scope='block'"):
        learner(mlp(), clip_norm=1.0, clip_scope="global")
    with pytest.raises(f3.ModeError, match="L-BFGS"):
        learner(mlp(), optimizer=torch.optim.LBFGS)
    with pytest.raises(f3.ModeError, match="DelayedError"):
        f3.Learner(mlp(), loss=nn.CrossEntropyLoss(), optimizer=torch.optim.SGD)
    with pytest.raises(ValueError, match="mode must be one of"):
        learner(mlp(), mode="backward")
    with pytest.raises(TypeError, match="reduction"):
        learner(mlp(), loss=lambda a, b: (a - b).sum())
    other = mlp()
    with pytest.raises(ValueError, match="called once for each block"):
        learner(mlp(), optimizer=lambda p: torch.optim.SGD(other.parameters(), lr=0.1))
    one_hot = learner(mlp(), f3.DelayedError(60, one_hot=True))
    with pytest.raises(f3.ModeError, match="class ids"):
        one_hot.step(data.x, torch.rand(60, 4), data.ids)
    with pytest.raises(f3.ModeError, match="optimizer="):
        learner(mlp(), optimizer=None).step(data.x, data.t, data.ids)
    with pytest.raises(ValueError, match="damping"):
        f3.DelayedError(60, damping=1.0)
    with pytest.raises(ValueError, match="kind of error"):
        f3.DelayedError(60, "gradient")


def test_tied_parameters_must_be_in_one_block(learner) -> None:
    shared = nn.Linear(8, 8)
    with pytest.raises(f3.PartitionError, match="belongs to block 0"):
        learner(f3.Sequential(shared, nn.Sequential(shared, nn.Tanh()), nn.Linear(8, 4)))


def wide(width: int = 100) -> f3.Sequential:
    torch.manual_seed(0)
    return f3.Sequential(nn.Sequential(nn.Linear(8, width), nn.Tanh()), nn.Linear(width, 10))


@pytest.mark.parametrize("feedback", ["binomial", "identity_repeat_pm", Seeded("binomial")])
def test_single_signed_feedback_is_refused_for_errors_of_one_sign(
    learner, caplog, feedback
) -> None:
    x, t, ids = torch.randn(60, 8), torch.arange(60) % 10, torch.arange(60)
    for error in (f3.TargetError(), f3.DelayedError(60, one_hot=True)):
        with pytest.raises(f3.FeedbackError, match="saturation"):
            learner(wide(), error, feedback=feedback).step(x, t, ids)
    with caplog.at_level(logging.WARNING):
        learner(wide(), f3.TargetError(), feedback=feedback, strict=False).step(x, t, ids)
    assert "saturation" in caplog.text
    learner(wide(), f3.DelayedError(60), feedback=feedback).step(x, t, ids)


def test_with_few_classes_columns_get_both_signs(learner) -> None:
    x, ids = torch.randn(60, 8), torch.arange(60)
    for n_outputs in (2, 3, 4):
        torch.manual_seed(0)
        model = f3.Sequential(
            nn.Sequential(nn.Linear(8, 300), nn.Tanh()), nn.Linear(300, n_outputs)
        )
        learn = learner(model, f3.TargetError())
        learn.step(x, ids % n_outputs)
        matrix = learn.hidden[0].projection.matrix
        assert f3.feedback.single_signed_share(matrix) == 0
        assert set(matrix.unique().tolist()) <= {-1.0, 0.0, 1.0}


def test_feedback_that_does_not_fit(learner, data, mlp) -> None:
    for feedback, message in [
        (torch.randn(4, 15), "does not fit"),
        ("gaussian", "no initialiser"),
        (3, "no feedback"),
        (["trinomial"] * 5, "needs 2 entries"),
        (Seeded("identity_repeat"), "Seeded"),
    ]:
        with pytest.raises(f3.FeedbackError, match=message):
            learner(mlp(), feedback=feedback).step(data.x, data.t, data.ids)


def test_losses_that_are_lost_are_named(learner, data, mlp) -> None:
    learn = learner(mlp(), detect_anomaly=True)
    with pytest.raises(FloatingPointError, match="norms of the blocks"):
        learn.step(data.x * float("inf"), data.t, data.ids)


def test_drop_in_models_want_targets_in_training(learner, data, mlp) -> None:
    model = mlp()
    with pytest.raises(f3.ModeError, match="deferred"):
        model(data.x, target=data.t, index=data.ids)
    learner(model, mode="deferred")
    with pytest.raises(f3.ModeError, match="target"):
        model(data.x)
    x = data.x.clone().requires_grad_()
    model.eval()(x).sum().backward()  # predictions are differentiable down to the input
    assert x.grad.abs().sum() > 0
    assert copy.deepcopy(model)(x).shape == (60, 4)


def test_outputs_for_each_token_need_feedback_for_each_token(learner) -> None:
    torch.manual_seed(0)
    x, t = torch.randn(20, 7, 6), torch.randint(5, (20, 7))
    t[0, 3] = -100

    def model() -> f3.Sequential:
        return f3.Sequential(nn.Sequential(nn.Linear(6, 12), nn.Tanh()), nn.Linear(12, 5))

    error = f3.DelayedError(20, one_hot=True)
    learn = learner(model(), error, feedback=PerToken())
    losses = [float(learn.step(x, t, torch.arange(20)).loss) for _ in range(60)]
    assert losses[-1] < losses[0] - 0.1
    assert error.store.row == (7,)
    with pytest.raises(f3.FeedbackError, match="PerToken"):
        learner(model(), f3.TargetError(), feedback="trinomial").step(x, t)
