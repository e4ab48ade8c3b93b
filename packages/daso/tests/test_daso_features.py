"""Schedulers, AMP, accumulation, clipping, BatchNorm, checkpoints, odd parameters, and metrics."""

from __future__ import annotations

import copy
import io
import threading
import time

import pytest
import torch
from problem import OPTIMIZERS, batch, loss, network, reference, train, vector
from torch import nn

from daso import (
    DASO,
    ConfigMismatchError,
    DASOConfig,
    DesyncError,
    NonFiniteError,
    Schedule,
    Skips,
    SyncTimeoutError,
    Topology,
    UnevenStepsError,
    compat_heat,
)
from daso.transport.inproc import inproc_transports, run_threads

TWO = [0, 1]
TWO_BY_TWO = [0, 0, 1, 1]


def wrap(transport, config=None, optimizer="momentum", *, norm=False):
    model = network(norm=norm)
    config = config or DASOConfig.fixed(2, 1, total_steps=100)
    return DASO(
        OPTIMIZERS[optimizer](model.parameters()), model, config=config, transport=transport
    )


def alone(config=None):
    return wrap(inproc_transports([0])[0], config)


# -------------------------------------------------------------------- the hand-computed course


@pytest.mark.parametrize(
    ("merge", "expected"),
    [
        ("delay_corrected", [-0.1, -0.2, -0.1, -0.2, -0.1]),
        ("stale_average", [-0.1, -0.2, -0.15, -0.25, -0.175]),
    ],
)
def test_two_nodes_with_opposite_gradients(merge, expected) -> None:
    # sent after steps 2 and 4, merged after steps 3 and 5
    def work(transport):
        model = nn.Module()
        model.x = nn.Parameter(torch.zeros(1, dtype=torch.float64))
        config = DASOConfig.fixed(2, 1, merge=merge, total_steps=99, wire="fp64")
        opt = DASO(
            torch.optim.SGD(model.parameters(), 0.1), model, config=config, transport=transport
        )
        seen = []
        for _ in range(5):
            model.x.grad = torch.tensor([1.0 - 2.0 * transport.topology.node], dtype=torch.float64)
            opt.step()
            seen.append(float(model.x))
        return seen

    for node, found in enumerate(run_threads(TWO, work)):
        assert found == pytest.approx([(1 - 2 * node) * x for x in expected], abs=1e-15)


@pytest.mark.parametrize("blocking", ["gradients", "parameters"])
@pytest.mark.parametrize("warmup", [0, 500])
def test_small_steps_survive_sixteen_bits(blocking, warmup) -> None:
    # weights sent as bf16 values would stay exactly 1.0
    config = DASOConfig.fixed(
        4, 2, total_steps=500, warmup_steps=warmup, wire="bf16", blocking=blocking
    )

    def work(transport):
        model = nn.Module()
        model.x = nn.Parameter(torch.ones(300))
        opt = DASO(
            torch.optim.SGD(model.parameters(), 1e-3), model, config=config, transport=transport
        )
        for _ in range(500):
            model.x.grad = -torch.ones(300)
            opt.step()
        opt.finish()
        return model.x.detach()

    for found in run_threads(TWO, work):
        assert (found - 1.5).abs().max() < 0.01


# -------------------------------------------------------------------- what users combine it with


SCHEDULERS = [
    lambda opt: torch.optim.lr_scheduler.StepLR(opt, 2),
    lambda opt: torch.optim.lr_scheduler.OneCycleLR(opt, 0.1, total_steps=9),
    lambda opt: torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(opt, 3),
    lambda opt: torch.optim.lr_scheduler.LambdaLR(opt, lambda t: 0.5**t),
    lambda opt: torch.optim.lr_scheduler.ReduceLROnPlateau(opt, patience=0),
]


@pytest.mark.parametrize("make", SCHEDULERS)
def test_schedulers_take_the_wrapper_like_an_optimizer(make) -> None:
    opt, plain = alone(), OPTIMIZERS["momentum"](network().parameters())
    assert isinstance(opt, torch.optim.Optimizer)
    on_wrapper, on_plain = make(opt), make(plain)
    for step in range(5):
        train(opt, 1, start=step)
        plain.step()
        for scheduler in (on_wrapper, on_plain):
            is_plateau = isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau)
            scheduler.step(*((1.0,) if is_plateau else ()))
        assert opt.param_groups[0]["lr"] == opt.inner.param_groups[0]["lr"]
        assert opt.param_groups[0]["lr"] == pytest.approx(plain.param_groups[0]["lr"])


