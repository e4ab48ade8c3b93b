"""The controller: schedule, ranks, tied weights, checkpoints, errors."""

import copy
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import lowrank
from lowrank.costs import break_even_rank
from lowrank.decompose import owners
from lowrank.nn import Factored, FactoredLinear
from lowrank.ranks import RankLimits, RankRule, Spectrum, propose_ranks
from lowrank.views import MatrixView


def problem(depth: int = 4, width: int = 32):
    torch.manual_seed(0)
    layers = [m for _ in range(depth) for m in (nn.Linear(width, width), nn.Tanh())]
    model = nn.Sequential(*layers, nn.Linear(width, 5))
    x = torch.randn(96, width)
    return model, x, torch.randint(0, 5, (96,))


def train(model, optimizer, x, y, steps: int) -> list[float]:
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def adam(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), 3e-3)


def test_the_published_schedule() -> None:
    """Convert at the delay, take in one more layer at each update, from the output on."""
    model, x, y = problem()
    optimizer = adam(model)
    config = lowrank.OIALRConfig.paper(
        total_steps=100, delay=20, frequency=10, cutoff=0.3, layer_fraction=0.25
    )
    controller = lowrank.OIALR(model, optimizer, config)
    assert [t.name for t in controller.targets] == ["0", "2", "4", "6"]
    train(model, optimizer, x, y, 19)
    assert not any(isinstance(m, Factored) for m in model.modules())
    train(model, optimizer, x, y, 1)
    assert [isinstance(model[i], FactoredLinear) for i in (0, 2, 4, 6, 8)] == [True] * 4 + [False]
    cut = {r["layer"] for r in controller.history if r["step"] == 20 and r["rank"] < 32}
    assert cut == {"6"}
    train(model, optimizer, x, y, 10)
    assert {r["layer"] for r in controller.history if r["step"] == 30} == {"4", "6"}
    assert model[6].rank >= 8
    assert json.loads(json.dumps(controller.history)) == controller.history


def test_a_layer_stays_dense_until_low_rank_pays() -> None:
    model, x, y = problem()
    optimizer = adam(model)
    settings = {"total_steps": 100, "delay": 10, "frequency": 10, "layer_fraction": 1.0}
    controller = lowrank.OIALR(model, optimizer, lowrank.OIALRConfig(**settings, cutoff=0.001))
    train(model, optimizer, x, y, 30)
    assert not any(isinstance(m, Factored) for m in model.modules())
    controller.detach()
    controller = lowrank.OIALR(model, optimizer, lowrank.OIALRConfig(**settings, cutoff=0.9))
    train(model, optimizer, x, y, 30)
    pays = break_even_rank(MatrixView((32, 32)))
    assert pays == 17
    assert all(model[i].rank <= pays for i in (0, 2, 4, 6))


def test_dense_layers_convert_when_they_have_settled() -> None:
    model, x, y = problem()
    optimizer = torch.optim.SGD(model.parameters(), 1e-6)  # nothing turns
    config = lowrank.OIALRConfig(
        total_steps=100, delay="auto", probe_every=2, frequency=10, cutoff=0.9, layer_fraction=1.0
    )
    controller = lowrank.OIALR(model, optimizer, config)
    train(model, optimizer, x, y, 10)
    assert all(isinstance(t.module, Factored) for t in controller.targets)
    assert controller.history[0]["stability"] == pytest.approx(1, abs=1e-4)


def test_folding_trains_both_factors() -> None:
    model, x, y = problem()
    optimizer = adam(model)
    config = lowrank.OIALRConfig(
        total_steps=60, delay=10, frequency=10, cutoff=0.4, layer_fraction=1.0, fold_at=0.5
    )
    lowrank.OIALR(model, optimizer, config)
    train(model, optimizer, x, y, 29)
    assert model[0].form == "usv"
    weight = model[0].weight.detach()
    losses = train(model, optimizer, x, y, 20)
    assert model[0].form == "ab"
    assert model[0].A.requires_grad
    assert "exp_avg_sq" in optimizer.state[model[0].B]
    assert (model[0].weight - weight).norm() > 0
    assert losses[-1] < losses[0]


