"""Sweeps against single learners, and what a comparison writes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import f3
from f3 import cli
from f3.compare import (
    ALGORITHMS,
    Run,
    Sweep,
    load,
    make_learner,
    mlp,
    read_outcomes,
    sweep,
)
from f3.seeds import ORDER, derive

CLASSIFICATION = [name for name in ALGORITHMS if name != "f3-softmax"]


def orders(n: int, seed: int, epochs: int):
    for epoch in range(epochs):
        generator = torch.Generator().manual_seed(derive(seed, ORDER, epoch))
        yield torch.randperm(n, generator=generator)


@pytest.mark.parametrize("depth", [2])
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


def test_the_command_chooses_rates_tests_once_and_goes_on(tmp_path, capsys, monkeypatch) -> None:
    file, picture = tmp_path / "runs.csv", tmp_path / "scores.png"
    command = ["compare", "--data", "digits", "--algorithms", "bp,drtp,f3", "--epochs", "3"]
    command += ["--width", "20", "--lr", "1e-3,1e-2", "--seeds", "0-1", "--out", str(file)]
    assert cli.main([*command, "--plot", str(picture)]) == 0
    printed = capsys.readouterr().out
    assert "digits, 1 hidden" in printed and "of the gap to drtp" in printed
    outcomes = read_outcomes(file)
    assert [o.part for o in outcomes].count("validation") == 6
    tests = [o for o in outcomes if o.part == "test"]
    assert sorted({o.seed for o in tests}) == [0, 1]
    assert all(o.score > 0.3 for o in tests if o.algorithm == "bp")
    assert picture.stat().st_size > 1000
    before = file.read_text()
    monkeypatch.setattr("f3.compare.runner.sweep", None)  # nothing is left to train
    assert cli.main(command) == 0
    assert file.read_text() == before
    assert capsys.readouterr().out == printed


def test_what_can_not_be_compared(tmp_path, capsys) -> None:
    assert cli.main(["compare", "--data", "nowhere"]) == 2
    assert "nowhere" in capsys.readouterr().err
    assert cli.main(["compare", "--algorithms", "magic"]) == 2
    assert "magic" in capsys.readouterr().err
    rows = np.random.default_rng(0).normal(size=(40, 4))
    np.savetxt(tmp_path / "own.csv", rows, delimiter=",", header="a,b,c,d")
    own = load("own.csv", tmp_path)
    assert own.regression and own.x.shape == (30, 3) and own.rows.shape == (30, 1)
    assert abs(float(own.rows.mean())) < 1e-6


def test_gaps_are_shares_of_the_way_to_backpropagation() -> None:
    assert f3.gap_closed(0.93, 0.90, 0.95) == pytest.approx(0.6)
    assert f3.gap_closed(0.62, 0.70, 0.60) == pytest.approx(0.8)  # losses
    assert f3.gap_closed(0.85, 0.90, 0.95) == pytest.approx(-1)
    assert np.isnan(f3.gap_closed(1.0, 0.5, 0.5))
