"""Command line, callbacks, plots, averaged models, initial weights, loading."""

import copy
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import lowrank
from lowrank import plots
from lowrank.__main__ import main
from lowrank.integrations.hf import LowRankTrainerCallback
from lowrank.integrations.lightning import LowRankCallback
from lowrank.nn import Factored, MultiheadAttention
from lowrank.parallel import Ledger


class Net(nn.Module):
    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.first = nn.Linear(16, 32)
            self.conv = nn.Conv1d(4, 8, 3, padding=1, groups=2)
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
            self.rnn = nn.GRU(8, 12, batch_first=True)
            self.last = nn.Linear(12, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(torch.tanh(self.first(x)).unflatten(1, (4, 8))).mT
        x = self.attention(x, x, x)[0]
        return self.last(self.rnn(x)[0][:, -1])


def factored(form: str = "ab") -> tuple[Net, torch.Tensor]:
    model = Net()
    lowrank.factorize(
        model, rank=0.4, form=form, target_parameters=["weight_hh_l0"], only_smaller=False
    )
    return model, torch.randn(5, 16)


def steps(model: nn.Module, optimizer: torch.optim.Optimizer, n: int) -> None:
    for _ in range(n):
        optimizer.zero_grad()
        model(torch.randn(8, 16)).square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize("form", ["ab", "usv"])
def test_a_factored_state_dict_goes_into_a_fresh_dense_model(form: str) -> None:
    model, x = factored(form)
    fresh = Net(5)
    assert lowrank.load_factored(fresh, model.state_dict()) is fresh
    assert torch.equal(fresh(x), model(x))
    assert isinstance(fresh.attention, MultiheadAttention)
    lowrank.load_factored(fresh, model.state_dict())  # and once more into a factored one
    assert torch.equal(fresh(x), model(x))


def test_the_command_line(tmp_path: Path, capsys) -> None:
    model, x = factored("usv")
    run, dense, small = (tmp_path / name for name in ("run.pt", "dense.pt", "small.pt"))
    torch.save(model.state_dict(), run)
    assert main(["report", str(run)]) == 0
    shown = capsys.readouterr().out
    assert "7/16" in shown
    assert f"{sum(isinstance(m, Factored) for m in model.modules())} factored layers" in shown
    assert main(["convert", str(run), str(dense)]) == 0
    plain = Net(5)
    plain.load_state_dict(torch.load(dense))
    torch.testing.assert_close(plain(x), model(x), rtol=1e-4, atol=1e-5)
    wide = nn.Sequential(nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 40))
    torch.save(wide.state_dict(), run)
    assert main(["convert", str(run), str(small), "--rank", "6"]) == 0
    assert "->" in capsys.readouterr().out
    loaded = lowrank.load_factored(copy.deepcopy(wide), torch.load(small))
    lowrank.factorize(wide, rank=6, keep_last=False)
    x = torch.randn(4, 40)
    torch.testing.assert_close(loaded(x), wide(x), rtol=1e-4, atol=1e-5)
    assert main(["report", str(tmp_path / "none.pt")]) == 1
    torch.save([1], run)
    assert main(["report", str(run)]) == 1
    assert "error:" in capsys.readouterr().err


