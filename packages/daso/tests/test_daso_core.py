"""Configuration, schedules, flat parameters, codecs and merge rules."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from daso import DASOConfig
from daso.codec import CODECS, Codec, bucket_slices
from daso.exchange import CompressedMean
from daso.flat import FlatParameters
from daso.hub import Hub, lockstep
from daso.merge import MERGE_RULES, merge_shift
from daso.plateau import PlateauDetector
from daso.schedule import CyclicSchedule, make_schedule

# -------------------------------------------------------------------- configuration


@pytest.mark.parametrize(
    ("settings", "kind", "words"),
    [
        ({"total_epochs": "5"}, TypeError, ["total_epochs", "int", "str"]),
        ({"total_epochs": 0}, ValueError, ["total_epochs", "1", "0"]),
        ({"warmup_epochs": True}, TypeError, ["warmup_epochs"]),
        ({"merge": "average"}, ValueError, ["merge", "delay_corrected", "'average'"]),
        ({"wire": "fp8"}, ValueError, ["wire", "int8", "'fp8'"]),
        ({"skip_reduction_factor": 1}, ValueError, ["skip_reduction_factor", "2", "1"]),
        ({"timeout_s": 0.0}, ValueError, ["timeout_s", "positive"]),
        ({"merge_alpha": 1.5}, ValueError, ["merge_alpha", "0...1", "1.5"]),
        ({"batches_to_wait": 5}, ValueError, ["batches_to_wait", "0...4", "5"]),
        ({"batches_to_wait": 0}, ValueError, ["batches_to_wait", "fixed"]),
        ({"total_steps": 9, "warmup_epochs": 1}, ValueError, ["epochs", "steps", "not both"]),
        ({"total_epochs": 9, "warmup_epochs": 5, "cooldown_epochs": 5}, ValueError, ["9", "5"]),
        ({"fragments": 9}, ValueError, ["fragments", "8", "9"]),
        ({"schedule": 3}, TypeError, ["schedule", "int"]),
        ({"colour": "red"}, TypeError, ["colour"]),
    ],
)
def test_bad_settings_are_refused_by_name(settings, kind, words) -> None:
    with pytest.raises(kind) as raised:
        DASOConfig(**settings)
    assert all(word in str(raised.value) for word in words), str(raised.value)


def test_configurations_survive_a_dictionary_and_have_fingerprints() -> None:
    config = DASOConfig.paper(total_epochs=90)
    assert DASOConfig.from_dict(config.to_dict()) == config
    assert config.fingerprint() == DASOConfig.paper(total_epochs=90).fingerprint()
    assert config.fingerprint() != config.replace(patience=3).fingerprint()
    slower = config.replace(timeout_s=9.0)
    assert config.fingerprint() != slower.fingerprint()
    assert config.fingerprint(operational=False) == slower.fingerprint(operational=False)


def test_blocking_phases_have_sensible_lengths_by_default() -> None:
    assert (DASOConfig(total_epochs=90).warmup, DASOConfig(total_epochs=90).cooldown) == (4, 4)
    assert (DASOConfig(total_epochs=8).warmup, DASOConfig(total_epochs=8).cooldown) == (2, 2)
    assert (DASOConfig(total_steps=100).warmup, DASOConfig(total_steps=100).cooldown) == (0, 0)
    assert (DASOConfig().warmup, DASOConfig().cooldown) == (4, 0)


# -------------------------------------------------------------------- schedules


def skips_on_plateaus(config: DASOConfig, n: int) -> list[tuple[int, int, int]]:
    schedule = CyclicSchedule(config)
    seen = []
    for _ in range(n):
        skips = schedule.skips
        seen.append((skips.every, skips.local, skips.wait))
        schedule.skips = schedule.next_skips()
    return seen


def test_the_cycle_of_the_paper() -> None:
    paper = DASOConfig.paper(max_global_skips=8)
    assert skips_on_plateaus(paper, 6) == [
        (4, 1, 1), (2, 1, 1), (1, 1, 1), (8, 2, 2), (4, 1, 1), (2, 1, 1),
    ]  # fmt: skip
    paper = DASOConfig.paper(max_global_skips=16)
    assert skips_on_plateaus(paper, 9)[3:] == [
        (16, 4, 4), (8, 2, 3), (4, 1, 2), (2, 1, 1), (1, 1, 1), (16, 4, 4),
    ]  # fmt: skip


def test_a_constant_loss_makes_each_stage_last_three_epochs() -> None:
    schedule = make_schedule(DASOConfig(total_epochs=40, warmup_epochs=0, cooldown_epochs=0))
    seen = []
    for _ in range(13):
        schedule.on_metric(1.0)
        schedule.on_epoch()
        seen.append(schedule.skips.every)
    assert seen == [4, 4, 4, 2, 2, 2, 1, 1, 1, 8, 8, 8, 4]


settings = st.fixed_dictionaries(
    {
        "max_global_skips": st.integers(1, 40),
        "initial_global_skips": st.integers(1, 40),
        "wait_factor": st.integers(1, 9),
        "skip_reduction_factor": st.integers(2, 9),
        "wait_decrement": st.sampled_from(["halve", "subtract_one"]),
        "local_skip_factor": st.one_of(st.none(), st.integers(1, 9)),
    }
)


@given(settings)
def test_no_settings_lead_out_of_the_cycle(given_settings) -> None:
    # originally W = -1 for max_global_skips 2 and 3, and B = 0 for ever for a factor of 8
    config = DASOConfig(**given_settings)
    schedule = CyclicSchedule(config)
    most = config.max_global_skips
    longest = math.ceil(math.log(most, config.skip_reduction_factor)) + 1 if most > 1 else 1
    since_top = 0
    for _ in range(40):
        schedule.skips = schedule.next_skips()
        skips = schedule.skips
        assert 1 <= skips.wait <= skips.every <= most
        assert skips.local >= 1
        since_top = 0 if skips.every == most else since_top + 1
        assert since_top <= longest


@given(
    st.sampled_from(["cyclic", "fixed", "auto"]),
    st.integers(1, 9),
    st.integers(0, 10),
    st.integers(0, 10),
    st.integers(1, 3),
    st.lists(st.integers(0, 9), min_size=60, max_size=60),
    st.integers(0, 59),
)
def test_actions_keep_their_promises(
    kind, every, warmup, cooldown, fragments, events, save
) -> None:
    fragments = min(fragments, every)
    config = DASOConfig(
        schedule=kind, max_global_skips=every, total_steps=60, warmup_steps=warmup,
        cooldown_steps=cooldown, patience=0, fragments=fragments,
    )  # fmt: skip
    schedule = make_schedule(config)
    in_flight, sent, merged = False, 0, 0
    for step, event in enumerate(events):
        if step == save:  # a copy from the saved state goes on with the same actions
            state, schedule = schedule.state_dict(), make_schedule(config)
            schedule.load_state_dict(state)
        action = schedule.action()
        assert action == schedule.action()
        blocking = step < warmup or step >= 60 - cooldown
        assert action.blocking == blocking
        if blocking:
            assert not (action.merge or action.send or in_flight)
        if action.merge:
            assert in_flight
            in_flight, merged = False, merged + 1
        if action.send:
            assert not in_flight
            assert 1 <= action.wait <= schedule.skips.every
            in_flight, sent = True, sent + 1
        if action.consensus:
            assert step == 59 - cooldown
            merged += in_flight
            in_flight = False
        schedule.advance()
        if event < 3:
            schedule.on_metric(float(event))
        elif event < 5:
            schedule.on_timing(1.0, float(event - 2))
    assert sent - merged == in_flight


def test_auto_covers_the_synchronisation_and_does_not_flap() -> None:
    schedule = make_schedule(DASOConfig(schedule="auto", total_steps=100, max_wait=10))
    schedule.on_timing(0.1, 0.31)
    assert schedule.skips.wait == 1  # one opinion is not enough
    schedule.on_timing(0.1, 0.31)
    assert (schedule.skips.wait, schedule.skips.every) == (4, 4)
    schedule.on_timing(0.1, 0.5)
    schedule.on_timing(0.1, 0.3)
    assert schedule.skips.wait == 4
    for _ in range(2):
        schedule.on_timing(0.1, 99.0)
    assert schedule.skips.wait == 10


@pytest.mark.parametrize(
    ("mode", "threshold_mode", "values", "expected"),
    [
        ("min", "rel", [1.0, 0.96, 0.96, 0.96, 0.96], [0, 0, 0, 1, 0]),
        ("min", "rel", [1.0, 0.94, 0.94, 0.94, 0.94], [0, 0, 0, 0, 1]),
        ("min", "rel", [-1.0, -1.04, -1.04, -1.04], [0, 0, 0, 1]),
        ("max", "abs", [0.5, 0.6, 0.64, 0.64, 0.64], [0, 0, 0, 0, 1]),
        ("min", "rel", [math.nan] * 4, [0] * 4),
    ],
)
def test_plateaus(mode, threshold_mode, values, expected) -> None:
    detector = PlateauDetector(0.05, 2, mode=mode, threshold_mode=threshold_mode)
    assert [detector.update(value) for value in values] == [bool(x) for x in expected]


# -------------------------------------------------------------------- vectors


def test_frozen_shared_and_odd_parameters_keep_their_places() -> None:
    shared = nn.Parameter(torch.randn(3, 2))
    parameters = [
        shared,
        nn.Parameter(torch.randn(4), requires_grad=False),
        nn.Parameter(torch.randn(())),
        shared,
        nn.Parameter(torch.randn(0, 5)),
        nn.Parameter(torch.randn(4, 3).t()),
        nn.Parameter(torch.randn(2, dtype=torch.bfloat16)),
        nn.Parameter(torch.randn(2, dtype=torch.complex64)),
    ]
    before = [p.detach().clone() for p in parameters]
    flat = FlatParameters(parameters, [torch.ones(3)], stripes=2, fragments=3)
    assert flat.n_parameters == 6 + 1 + 0 + 12 + 2 + 4
    assert (flat.n, flat.size, flat.dtype) == (28, 30, torch.float32)
    vector = flat.gather(flat.zeros())
    flat.apply(slice(0, flat.size), 0.0, vector)
    assert all(torch.equal(p, b) for p, b in zip(parameters, before, strict=True))
    for fragment in range(3):
        part = flat.fragment(fragment)
        flat.apply(part, 1.0, torch.arange(part.start, part.stop).float())
    expected = vector + torch.arange(30)
    assert torch.allclose(flat.gather(flat.zeros())[:25], expected[:25], rtol=2e-2)
    assert torch.equal(parameters[1], before[1])
    assert torch.equal(flat.buffers[0], torch.tensor([25.0, 26.0, 27.0]))  # taken over, not added


def test_gradients_that_no_rank_has_stay_none() -> None:
    parameters = [nn.Parameter(torch.ones(2)) for _ in range(3)]
    flat = FlatParameters(parameters)
    parameters[0].grad = torch.tensor([1.0, 2.0])
    vector = flat.gather_gradients(flat.zeros(flat.gradient_size))
    vector[flat.n_parameters + 1] = 0.5  # another rank had one
    flat.scatter_gradients(vector)
    assert parameters[0].grad.tolist() == [1, 2]
    assert parameters[1].grad.tolist() == [0, 0]
    assert parameters[2].grad is None


def test_sparse_gradients_and_lazy_modules_are_refused() -> None:
    embedding = nn.Embedding(5, 2, sparse=True)
    embedding(torch.tensor([1])).sum().backward()
    flat = FlatParameters(embedding.parameters())
    with pytest.raises(TypeError, match="sparse=False"):
        flat.gather_gradients(flat.zeros(flat.gradient_size))
    with pytest.raises(TypeError, match="lazy"):
        FlatParameters(nn.LazyLinear(3).parameters())


@given(st.integers(0, 50), st.integers(1, 20))
def test_buckets_cover_everything_once(m, size) -> None:
    covered = [i for part in bucket_slices(m, size) for i in range(m)[part]]
    assert covered == list(range(m))


# -------------------------------------------------------------------- codecs

BOUNDS = {"fp64": 0.0, "fp32": 0.0, "bf16": 2**-8, "fp16": 2**-11, "int8": 0.5 / 127}


@pytest.mark.parametrize("name", BOUNDS)
@pytest.mark.parametrize("m", [1, 255, 256, 700])
def test_round_trips_stay_within_the_rounding(name, m) -> None:
    codec: Codec = CODECS[name]()
    torch.manual_seed(0)
    x = torch.randn(3, m) * torch.logspace(-6, 3, 3)[:, None]
    wire = codec.encode(x)
    assert wire.shape == (3, codec.nbytes(m))
    error = (codec.decode(wire, m, x.dtype) - x).abs()
    largest = x.abs().amax(1, keepdim=True)
    assert (error <= BOUNDS[name] * largest * 1.001).all()
    assert not codec.decode(codec.encode(torch.zeros(1, m)), m, x.dtype).any()


def mean_of(codec: str, rows: torch.Tensor, means=None, weights=None) -> list[torch.Tensor]:
    n = len(rows)
    means = means or [CompressedMean(CODECS[codec](), 300) for _ in range(n)]
    hub = Hub(n)
    runs = [
        mean.run(hub.member(i), rows[i].clone(), weights or [1.0] * n, 0)
        for i, mean in enumerate(means)
    ]
    return [result[0] for result in lockstep(runs)]


@pytest.mark.parametrize("name", BOUNDS)
def test_a_mean_of_sixteen_is_within_two_roundings_and_equal_everywhere(name) -> None:
    torch.manual_seed(1)
    rows = torch.randn(16, 1000)
    found = mean_of(name, rows)
    assert all(torch.equal(x, found[0]) for x in found)
    exact = rows.double().mean(0)
    assert (found[0] - exact).abs().max() <= 2 * BOUNDS[name] * rows.abs().max() + 1e-6


@pytest.mark.parametrize("name", ["bf16", "fp16", "int8"])
def test_error_feedback_loses_nothing_in_the_long_run(name) -> None:
    torch.manual_seed(2)
    rows = torch.randn(2, 256) * 1e-3 + 1.0  # tiny differences beside a common large part
    means = [CompressedMean(CODECS[name](), 300) for _ in range(2)]
    total = torch.zeros(256, dtype=torch.float64)
    for _ in range(1000):
        total += mean_of(name, rows, means)[0]
    exact = 1000 * rows.double().mean(0)
    # what is still owed is at most a few single roundings
    assert (total - exact).abs().max() <= 4 * BOUNDS[name] * rows.abs().max()


def test_weights_count_and_a_weight_of_zero_leaves_out() -> None:
    rows = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])
    for name in ("fp32", "bf16"):
        found = mean_of(name, rows, weights=[1.0, 3.0, 0.0])
        assert found[0].tolist() == pytest.approx([3.25, 4.25, 5.25], rel=1e-2)


# -------------------------------------------------------------------- merging


@given(st.sampled_from(sorted(MERGE_RULES)), st.integers(1, 9), st.integers(0, 9))
def test_merge_rules_are_their_formulas(rule, nodes, delay) -> None:
    torch.manual_seed(3)
    sent = torch.randn(nodes, 5, dtype=torch.float64)
    now = sent + torch.randn(nodes, 5, dtype=torch.float64)
    mean = sent.mean(0)
    merged = []
    for node in range(nodes):
        keep, shift = merge_shift(rule, mean, sent[node], delay=delay, nodes=nodes, alpha=0.3)
        merged.append(keep * now[node] + shift)
    merged = torch.stack(merged)
    formula = {
        "delay_corrected": now + mean - sent,
        "stale_average": (2 * delay * now + nodes * mean) / (2 * delay + nodes),
        "replace": mean.expand_as(now),
        "lerp": 0.3 * now + 0.7 * mean,
    }[rule]
    assert torch.allclose(merged, formula, rtol=0, atol=1e-13)
    if rule == "delay_corrected":  # the mean over the nodes is kept
        assert torch.allclose(merged.mean(0), now.mean(0), rtol=0, atol=1e-13)