def test_accumulated_gradients_count_one_step() -> None:
    config = DASOConfig(total_steps=9, warmup_steps=9)

    def work(transport, pieces):
        opt = wrap(transport, config)
        x, y = batch(0, transport.topology.rank)
        for xs, ys in zip(x.chunk(pieces), y.chunk(pieces), strict=True):
            with opt.no_sync():
                (loss(opt.module, (xs, ys)) / pieces).backward()
        opt.step()
        assert opt.global_step == 1
        return vector(opt.unwrapped)

    once = run_threads(TWO_BY_TWO, lambda t: work(t, 1))
    twice = run_threads(TWO_BY_TWO, lambda t: work(t, 4))
    assert torch.allclose(once[0], twice[3], atol=1e-6)


def test_the_clipped_norm_is_that_of_all_ranks_while_blocking() -> None:
    config = DASOConfig(total_steps=9, warmup_steps=9)

    def work(transport):
        opt = wrap(transport, config)
        loss(opt.module, batch(0, transport.topology.rank)).backward()
        norm = opt.clip_grad_norm_(0.1)
        clipped = torch.cat([p.grad.reshape(-1) for p in opt.unwrapped.parameters()])
        opt.step()
        return float(norm), float(clipped.norm())

    model = network()
    (sum(loss(model, batch(0, rank)) for rank in range(4)) / 4).backward()
    norm = float(torch.cat([p.grad.reshape(-1) for p in model.parameters()]).norm())
    for found in run_threads(TWO_BY_TWO, work):
        assert found == pytest.approx((norm, 0.1), rel=1e-4)


def test_autocast_trains_like_the_reference_without_it() -> None:
    def work(transport):
        opt = wrap(transport)
        for step in range(30):
            opt.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                value = loss(opt.module, batch(step, transport.topology.rank))
            value.backward()
            opt.step()
        opt.finish()
        return vector(opt.unwrapped)

    config = DASOConfig.fixed(2, 1, total_steps=100)
    exact = vector(reference(TWO, 30, config).model)
    found = run_threads(TWO, work)
    assert torch.equal(found[0], found[1])
    assert (found[0] - exact).abs().max() < 0.1


@pytest.mark.parametrize("warmup", [0, 8])
def test_a_scaler_skips_on_all_ranks_of_a_node_and_steps_still_count(warmup) -> None:
    config = DASOConfig.fixed(2, 1, total_steps=8, warmup_steps=warmup)

    def work(transport):
        opt = wrap(transport, config)
        scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=3)
        for step in range(8):
            opt.zero_grad()
            value = loss(opt.module, batch(step, transport.topology.rank))
            value = value * (float("inf") if step == 3 and transport.topology.rank == 1 else 1.0)
            scaler.scale(value).backward()
            if step % 2:
                opt.clip_grad_norm_(10.0, scaler=scaler)
            before = vector(opt.unwrapped)
            opt.step(scaler=scaler)
            if step == 3 and (warmup or transport.topology.node == 0):
                assert torch.equal(before, vector(opt.unwrapped))
        assert opt.global_step == 8
        assert vector(opt.unwrapped).isfinite().all()
        with pytest.raises(TypeError, match="scaler=scaler"):
            scaler.step(opt)
        return scaler.get_scale(), vector(opt.unwrapped)

    found = run_threads(TWO_BY_TWO, work)
    assert found[0][0] == found[1][0]
    assert torch.equal(found[0][1], found[1][1])
    if warmup:
        assert torch.equal(found[0][1], found[3][1])


