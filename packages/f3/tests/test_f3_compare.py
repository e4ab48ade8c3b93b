"""Sweeps against single learners, and what a comparison writes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import f3
from f3.compare import ALGORITHMS, Run, Sweep, make_learner, mlp, sweep
from f3.seeds import ORDER, derive

CLASSIFICATION = [name for name in ALGORITHMS if name != "f3-softmax"]


def orders(n: int, seed: int, epochs: int):
    for epoch in range(epochs):
        generator = torch.Generator().manual_seed(derive(seed, ORDER, epoch))
        yield torch.randperm(n, generator=generator)


@pytest.mark.parametrize("depth", [1, 3])
def test_a_sweep_trains_as_single_learners_do(depth) -> None:
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(40, 6, generator=generator)
    t = torch.randint(5, (40,), generator=generator)
    rows = nn.functional.one_hot(t, 5).float()
    runs = [Run(name, lr, 3) for name in CLASSIFICATION for lr in (1e-2, 3e-3)]
    with torch.no_grad():
        many = Sweep(runs, x, rows, depth=depth, width=12, feedback="kaiming_uniform")
        for _ in range(3):
            many.epoch(16)
    for number, run in enumerate(many.runs):
        torch.manual_seed(run.seed)
        model = mlp(6, 12, depth, 5)
        learn = make_learner(
            run.algorithm, model, 40, lr=run.lr, seed=run.seed, feedback="kaiming_uniform"
        )
        for order in orders(40, run.seed, 3):
            for ids in order.split(16):
                learn.step(x[ids], t[ids], ids)
        for layer, block in enumerate(model):
            linear = block if isinstance(block, nn.Linear) else block[0]
            torch.testing.assert_close(
                many.weights[layer][number].T, linear.weight.detach(), atol=2e-4, rtol=1e-3
            )
        if isinstance(learn.source, f3.DelayedError):
            assert float(many.cosine[number]) == pytest.approx(
                learn.source.staleness.cosine, abs=0.2
            )


def test_sweeps_of_regressions_train_as_single_learners_do() -> None:
    generator = torch.Generator().manual_seed(5)
    x, rows = torch.randn(40, 6, generator=generator), torch.randn(40, 2, generator=generator)
    runs = [Run(name, 1e-2, 1) for name in ("bp", "dfa", "drtp", "f3", "f3-damped", "shallow")]
    result = sweep(
        runs, x, rows, epochs=3, batch_size=16, width=12, regression=True, scored={"all": (x, rows)}
    )
    assert result.scores["all"].shape == (3, 6)
    for number, run in enumerate(result.runs):
        torch.manual_seed(1)
        model = mlp(6, 12, 1, 2)
        algorithm = ALGORITHMS[run.algorithm]
        kinds = {"current": f3.CurrentError("error"), "target": f3.TargetError()}
        source = kinds.get(algorithm.signal)
        if algorithm.signal == "delayed":
            source = f3.DelayedError(40, "error", damping=algorithm.damping)
        learn = f3.Learner(
            model,
            loss=nn.MSELoss(),
            error=source,
            mode=algorithm.mode,
            optimizer=lambda p: torch.optim.Adam(p, lr=1e-2),
            seed=1,
        )
        for order in orders(40, 1, 3):
            for ids in order.split(16):
                learn.step(x[ids], rows[ids], ids)
        expected = float((learn.predict(x) - rows).square().mean())
        assert float(result.scores["all"][-1, number]) == pytest.approx(expected, rel=1e-3)