def test_callbacks_begin_and_end_with_the_training() -> None:
    def settings(n: int) -> lowrank.OIALRConfig:
        return lowrank.OIALRConfig(
            total_steps=n, delay=2, frequency=2, cutoff=0.5, layer_fraction=1, convert="at_delay"
        )

    model = Net()
    optimizer = torch.optim.AdamW(model.parameters())
    callback = LowRankCallback(settings)
    trainer = SimpleNamespace(optimizers=[optimizer], estimated_stepping_batches=10)
    callback.on_train_start(trainer, model)
    steps(model, optimizer, 4)
    assert isinstance(model.first, Factored)
    callback.on_train_end(trainer, model)
    assert callback.controller.t == 4
    steps(model, optimizer, 1)
    assert callback.controller.t == 4
    with pytest.raises(ValueError, match="one optimiser"):
        callback.on_train_start(SimpleNamespace(optimizers=[]), model)

    model = Net()
    optimizer = torch.optim.AdamW(model.parameters())
    hugging = LowRankTrainerCallback(lambda n: lowrank.ABConfig(total_steps=n, warmup=1, period=4))
    state = SimpleNamespace(max_steps=10)
    hugging.on_train_begin(None, state, None, model=model, optimizer=optimizer)
    steps(model, optimizer, 2)
    assert isinstance(hugging.controller, lowrank.ABTraining)
    assert hugging.controller.mode == "a"
    hugging.on_train_end(None, state, None)
    model = Net()
    optimizer = torch.optim.AdamW(model.parameters())
    hugging = LowRankTrainerCallback(lambda n: lowrank.DLRTConfig(total_steps=n))
    hugging.on_train_begin(None, state, None, model=model, optimizer=optimizer)
    steps(model, optimizer, 2)
    assert isinstance(hugging.controller, lowrank.DLRT)
    hugging.on_train_end(None, state, None)
    with pytest.raises(ValueError, match="number of steps"):
        hugging.on_train_begin(None, SimpleNamespace(max_steps=-1), None, model=model,
                               optimizer=optimizer)  # fmt: skip


def test_averaged_models_follow() -> None:
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    averaged = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.5)
    )
    config = lowrank.OIALRConfig(
        total_steps=12, delay=4, frequency=2, cutoff=0.01, layer_fraction=1, convert="at_delay",
        fold_at=10, target_modules=["first", "conv"],
    )  # fmt: skip
    controller = lowrank.OIALR(model, optimizer, config)
    for event in ("convert", "update"):
        controller.on(event, lambda _: lowrank.remap_ema(averaged, model))
    x = torch.randn(5, 16)
    for step in range(12):
        steps(model, optimizer, 1)
        if step == 3:
            dense = copy.deepcopy(averaged.module.first.weight)
        averaged.update_parameters(model)
    assert isinstance(averaged.module.first, Factored)
    assert averaged.module.first.form == model.first.form == "ab"
    gap = (averaged.module.first.weight - model.first.weight).norm()
    assert 0 < gap < 0.3 * (dense - model.first.weight).norm() + 1e-3
    assert torch.allclose(averaged(x), model(x), atol=0.1)


def test_plots_draw_what_happened() -> None:
    pytest.importorskip("matplotlib")
    model = Net()
    optimizer = torch.optim.AdamW(model.parameters())
    config = lowrank.OIALRConfig(
        total_steps=12, delay=2, frequency=3, cutoff=0.5, layer_fraction=0.5, convert="at_delay"
    )
    controller = lowrank.OIALR(model, optimizer, config)
    steps(model, optimizer, 12)
    drawn = plots.ranks(controller.history).axes[0].images[0].get_array()
    last = [r for r in controller.history if r["layer"] == "first"][-1]
    assert drawn[0, -1] == pytest.approx(last["rank"] / last["max_rank"])
    assert len(plots.spectra(model).axes[0].lines) == 5
    ledger = Ledger()
    ledger.add("world", "mean", 2_000_000, 2_000_000, 3e6)
    assert plots.traffic(ledger).axes[0].patches[0].get_width() == pytest.approx(3)
    with pytest.raises(ValueError, match="no record"):
        plots.stability(controller.history)


@pytest.mark.parametrize("keep_gain", [True, False])
def test_orthogonal_initial_weights(keep_gain: bool) -> None:
    model = Net()
    state, norm = torch.random.get_rng_state(), model.first.weight.norm().item()
    lowrank.init.orthogonal_(model, keep_gain=keep_gain)
    s = torch.linalg.svdvals(model.first.weight)
    assert torch.allclose(s, s[0].expand(16), atol=1e-4)
    assert s[0].item() == pytest.approx(norm / 4 if keep_gain else 1, rel=1e-4)
    for group in model.conv.weight.flatten(1).chunk(2):
        s = torch.linalg.svdvals(group)
        assert math.isclose(s[0], s[-1], rel_tol=1e-3)
    assert torch.equal(torch.random.get_rng_state(), state)