def test_statistics_of_batch_norm_are_those_of_all_data_at_the_end() -> None:
    def work(transport):
        model = nn.Sequential(nn.BatchNorm1d(2, momentum=1.0, affine=True))
        config = DASOConfig.fixed(9, 1, total_steps=99)
        opt = DASO(
            torch.optim.SGD(model.parameters(), 0.0), model, config=config, transport=transport
        )
        rank = transport.topology.rank
        opt.module(torch.randn(50, 2, generator=torch.Generator().manual_seed(rank)) + rank)
        model[0].weight.grad, model[0].bias.grad = torch.zeros(2), torch.zeros(2)
        opt.step()
        own = model[0].running_mean.clone(), model[0].running_var.clone()
        opt.finish()
        return (*own, model[0].running_mean, model[0].running_var, model[0].num_batches_tracked)

    found = run_threads(TWO_BY_TWO, work)
    means, variances = torch.stack([f[0] for f in found]), torch.stack([f[1] for f in found])
    for *_, mean, variance, count in found:
        assert torch.allclose(mean, means.mean(0), atol=1e-6)
        assert torch.allclose(variance, variances.mean(0) + means.var(0, unbiased=False), atol=1e-5)
        assert count == 1


def test_evaluation_sees_the_mean_and_training_goes_on_as_if_it_had_not() -> None:
    config = DASOConfig.fixed(3, 2, total_steps=99)

    def work(transport, evaluate):
        opt = wrap(transport, config)
        train(opt, 7)
        assert opt.in_flight
        if evaluate:
            before = vector(opt.unwrapped)
            with opt.consensus() as model:
                seen = vector(model).clone()
            assert torch.equal(before, vector(opt.unwrapped))
        else:
            seen = vector(opt.unwrapped)
        train(opt, 5, start=7)
        return seen, vector(opt.unwrapped)

    plain = run_threads(TWO, lambda t: work(t, False))
    looked = run_threads(TWO, lambda t: work(t, True))
    for node in TWO:
        assert torch.equal(plain[node][1], looked[node][1])
        assert torch.allclose(looked[node][0], (plain[0][0] + plain[1][0]) / 2, atol=1e-6)


# -------------------------------------------------------------------- checkpoints


def through_file(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"wire": "bf16"},
        {"wire": "int8", "layout": "rotating"},
        {"outer": True},
        {"local_skips": 2},
    ],
    ids=str,
)
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(settings) -> None:
    settings = dict(settings)
    if settings.pop("outer", False):
        settings |= {"outer_optimizer": lambda p: torch.optim.SGD(p, 0.7, momentum=0.9)}
    config = DASOConfig.fixed(3, 2, total_steps=30, warmup_steps=3, cooldown_steps=3, **settings)

    def first(transport):
        opt = wrap(transport, config, norm=True)
        train(opt, 13)
        assert opt.in_flight
        state = through_file(opt.state_dict())
        train(opt, 17, start=13)
        opt.finish()
        return state, vector(opt.unwrapped)

    done = run_threads(TWO_BY_TWO, first)

    def second(transport):
        opt = wrap(transport, config, norm=True)
        opt.load_state_dict(done[transport.topology.rank][0])
        assert opt.global_step == 13
        train(opt, 17, start=13)
        opt.finish()
        return vector(opt.unwrapped)

    again = run_threads(TWO_BY_TWO, second)
    for (_, uninterrupted), resumed in zip(done, again, strict=True):
        assert torch.equal(uninterrupted, resumed)


def test_a_consensus_goes_on_with_other_nodes_and_ranks() -> None:
    config = DASOConfig(total_epochs=40, warmup_epochs=1, cooldown_epochs=1, patience=0)
    state = None
    for node_of in ([0, 0, 1, 1], [0, 1, 2, 3], [0, 0]):

        def work(transport, state=state):
            opt = wrap(transport, config, "adamw")
            if state is not None:
                opt.load_state_dict(copy.deepcopy(state))  # ranks are threads here
                assert vector(opt.unwrapped).equal(
                    torch.cat([t.reshape(-1) for t in state["model"].values()])
                )
            start = opt.global_step
            train(opt, 8, start=start, epoch=4)
            found = through_file(opt.consensus_state_dict())
            assert found["schedule"]["epoch"] == (start + 8) // 4
            return found

        states = run_threads(node_of, work)
        first = states[0]["model"]
        assert all(torch.equal(s["model"][k], first[k]) for s in states for k in first)
        if state is not None:
            assert states[0]["schedule"]["step"] == state["schedule"]["step"] + 8
        state = states[0]


