"""Training on many ranks is what it should be: the serial reference, or plain training."""

from __future__ import annotations

import pytest
import torch
from problem import OPTIMIZERS, batch, loss, network, reference, train, vector

from daso import DASO, DASOConfig
from daso.transport.inproc import run_threads

TWO_BY_TWO = [0, 0, 1, 1]


def run(node_of, config, steps, optimizer="momentum", *, norm=False, dtype=torch.float32, epoch=0):
    """Every rank's model after each step, and at the end."""

    def work(transport):
        model = network(norm=norm, dtype=dtype)
        opt = DASO(
            OPTIMIZERS[optimizer](model.parameters()), model, config=config, transport=transport
        )
        seen = train(opt, steps, dtype=dtype, epoch=epoch)
        opt.finish()
        return torch.stack([*seen, vector(model)])

    return run_threads(node_of, work)


def synchronous(ranks, steps, optimizer, dtype):
    """Plain training on the batches of all ranks together."""
    model = network(dtype=dtype)
    inner = OPTIMIZERS[optimizer](model.parameters())
    seen = []
    for step in range(steps):
        inner.zero_grad()
        (sum(loss(model, batch(step, rank, dtype)) for rank in range(ranks)) / ranks).backward()
        inner.step()
        seen.append(vector(model))
    return torch.stack(seen)


def differ(found, expected) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_one_rank_is_the_bare_optimizer_bit_for_bit(optimizer) -> None:
    config = DASOConfig(total_steps=30, warmup_steps=5, cooldown_steps=5)
    (found,) = run([0], config, 30, optimizer)
    assert torch.equal(found[:-1], synchronous(1, 30, optimizer, torch.float32))
    assert torch.equal(found[-1], found[-2])


def test_one_node_trains_as_plain_data_parallelism_and_sends_nothing() -> None:
    config = DASOConfig.fixed(4, total_steps=30)

    def work(transport):
        model = network()
        opt = DASO(
            OPTIMIZERS["adamw"](model.parameters()), model, config=config, transport=transport
        )
        seen = torch.stack(train(opt, 30))
        opt.finish()
        assert opt.stats.wire_bytes == opt.stats.payload_bytes == opt.stats.started == 0
        return seen

    found = run_threads([0, 0], work)
    assert torch.equal(found[0], found[1])
    assert differ(found[0], synchronous(2, 30, "adamw", torch.float32)) < 1e-5


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-12), (torch.float32, 3e-5)])
def test_blocking_gradients_are_synchronous_training(optimizer, dtype, bound) -> None:
    config = DASOConfig(total_steps=40, warmup_steps=40)
    found = run(TWO_BY_TWO, config, 40, optimizer, dtype=dtype)
    expected = synchronous(4, 40, optimizer, dtype)
    for rank in found:
        assert differ(rank[:-1], expected) < bound


def test_blocking_gradients_count_ranks_where_nodes_differ_in_size() -> None:
    config = DASOConfig(total_steps=20, warmup_steps=20)
    found = run([0, 1, 1, 0, 1], config, 20, "adamw", dtype=torch.float64)
    expected = synchronous(5, 20, "adamw", torch.float64)
    assert all(differ(rank[:-1], expected) < 1e-12 for rank in found)


def test_blocking_parameters_are_synchronous_for_sgd_but_not_for_adam() -> None:
    config = DASOConfig(total_steps=60, warmup_steps=60, blocking="parameters", wire="fp64")
    for optimizer, bound in (("sgd", 1e-13), ("momentum", 1e-13)):
        found = run(TWO_BY_TWO, config, 60, optimizer, dtype=torch.float64)
        assert differ(found[0][:-1], synchronous(4, 60, optimizer, torch.float64)) < bound
    found = run(TWO_BY_TWO, config, 60, "adamw", dtype=torch.float64)
    assert differ(found[0][:-1], synchronous(4, 60, "adamw", torch.float64)) > 1e-4


COMBINATIONS = [
    {"global_skips": 1, "batches_to_wait": 1},
    {"global_skips": 2, "batches_to_wait": 1, "merge": "stale_average"},
    {"global_skips": 4, "batches_to_wait": 3},
    {"global_skips": 4, "batches_to_wait": 4, "merge": "lerp"},
    {"global_skips": 4, "batches_to_wait": 0, "merge": "replace"},
    {"global_skips": 3, "batches_to_wait": 2, "layout": "rotating"},
    {"global_skips": 3, "batches_to_wait": 1, "layout": "rotating", "merge": "stale_average"},
    {"global_skips": 4, "batches_to_wait": 1, "wire": "bf16"},
    {"global_skips": 2, "batches_to_wait": 2, "wire": "int8"},
    {"global_skips": 2, "batches_to_wait": 2, "wire": "fp16", "layout": "rotating"},
    {"global_skips": 4, "batches_to_wait": 2, "fragments": 2},
    {"global_skips": 4, "batches_to_wait": 1, "fragments": 3, "wire": "bf16", "bucket_mb": 1e-4},
    {"global_skips": 4, "batches_to_wait": 2, "local_skips": 2},
    {"global_skips": 5, "batches_to_wait": 2, "blocking": "parameters", "wire": "bf16"},
]


@pytest.mark.parametrize("settings", COMBINATIONS, ids=str)
def test_distributed_training_is_the_serial_reference(settings) -> None:
    config = DASOConfig.fixed(**settings, total_steps=40, warmup_steps=5, cooldown_steps=5)
    found = run(TWO_BY_TWO, config, 40, norm=True)
    expected = reference(TWO_BY_TWO, 40, config, norm=True)
    n = sum(p.numel() for p in network(norm=True).parameters())
    steps = torch.stack(expected.vectors)  # (steps, nodes, numbers)
    assert differ(found[0][:-1, :n], steps[:, 0, :n]) < 1e-6
    assert differ(found[2][:-1, :n], steps[:, 1, :n]) < 1e-6
    final = vector(expected.model)
    assert all(differ(rank[-1], final) < 1e-6 for rank in found)


@pytest.mark.parametrize("outer", [False, True])
def test_presets_of_other_methods_are_the_reference_too(outer) -> None:
    preset = DASOConfig.diloco if outer else DASOConfig.local_sgd
    config = preset(4, total_steps=24)
    found = run(TWO_BY_TWO, config, 24, "adamw")
    final = vector(reference(TWO_BY_TWO, 24, config, "adamw").model)
    assert differ(found[0][-1], final) < 1e-5


def test_the_paper_preset_is_the_reference_over_all_phases() -> None:
    config = DASOConfig.paper(total_epochs=16, warmup_epochs=2, cooldown_epochs=2, patience=0)
    found = run(TWO_BY_TWO, config, 64, epoch=4)
    expected = reference(TWO_BY_TWO, 64, config, epoch=4)
    assert differ(found[3][-1], vector(expected.model)) < 1e-5


@pytest.mark.parametrize("node_of", [[0, 1, 0, 1], [0, 1, 1, 0, 1], [0, 1, 2], [0, 0, 0, 1]])
def test_any_placement_keeps_the_replicas_of_a_node_equal(node_of) -> None:
    config = DASOConfig.fixed(3, 2, total_steps=20, wire="bf16")
    found = run(node_of, config, 20)
    for step in range(20):
        for node in set(node_of):
            first, *others = [found[r][step] for r, n in enumerate(node_of) if n == node]
            assert all(torch.equal(first, other) for other in others)
    assert all(torch.equal(rank[-1], found[0][-1]) for rank in found)
