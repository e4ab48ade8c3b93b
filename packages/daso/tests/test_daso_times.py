"""Waits are hidden where they can be, and the model of the times is its formulas."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from problem import OPTIMIZERS, network, reference, train, vector

from daso import DASO, DASOConfig, Throttled
from daso.hub import Hub
from daso.predict import Link, Training, allreduce_seconds, predict, recommend
from daso.predict_command import measure_link
from daso.transport.inproc import inproc_transports, run_threads

TRAINING = Training(
    compute_s=0.1,
    parameters=1_000_000,
    local=Link.of(1e6),
    cross=Link.of(0.1),
    variation=0.0,
    ranks=1,
)


def test_an_all_reduce_costs_what_the_formulas_say() -> None:
    link = Link(1e-3, 1e-8)
    assert allreduce_seconds(1, 1e6, link) == 0
    assert allreduce_seconds(4, 1e6, link, "ring") == pytest.approx(0.015 + 6e-3)
    assert allreduce_seconds(5, 1e6, link, "halving") == pytest.approx(0.016 + 6e-3)


def test_exposed_waits_follow_from_the_clocks() -> None:
    # 4 MB to one other node at 100 Mbit/s: 0.32 s, of which W steps of 0.1 s are hidden
    for every, wait, exposed in ((4, 1, 0.22), (4, 2, 0.12), (4, 4, 0.0)):
        found = predict(TRAINING, 2, every=every, wait=wait, steps=400)
        assert found.sync_s == pytest.approx(0.32, rel=1e-3)
        assert found.exposed_s == pytest.approx(exposed / every, rel=0.02, abs=1e-9)
        assert found.step_s == pytest.approx(0.1 + exposed / every, rel=0.02)
    blocking = predict(TRAINING, 2, "local_sgd", every=4)
    assert blocking.exposed_s == pytest.approx(0.32 / 4, rel=0.02)
    ddp = predict(TRAINING, 2, "ddp")
    assert ddp.step_s == pytest.approx(0.1 + 0.32 - 0.6 * 0.1, rel=1e-3)
    assert recommend(TRAINING, 2) == (4, 4)


def test_daso_waits_for_stragglers_less_than_synchronous_training() -> None:
    fast = replace(TRAINING, cross=Link.of(1e6), variation=0.3, ranks=4)
    for nodes in (8, 1024):
        daso, ddp = predict(fast, nodes, every=8, wait=4), predict(fast, nodes, "ddp")
        assert daso.floor_s <= daso.step_s < ddp.step_s


def test_the_table_for_a_thousand_nodes_comes_from_one_command(tmp_path) -> None:
    table, plot = tmp_path / "table.json", tmp_path / "plot.png"
    command = [sys.executable, "-m", "daso.predict", "--json", str(table), "--plot", str(plot)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=50, check=True)
    rows = json.loads(table.read_text())
    assert [row["nodes"] for row in rows] == [4, 16, 64, 256, 1024]
    assert all(row["floor ms"] <= row["DASO ms"] < row["DDP ms"] for row in rows)
    assert "1,024" in run.stdout
    assert plot.read_bytes().startswith(b"\x89PNG")


def throttled(gbit_s, latency_s=0.0):
    def prepare(transport):
        return replace(transport, cross=Throttled(transport.cross, gbit_s, latency_s))

    return prepare


def test_a_throttled_link_takes_its_time() -> None:
    def work(transport):
        group = throttled(0.1, 0.01)(transport).cross
        x = torch.full((250_000,), float(transport.topology.node))
        began = time.monotonic()
        group.allreduce(x).wait(10)
        assert x[0] == 1
        group.bcast(x, 1).wait(10)
        taken = time.monotonic() - began
        link = measure_link(group, transport.world, sizes=(10, 100_000))
        return taken, link

    for taken, link in run_threads([0, 1], work):
        # 1 MB each way, twice, at 12.5 MB/s, and three messages of 10 ms
        assert 0.19 <= taken < 1.0
        assert link.seconds_per_byte == pytest.approx(8e-8, rel=0.3)
        assert link.latency_s >= 0.009
    with pytest.raises(ValueError, match="gbit_s"):
        Throttled(Hub(1).member(0), 0.0)


@pytest.mark.parametrize(("wait", "is_hidden"), [(8, True), (1, False)])
def test_exchanges_are_hidden_behind_steps_that_last_longer(wait, is_hidden) -> None:
    # 0.1 s for an exchange, steps of 25 ms: eight of them cover it twice
    config = DASOConfig.fixed(8, wait, total_steps=999)

    def work(transport):
        n = 125_000
        model = torch.nn.Linear(n, 1, bias=False)
        opt = DASO(torch.optim.SGD(model.parameters(), 0.0), model, config=config,
                   transport=throttled(0.04)(transport))  # fmt: skip
        model.weight.grad = torch.zeros_like(model.weight)
        for _ in range(24 + wait):
            time.sleep(0.025)
            opt.step()
        opt.stats.merged = max(1, opt.stats.merged)
        return opt.stats.seconds["wait_global"] / (24 + wait), opt.stats.merged

    for exposed, merged in run_threads([0, 1], work):
        assert merged == 3
        if is_hidden:
            assert exposed < 0.05 * 0.025
        else:
            assert exposed > 0.05 * 0.025


def test_without_threads_steps_and_layers_drive_the_exchange() -> None:
    config = DASOConfig.fixed(4, 3, total_steps=20, wire="bf16")
    transports = inproc_transports([0, 0, 1, 1], threaded=False)

    def work(transport):
        own = transports[transport.topology.rank]
        model = network()
        opt = DASO(OPTIMIZERS["momentum"](model.parameters()), model, config=config, transport=own)
        assert not own.courier.threaded
        train(opt, 20)
        opt.finish()
        return vector(model)

    expected = vector(reference([0, 0, 1, 1], 20, config).model)
    for found in run_threads([0, 0, 1, 1], work):
        assert torch.allclose(found, expected, atol=1e-6)


def test_the_delay_corrected_rule_stays_near_synchronous_training() -> None:
    # eight nodes; the paper's rule throws away more the more nodes there are
    from sklearn.datasets import load_digits

    from daso.reference import simulate

    x, y = (torch.tensor(a) for a in load_digits(return_X_y=True))
    x = x.float() / 8 - 1
    generator = torch.Generator().manual_seed(0)
    picks = [torch.randint(len(x), (8, 16), generator=generator) for _ in range(150)]
    steps = [[[(x[p], y[p])] for p in pick] for pick in picks]
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))

    def loss(net, batch):
        return torch.nn.functional.cross_entropy(net(batch[0]), batch[1])

    def final(config):
        trained = simulate(model, OPTIMIZERS["momentum"], loss, steps, config).model
        with torch.no_grad():
            return float(loss(trained, (x, y)))

    synchronous = final(DASOConfig(total_steps=150, warmup_steps=150))
    corrected = final(DASOConfig.fixed(4, 3, total_steps=150))
    stale = final(DASOConfig.fixed(4, 3, merge="stale_average", total_steps=150))
    assert corrected < 1.3 * synchronous
    assert corrected < stale