def test_states_of_other_places_and_settings_are_refused() -> None:
    state = alone().state_dict()

    def work(transport):
        with pytest.raises(ValueError, match="consensus_state_dict"):
            wrap(transport).load_state_dict(state)

    run_threads(TWO, work)
    with pytest.raises(ValueError, match="another configuration"):
        alone(DASOConfig.fixed(3, 1, total_steps=100)).load_state_dict(state)
    with pytest.raises(ValueError, match="format"):
        alone().load_state_dict({"kind": "rank"})
    alone(DASOConfig.fixed(2, 1, total_steps=100, timeout_s=5.0)).load_state_dict(state)


# -------------------------------------------------------------------- findings in the original


def test_frozen_parameters_stay_and_others_are_not_mixed_up() -> None:
    # originally weights changed by 0.46 in one synchronisation at learning rate 0
    def work(transport):
        model = network()
        model[0].weight.requires_grad_(False)
        before = vector(model)
        opt = DASO(
            torch.optim.SGD(model.parameters(), 0.0), model,
            config=DASOConfig.fixed(1, 1, total_steps=9), transport=transport,
        )  # fmt: skip
        train(opt, 6)
        assert torch.equal(before, vector(model))
        model[0].weight.requires_grad_(True)
        opt.rebuild()
        assert opt.flat.n_parameters == before.numel()
        opt.param_groups[0]["lr"] = 0.1
        train(opt, 3, start=6)
        opt.finish()
        return vector(model)

    found = run_threads(TWO, work)
    assert torch.equal(found[0], found[1])


def test_pretrained_weights_and_random_state_are_left_alone() -> None:
    model = network()
    before, state = vector(model), torch.get_rng_state()
    DASO(OPTIMIZERS["sgd"](model.parameters()), model, transport=inproc_transports([0])[0])
    assert torch.equal(before, vector(model))
    assert torch.equal(state, torch.get_rng_state())


def test_all_ranks_start_with_the_model_of_rank_0() -> None:
    def work(transport, init_sync):
        model = network(norm=True)
        with torch.no_grad():
            for tensor in model.state_dict().values():
                tensor.add_(transport.topology.rank)
        config = DASOConfig(init_sync=init_sync)
        DASO(OPTIMIZERS["sgd"](model.parameters()), model, config=config, transport=transport)
        return vector(model)

    assert all(torch.equal(v, vector(network(norm=True))) for v in
               run_threads(TWO_BY_TWO, lambda t: work(t, "broadcast")))  # fmt: skip
    with pytest.raises(ConfigMismatchError, match="model"):
        run_threads(TWO_BY_TWO, lambda t: work(t, "check"))


def test_different_settings_are_noticed_on_all_ranks() -> None:
    def work(transport):
        config = DASOConfig.fixed(2, 1, total_steps=9 + transport.topology.rank)
        with pytest.raises(ConfigMismatchError, match=r"total_steps \(rank 0: 9, rank 1: 10"):
            wrap(transport, config)

    run_threads(TWO, work)


def test_groups_of_parameters_are_all_trained_and_can_be_added() -> None:
    def work(transport):
        model = network()
        inner = torch.optim.SGD([{"params": model[0].parameters()}], 0.1)
        opt = DASO(inner, model, config=DASOConfig.fixed(2, 1, total_steps=9), transport=transport)
        opt.add_param_group({"params": list(model[2].parameters()), "lr": 0.01})
        assert opt.flat.n_parameters == vector(model).numel()
        assert opt.state is inner.state
        train(opt, 5)
        opt.finish()
        return vector(model)

    found = run_threads(TWO, work)
    assert torch.equal(found[0], found[1])


def test_a_loop_may_end_at_any_batch() -> None:
    # originally the number of the last batch had to be set by hand
    config = DASOConfig(total_epochs=6, warmup_epochs=1, cooldown_epochs=1)

    def work(transport):
        opt = wrap(transport, config)
        for epoch, steps in enumerate((3, 7, 1, 5, 2, 4)):
            train(opt, steps, start=10 * epoch)
            opt.epoch_end(1.0)
        opt.finish()
        assert (opt.schedule.epoch, opt.global_step) == (6, 22)
        return vector(opt.unwrapped)

    found = run_threads(TWO, work)
    assert torch.equal(found[0], found[1])


