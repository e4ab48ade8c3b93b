"""Real jobs: MPI ranks and processes of torch.distributed against the serial reference."""

from __future__ import annotations

import pytest

PROGRAM = """
import atexit
import os
import torch
import torch.distributed as dist
from problem import OPTIMIZERS, network, reference, train, vector
from daso import DASO, DASOConfig

SETTINGS = [
    {"global_skips": 1, "batches_to_wait": 1},
    {"global_skips": 2, "batches_to_wait": 1, "merge": "stale_average"},
    {"global_skips": 4, "batches_to_wait": 3},
    {"global_skips": 4, "batches_to_wait": 2, "merge": "lerp"},
    {"global_skips": 4, "batches_to_wait": 0, "merge": "replace"},
    {"global_skips": 3, "batches_to_wait": 2, "layout": "rotating"},
    {"global_skips": 3, "batches_to_wait": 1, "layout": "rotating", "merge": "stale_average"},
    {"global_skips": 4, "batches_to_wait": 1, "wire": "bf16"},
    {"global_skips": 2, "batches_to_wait": 2, "wire": "int8", "bucket_mb": 3e-4},
    {"global_skips": 2, "batches_to_wait": 2, "wire": "fp16", "layout": "rotating"},
    {"global_skips": 4, "batches_to_wait": 1, "fragments": 3, "wire": "bf16"},
    {"global_skips": 5, "batches_to_wait": 2, "blocking": "parameters", "wire": "bf16"},
]
torch.set_num_threads(1)
agreed = []


@atexit.register
def report():  # after DASO's own end, which leaves no group of torch.distributed behind
    if agreed and not dist.is_initialized():
        os.write(1, f"rank {agreed[0]} agrees\\n".encode())


transport = None
for settings in SETTINGS:
    config = DASOConfig.fixed(
        **settings, total_steps=20, warmup_steps=3, cooldown_steps=4, timeout_s=20
    )
    model = network(norm=True)
    opt = DASO(
        OPTIMIZERS["momentum"](model.parameters()), model, config=config,
        transport=transport or "auto", local=os.environ.get("LOCAL", "auto"),
    )
    transport = opt.transport
    assert (opt.topology.n_nodes, opt.topology.local_size) == (2, 2), opt.topology
    found = torch.stack(train(opt, 20))
    opt.finish()
    expected = reference([0, 0, 1, 1], 20, config, norm=True)
    n = opt.flat.n_parameters
    for got, wanted in (
        (found[:, :n], torch.stack(expected.vectors)[:, opt.topology.node, :n]),
        (vector(model), vector(expected.model)),
    ):
        assert (got - wanted).abs().max() < 1e-6 * wanted.abs().max(), settings
agreed.append(opt.topology.rank)
"""


@pytest.mark.timeout(150)
def test_mpi_ranks_are_the_reference(mpirun) -> None:
    run = mpirun(4, PROGRAM, DASO_RANKS_PER_NODE="2")
    assert run.returncode == 0, run.stderr
    assert sorted(run.stdout.split("\n"))[1:] == [f"rank {r} agrees" for r in range(4)]


@pytest.mark.timeout(150)
@pytest.mark.parametrize("local", ["flat", "ddp"])
def test_processes_of_torch_distributed_are_the_reference(torchrun, local) -> None:
    run = torchrun(4, PROGRAM, DASO_RANKS_PER_NODE="2", LOCAL=local)
    assert run.returncode == 0, run.stderr
    assert sorted(run.stdout.split("\n"))[1:] == [f"rank {r} agrees" for r in range(4)]