def test_nothing_is_factored_after_a_fold() -> None:
    """A budget for all layers would else be met by the one that is left, which it would ruin."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 9), nn.Tanh(), nn.Linear(9, 64), nn.Linear(64, 3))
    optimizer = adam(model)
    config = lowrank.OIALRConfig(
        total_steps=60, delay=8, frequency=8, layer_fraction=1.0, fold_at=0.5,
        rank_rule="budget", rank_value=0.6, min_rank=1,
    )  # fmt: skip
    controller = lowrank.OIALR(model, optimizer, config)
    x, y = torch.randn(64, 8), torch.randint(0, 3, (64,))
    train(model, optimizer, x, y, 30)
    shapes = [tuple(p.shape) for p in model.parameters()]
    train(model, optimizer, x, y, 30)
    assert [tuple(p.shape) for p in model.parameters()] == shapes
    assert max(record["step"] for record in controller.history) <= 30


def test_tied_and_shared_layers_keep_their_identity() -> None:
    torch.manual_seed(0)
    a, b, shared = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 16)
    b.weight = a.weight
    model = nn.Sequential(a, shared, b, shared, nn.Linear(16, 3))
    optimizer = adam(model)
    config = lowrank.OIALRConfig(
        total_steps=50, delay=4, frequency=4, cutoff=0.5, layer_fraction=1.0, convert="at_delay"
    )
    controller = lowrank.OIALR(model, optimizer, config)
    assert [t.name for t in controller.targets] == ["0", "1"]
    x, y = torch.randn(32, 16), torch.randint(0, 3, (32,))
    train(model, optimizer, x, y, 20)
    assert model[1] is model[3]
    assert model[0].S is model[2].S
    assert model[0].U is model[2].U
    assert model[0].rank < 16
    assert len(list(model.parameters())) == len(optimizer.param_groups[0]["params"])


def test_selection_says_why_layers_are_left_out() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(9, 16)
            self.first = nn.Linear(16, 16)
            self.skinny = nn.Linear(64, 2)
            self.depthwise = nn.Conv1d(16, 16, 3, groups=16)
            self.frozen = nn.Linear(16, 16).requires_grad_(False)
            self.normed = nn.utils.parametrizations.weight_norm(nn.Linear(16, 16))
            self.middle = nn.Linear(16, 16)
            self.head = nn.Linear(16, 9)
            self.head.weight = self.embedding.weight

    selection = lowrank.select_layers(Model(), keep_last=False, keep_first=False)
    assert [t.name for t in selection.targets] == ["first", "middle"]
    assert {name: reason.split()[0] for name, reason in selection.kept.items()} == {
        "embedding": "a", "skinny": "a", "depthwise": "it", "frozen": "its", "normed": "its",
        "head": "shares",
    }  # fmt: skip
    chosen = lowrank.select_layers(Model(), target_modules=["mid*"]).targets
    assert [t.name for t in chosen] == ["middle"]
    kept = lowrank.select_layers(Model(), layers={"first": lowrank.LayerOptions(keep=True)}).targets
    assert [t.name for t in kept] == ["middle"]
    with pytest.raises(ValueError, match="no layer matches 'nothing'"):
        lowrank.select_layers(Model(), target_modules="nothing")
    with pytest.raises(ValueError, match="put it into a container"):
        lowrank.select_layers(nn.Linear(4, 4))
    with pytest.raises(ValueError, match="lazy modules"):
        lowrank.select_layers(nn.Sequential(nn.LazyLinear(4)))


def test_the_order_of_execution_is_found_with_a_sample() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last, self.first = nn.Linear(8, 8), nn.Linear(8, 8)
            self.norm, self.drop = nn.BatchNorm1d(8), nn.Dropout()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(self.drop(self.norm(self.first(x))))

    model = Model()
    model.drop.eval()
    state = torch.random.get_rng_state()
    chosen = lowrank.select_layers(model, sample=torch.ones(2, 8)).targets
    assert [t.name for t in chosen] == ["first"]
    assert [model.training, model.norm.training, model.drop.training] == [True, True, False]
    assert torch.equal(model.norm.running_mean, torch.zeros(8))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_the_global_random_state_is_left_alone() -> None:
    model, x, y = problem()
    optimizer = adam(model)
    config = lowrank.OIALRConfig(total_steps=20, delay=2, frequency=2, cutoff=0.5, layer_fraction=1)
    torch.manual_seed(7)
    state = torch.random.get_rng_state()
    lowrank.OIALR(model, optimizer, config)
    train(model, optimizer, x, y, 10)
    lowrank.merge(model)
    assert torch.equal(torch.random.get_rng_state(), state)


RULES = {
    "relative": (RankRule("relative", 0.25), 3),
    "energy": (RankRule("energy", 0.9), 2),
    "stable": (RankRule("stable", 1.0), 2),
    "fixed rank": (RankRule("fixed", 4), 4),
    "fixed share": (RankRule("fixed", 0.5), 3),
    "one each": (RankRule("fixed", {"x": 5}), 5),
    "own": (RankRule(lambda spectrum: len(spectrum.s) - 1), 4),
}


@pytest.mark.parametrize("rule", RULES)
def test_rank_rules(rule: str) -> None:
    spectrum = Spectrum("x", torch.tensor([4.0, 2.0, 1.0, 0.5, 0.25]), MatrixView((5, 6)), 5)
    limits = RankLimits(min_rank=1, max_drop=0.99)
    assert propose_ranks(RULES[rule][0], limits, [spectrum]) == {"x": RULES[rule][1]}


def test_rank_limits() -> None:
    spectrum = Spectrum("x", torch.zeros(40), MatrixView((40, 50)), 21)
    ranks = [
        propose_ranks(RankRule("relative", 0.1), limits, [spectrum])["x"]
        for limits in (
            RankLimits(min_rank=0.1, max_drop=0.99),
            RankLimits(min_rank=1, max_drop=0.5),
            RankLimits(min_rank=3, max_drop=0.9, multiple=8),
            RankLimits(min_rank=30),
        )
    ]
    assert ranks == [4, 11, 8, 21]


def test_a_budget_is_spent_where_it_helps_most() -> None:
    rng = np.random.default_rng(0)
    spectra = [
        Spectrum(
            str(i),
            torch.tensor(np.sort(rng.random(6))[::-1].copy()) * (1 + i / 5),
            MatrixView((6, 9)),
            6,
        )
        for i in range(3)
    ]
    ranks = propose_ranks(RankRule("budget", 120), RankLimits(1, 0.99), spectra)
    assert sum(ranks.values()) == 120 // 15
    lost = sum(float(x.s[ranks[x.name] :].square().sum()) for x in spectra)
    best = min(
        sum(float(x.s[r:].square().sum()) for x, r in zip(spectra, (a, b, 8 - a - b), strict=True))
        for a in range(1, 7)
        for b in range(1, 7)
        if 1 <= 8 - a - b <= 6
    )
    assert lost == pytest.approx(best)


def test_groups_share_the_largest_rank() -> None:
    s = torch.tensor([[1.0, 0.5, 0.01], [1.0, 0.01, 0.001]])
    spectrum = Spectrum("x", s, MatrixView((6, 3, 1), groups=2), 3)
    assert propose_ranks(RankRule("relative", 0.1), RankLimits(1, 0.99), [spectrum]) == {"x": 2}


def test_work_is_shared_evenly() -> None:
    assert owners([8, 1, 1, 1, 5], 2) == [0, 1, 1, 1, 1]
    assert owners([3, 2], 3) == [0, 1]


@pytest.mark.parametrize("stop", [7, 23, 41])
def test_a_run_that_was_stopped_goes_on_bit_for_bit(stop: int, tmp_path: Path) -> None:
    settings = lowrank.OIALRConfig(
        total_steps=60, delay=0.2, frequency=0.1, cutoff=0.4, rebound_steps=3, cooldown=1,
        layer_fraction=0.3, fold_at=0.6,
    )  # fmt: skip

    def fresh():
        model, x, y = problem()
        optimizer = adam(model)
        return model, optimizer, lowrank.OIALR(model, optimizer, settings), x, y

    model, optimizer, controller, x, y = fresh()
    train(model, optimizer, x, y, stop)
    lowrank.save(tmp_path / "run.pt", model, optimizer, controller, epoch=3)
    expected = train(model, optimizer, x, y, 60 - stop)
    model, optimizer, controller, x, y = fresh()
    with torch.no_grad():
        model[0].weight.fill_(0.5)
    assert lowrank.load(tmp_path / "run.pt", model, optimizer, controller) == {"epoch": 3}
    assert controller.t == stop
    assert train(model, optimizer, x, y, 60 - stop) == expected


def test_checkpoints_of_all_kinds() -> None:
    model, x, _ = problem()
    dense = copy.deepcopy(model)
    lowrank.factorize(model, rank=0.999, form="usv", only_smaller=False)
    expected = model(x)
    # into a factored model of other ranks, and of the other form
    for form, rank in (("usv", 3), ("ab", 5)):
        other = lowrank.factorize(copy.deepcopy(dense), rank=rank, form=form, only_smaller=False)
        other.load_state_dict(model.state_dict())
        assert torch.equal(other(x), expected)
    # into a dense model, and back
    dense.load_state_dict(lowrank.to_dense_state_dict(model.state_dict()))
    assert torch.allclose(dense(x), expected, atol=1e-5)
    model.load_state_dict(dense.state_dict())
    assert torch.allclose(model(x), expected, atol=1e-5)


def test_checkpoints_of_convolutions_and_attention() -> None:
    torch.manual_seed(0)

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.ConvTranspose1d(8, 8, 3, groups=2)
            self.attention = nn.MultiheadAttention(8, 2, kdim=6, batch_first=True)
            self.same = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.conv(x).mT
            x = self.attention(x, x[..., :6], x)[0]
            return self.same(x, x, x)[0]

    model, x = Model(), torch.randn(2, 8, 5)
    dense, expected = copy.deepcopy(model), model(x)
    lowrank.factorize(model, rank=0.999, only_smaller=False, keep_last=False)
    assert sum(isinstance(m, Factored) for m in model.modules()) == 7
    assert torch.allclose(model(x), expected, atol=1e-5)
    fresh = Model()
    fresh.load_state_dict(lowrank.to_dense_state_dict(model.state_dict()))
    assert torch.allclose(fresh(x), expected, atol=1e-5)
    with torch.no_grad():
        for parameter in dense.parameters():
            parameter.mul_(0.5)
    model.load_state_dict(dense.state_dict())
    assert torch.allclose(model(x), dense(x), atol=1e-5)


def test_factorize_meets_a_budget() -> None:
    model, _, _ = problem(width=64)
    lowrank.factorize(model, budget=0.3)
    layers = [x for x in lowrank.report(model).layers if x.form == "ab"]
    assert 0.2 * 4 * 64 * 64 < sum(x.stored for x in layers) <= 0.3 * 4 * 64 * 64


def test_the_report_tells_three_ratios_apart() -> None:
    model = nn.Sequential(nn.Linear(100, 100), nn.Conv1d(1, 4, 5), nn.Linear(96, 10))
    model[0] = lowrank.nn.factored(model[0], 20)
    account = lowrank.report(model, torch.randn(1, 1, 100))
    first, conv, last = account.layers
    assert (first.trainable, first.stored, first.export) == (400, 4400, 4000)
    others = conv.dense + last.dense + 100 + 4 + 10
    assert account.dense == 10_000 + others
    assert account.trainable_percent == pytest.approx(100 * (400 + others) / account.dense)
    assert account.stored_percent == pytest.approx(100 * (4400 + others) / account.dense)
    assert account.export_percent == pytest.approx(100 * (4000 + others) / account.dense)
    assert first.flops_forward == 2 * 4400
    assert conv.flops_forward == 2 * 96 * 4 * 5
    assert last.flops_dense == 6 * 4 * 960
    assert "20/100" in account.table()
    assert account.to_csv().count("\n") == 4
    assert json.dumps(account.to_dict())


def test_flops_are_those_that_torch_counts() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    model = nn.Sequential(nn.Linear(48, 48), nn.Unflatten(1, (3, 16)), nn.Conv1d(3, 8, 3))
    model[0] = lowrank.nn.factored(model[0], 7)
    model[2] = lowrank.nn.factored(model[2], 2)
    x = torch.randn(1, 48)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(x)
    account = lowrank.report(model, x)
    # torch does not see the product U S of a convolution, made once for all rows
    aside = 2 * 8 * 2 * 2
    assert (
        abs(counter.get_total_flops() - sum(x.flops_forward for x in account.layers))
        <= 14 * 2 * 4 + aside
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"delay": 200}, "delay 200"),
        ({"frequency": 0}, "frequency"),
        ({"cutoff": 1.0}, "cutoff"),
        ({"layer_fraction": 0}, "layer_fraction"),
        ({"max_drop": 1.0}, "max_drop"),
        ({"rank_rule": "odd"}, "rank rule 'odd'"),
        ({"convert": "never"}, "never"),
        ({"total_steps": 0}, "total_steps"),
        ({"layers": {"nix": lowrank.LayerOptions(keep=True)}}, "no layer matches 'nix'"),
    ],
)
def test_wrong_settings_are_refused_at_once(settings: dict, message: str) -> None:
    model, _, _ = problem()
    with pytest.raises(ValueError, match=message):
        lowrank.OIALR(model, adam(model), lowrank.OIALRConfig(**{"total_steps": 100, **settings}))


def test_nan_ends_or_is_passed_over() -> None:
    model, _, _ = problem()
    optimizer = adam(model)
    base = {"total_steps": 100, "delay": 1, "cutoff": 0.9, "layer_fraction": 1.0}
    with torch.no_grad():
        model[2].weight[0, 0] = math.inf
    controller = lowrank.OIALR(model, optimizer, lowrank.OIALRConfig(**base), attach=False)
    with pytest.raises(lowrank.NonFiniteWeightError, match="weight of 2"):
        controller.step()
    skipping = lowrank.OIALRConfig(**base, on_nonfinite="skip")
    controller = lowrank.OIALR(model, optimizer, skipping, attach=False)
    controller.step()
    assert [isinstance(model[i], Factored) for i in (0, 2, 4)] == [True, False, True]


def test_an_unwrapped_model_is_asked_for() -> None:
    model, _, _ = problem()
    wrapped = nn.parallel.DistributedDataParallel.__new__(nn.parallel.DistributedDataParallel)
    with pytest.raises(RuntimeError, match="pass the model itself"):
        lowrank.OIALR(wrapped, adam(model), lowrank.OIALRConfig(total_steps=10))


def test_measures() -> None:
    torch.manual_seed(0)
    W = torch.randn(12, 8)
    assert lowrank.stability(W, 3 * W) == pytest.approx(1, abs=1e-5)
    assert lowrank.stability(W, -W) == pytest.approx(-1, abs=1e-5)
    assert abs(lowrank.stability(W, torch.randn(12, 8))) < 0.5
    q = torch.linalg.qr(torch.randn(12, 12))[0]
    assert lowrank.subspace_overlap(q[:, :3], q[:, :5]) == pytest.approx(1, abs=1e-5)
    assert lowrank.subspace_overlap(q[:, :3], q[:, 3:]) == pytest.approx(0, abs=1e-5)
    assert lowrank.stable_rank(torch.eye(5)) == pytest.approx(5)
    assert lowrank.effective_rank(torch.eye(5)) == pytest.approx(5)
    assert lowrank.effective_rank(torch.zeros(3, 3)) == lowrank.stable_rank(torch.zeros(3, 3)) == 0
    assert lowrank.core_distance(W, q @ W) == pytest.approx(0, abs=1e-4)
    assert lowrank.core_distance(W, 2 * W) == pytest.approx(1, abs=1e-4)