@pytest.mark.parametrize("settings", [{"striped": True}, {"striped": False}])
def test_what_travels_is_counted_and_no_more_than_needed(settings) -> None:
    # originally one more broadcast a cycle, and one call for each tensor
    layout = "striped" if settings["striped"] else "rotating"
    config = DASOConfig.fixed(4, 2, layout=layout, total_steps=99)

    def work(transport):
        opt = wrap(transport, config)
        train(opt, 15)
        return opt.stats, opt.flat.n

    found = run_threads(TWO_BY_TWO, work)
    n = found[0][1]
    per_node = sum(stats.wire_bytes for stats, _ in found[:2])
    merged = found[0][0].merged
    assert merged == 3
    assert per_node == pytest.approx(merged * 4 * n, rel=0.02)  # 2 (P-1)/P n bytes
    assert all(stats.delays == {2: 3} for stats, _ in found)


def test_own_schedules_are_followed() -> None:
    class Doubling(Schedule):
        def on_metric(self, value: float) -> None:
            assert value == 1.0
            self.skips = Skips(2 * self.skips.every, 1)

    opt = alone(DASOConfig(schedule=Doubling, total_epochs=9, warmup_epochs=0))
    opt.epoch_end(1.0)
    opt.epoch_end(1.0)
    assert (opt.global_skip, opt.batches_to_wait, opt.phase) == (16, 1, "cycling")


# -------------------------------------------------------------------- failures


def failing(node_of, work, kind):
    """The errors of all ranks."""

    def run(transport):
        try:
            work(transport)
        except Exception as error:
            return [error]
        return []

    began = time.monotonic()
    outcomes = run_threads(node_of, run)
    errors = [error for outcome in outcomes for error in outcome]
    assert len(errors) == len(node_of)
    assert all(isinstance(error, kind) for error in errors), errors
    return errors, time.monotonic() - began


def steps_of(counts):
    config = DASOConfig.fixed(2, 1, total_steps=99, timeout_s=2.0)

    def work(transport):
        opt = wrap(transport, config)
        train(opt, counts[transport.topology.rank])
        opt.finish()

    return work


@pytest.mark.parametrize("settings", [{"wire": "int8"}, {"layout": "rotating"}, {"local_skips": 2}])
def test_checksums_agree_until_someone_meddles(settings) -> None:
    config = DASOConfig.fixed(2, 1, total_steps=99, timeout_s=5.0, verify="checksum", **settings)

    def work(transport, meddle):
        opt = wrap(transport, config)
        train(opt, 10)
        if meddle and transport.topology.rank == 1:
            with torch.no_grad():
                next(opt.unwrapped.parameters()).add_(1.0)
        train(opt, 5, start=10)

    run_threads(TWO_BY_TWO, lambda t: work(t, False))
    if "local_skips" not in settings:
        with pytest.raises((DesyncError, SyncTimeoutError)):
            run_threads(TWO_BY_TWO, lambda t: work(t, True))


def test_a_node_with_fewer_batches_is_named() -> None:
    errors, _ = failing(TWO_BY_TWO, steps_of([10, 10, 7, 7]), (UnevenStepsError, SyncTimeoutError))
    assert any(isinstance(e, UnevenStepsError) and "agree_steps" in str(e) for e in errors)


def test_one_batch_fewer_on_one_rank_is_an_error_on_all_in_time() -> None:
    _, seconds = failing(TWO_BY_TWO, steps_of([10, 10, 10, 9]), (DesyncError, SyncTimeoutError))
    assert seconds < 2.0 + 5.0


def test_others_stop_with_the_first_if_they_are_told_to() -> None:
    config = DASOConfig.fixed(2, 1, total_steps=99, timeout_s=10.0, uneven="stop")

    def work(transport):
        opt = wrap(transport, config)
        for step in range(20 if transport.topology.node else 9):
            train(opt, 1, start=step)
            if opt.should_stop:
                break
        opt.finish()
        return opt.global_step, vector(opt.unwrapped)

    found = run_threads(TWO_BY_TWO, work)
    assert found[0][0] == 9
    assert 9 < found[2][0] < 14
    assert all(torch.equal(f[1], found[0][1]) for f in found)


@pytest.mark.parametrize("warmup", [0, 99])
def test_a_wish_to_stop_reaches_all_at_the_same_step(warmup) -> None:
    config = DASOConfig.fixed(2, 1, total_steps=99, warmup_steps=warmup)

    def work(transport):
        opt = wrap(transport, config)
        for step in range(50):
            if (step, transport.topology.rank) == (5, 3):
                opt.stop()
            train(opt, 1, start=step)
            if opt.should_stop:
                break
        opt.finish()
        return opt.global_step

    steps = run_threads(TWO_BY_TWO, work)
    assert len(set(steps)) == 1
    assert steps[0] < 12


def poisoned(transport, config):
    opt = wrap(transport, config)
    for step in range(12):
        opt.zero_grad()
        loss(opt.module, batch(step, transport.topology.rank)).backward()
        if step == 4 and transport.topology.rank == 2:
            next(opt.unwrapped.parameters()).grad.fill_(float("nan"))
        opt.step()
    opt.finish()
    return opt.stats.skipped, vector(opt.unwrapped)


@pytest.mark.parametrize("warmup", [0, 12])
def test_numbers_that_are_none_are_reported_by_node(warmup) -> None:
    config = DASOConfig.fixed(2, 1, total_steps=12, warmup_steps=warmup, timeout_s=5.0)
    errors, _ = failing(TWO_BY_TWO, lambda t: poisoned(t, config), NonFiniteError)
    assert warmup or any("nodes [1]" in str(error) for error in errors)


@pytest.mark.parametrize("warmup", [0, 12])
def test_a_lost_node_takes_the_mean_of_the_others(warmup) -> None:
    config = DASOConfig.fixed(
        2,
        1,
        total_steps=12,
        warmup_steps=warmup,
        nonfinite="skip_node",
        sync_optimizer_state="never",
    )

    def poisoned_sgd(transport, config):
        model = network()
        opt = DASO(OPTIMIZERS["sgd"](model.parameters()), model, config=config, transport=transport)
        for step in range(12):
            opt.zero_grad()
            loss(opt.module, batch(step, transport.topology.rank)).backward()
            if step == 4 and transport.topology.rank == 2:
                next(model.parameters()).grad.fill_(float("nan"))
            opt.step()
        opt.finish()
        return opt.stats.skipped, vector(model)

    found = run_threads(TWO_BY_TWO, lambda t: poisoned_sgd(t, config))
    assert all(v.isfinite().all() and torch.equal(v, found[0][1]) for _, v in found)
    assert [skipped for skipped, _ in found] == ([0, 0, 1, 1] if not warmup else [0] * 4)


def test_a_silent_node_is_a_timeout_with_a_diagnosis() -> None:
    release = threading.Event()

    def work(transport):
        opt = wrap(transport, DASOConfig.fixed(2, 1, total_steps=99, timeout_s=1.0))
        if transport.topology.node == 1:
            train(opt, 3)
            release.wait(20)
            raise SyncTimeoutError("the silent node")
        try:
            train(opt, 20)
        finally:
            release.set()

    errors, seconds = failing(TWO, work, SyncTimeoutError)
    assert all(word in str(errors[0]) for word in ("step", "ranks 0, 1", "1 s", "timeout_s"))
    assert seconds < 6


def test_what_cannot_be_trained_is_refused() -> None:
    model = network()
    with pytest.raises(TypeError, match="must be a torch"):
        DASO("sgd", model)
    with pytest.raises(ValueError, match="not the model's"):
        DASO(torch.optim.SGD(network().parameters(), 0.1), model)
    with pytest.raises(TypeError, match="LBFGS"):
        DASO(torch.optim.LBFGS(model.parameters()), model)


# -------------------------------------------------------------------- topologies, metrics, Heat


def test_any_placement_is_understood(monkeypatch) -> None:
    topology = Topology.from_table(3, ["b", "a", "b", "a", "b"])
    assert (topology.node_of, topology.local_ranks, topology.local_rank) == (
        (0, 1, 0, 1, 0),
        (1, 3),
        1,
    )
    assert (topology.stripes, topology.peers, topology.is_uniform) == (2, (2, 3), False)
    assert Topology.from_table(4, [0, 1, 0, 1, 0]).peers == ()
    assert "node 0: ranks 0, 2, 4" in topology.describe()
    monkeypatch.setenv("DASO_RANKS_PER_NODE", "")
    for name, value in {"RANK": "5", "WORLD_SIZE": "6", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    assert Topology.from_env().node_of == (0, 0, 1, 1, 2, 2)
    monkeypatch.delenv("RANK")
    slurm = {"SLURM_PROCID": "1", "SLURM_NTASKS": "7", "SLURM_TASKS_PER_NODE": "2(x3),1"}
    for name, value in slurm.items():
        monkeypatch.setenv(name, value)
    assert Topology.from_env().node_of == (0, 0, 1, 1, 2, 2, 3)
    monkeypatch.delenv("SLURM_PROCID")
    with pytest.raises(RuntimeError, match="torchrun"):
        Topology.from_env()


def test_metrics_say_what_happened() -> None:
    seen = []

    def work(transport):
        opt = wrap(transport, DASOConfig.fixed(2, 1, total_steps=99))
        opt.stats.callback = lambda stats: seen.append(stats.merged)
        train(opt, 12)
        spread = opt.stats.summary(transport.world, 5.0)
        assert spread["steps"] == (12, 12, 12)
        assert 0 < opt.stats.drift < 1
        assert 0 <= opt.stats.overlap <= 1
        return opt.stats.snapshot()

    found = run_threads(TWO, work)
    assert all(f["merged"] == 5 and f["started"] == 6 and f["step_s"] > 0 for f in found)
    assert sorted(seen) == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_samples_can_be_weights() -> None:
    config = DASOConfig.fixed(1, 0, weights="samples", merge="replace", total_steps=9)

    def work(transport):
        model = nn.Module()
        model.x = nn.Parameter(torch.zeros(1))
        opt = DASO(
            torch.optim.SGD(model.parameters(), 1.0), model, config=config, transport=transport
        )
        model.x.grad = torch.tensor([-4.0 * transport.topology.node])
        opt.count_samples(1 + 2 * transport.topology.node)
        opt.step()
        return float(model.x)

    assert run_threads(TWO, work) == [3.0, 3.0]


HEAT_ERRORS = [
    ({"local_optimizer": "sgd"}, TypeError),
    ({"total_epochs": "a"}, TypeError),
    ({"total_epochs": -1}, ValueError),
    ({"comm": "world"}, TypeError),
    ({"warmup_epochs": "a"}, TypeError),
    ({"warmup_epochs": -1}, ValueError),
    ({"cooldown_epochs": -1}, ValueError),
    ({"scheduler": torch.optim.lr_scheduler.StepLR}, ValueError),
    ({"stability_level": "a"}, TypeError),
    ({"max_global_skips": "a"}, TypeError),
    ({"sending_chunk_size": "a"}, TypeError),
    ({"sending_chunk_size": -1}, ValueError),
    ({"downcast_type": "a"}, TypeError),
    ({"downcast_type": torch.bool}, ValueError),
    ({"use_mpi_groups": "a"}, TypeError),
    ({"skip_reduction_factor": "a"}, TypeError),
    ({"skip_reduction_factor": 1}, ValueError),
    ({"local_skip_factor": "a"}, TypeError),
]


@pytest.mark.parametrize(("settings", "kind"), HEAT_ERRORS, ids=str)
def test_the_adapter_refuses_what_heat_refuses(settings, kind) -> None:
    good = {"local_optimizer": OPTIMIZERS["sgd"](network().parameters()), "total_epochs": 20}
    with pytest.raises(kind):
        compat_heat.DASO(**good | settings)


def test_a_script_for_heat_runs_through_the_adapter(capsys) -> None:
    model = network()
    with pytest.warns(DeprecationWarning, match="use_mpi_groups"):
        opt = compat_heat.DASO(OPTIMIZERS["sgd"](model.parameters()), 10, use_mpi_groups=False)
    with pytest.raises(RuntimeError, match="set_model"):
        opt.step()
    opt.set_model(model)
    before = copy.deepcopy(model)
    opt.last_batch = 2
    for epoch in range(10):
        for step in range(3):
            opt.zero_grad()
            loss(model, batch(3 * epoch + step, 0)).backward()
            opt.step()
        opt.epoch_loss_logic(1.0)
    opt.print0("done", 10)
    assert capsys.readouterr().out == "done 10\n"
    assert not torch.equal(vector(before), vector(model))
    opt.reset()
    assert opt.opt is not None
    assert opt.opt.global_step == 0
