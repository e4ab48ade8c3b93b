"""A small training that tests share: a network, its batches, and its course in DASO's hands."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from daso import DASO, DASOConfig
from daso.reference import Trajectory, simulate

LOCK = threading.Lock()
DEVICE = os.environ.get("HPC_ML_TEST_DEVICE", "cpu")


def network(*, norm: bool = False, dtype: torch.dtype = torch.float32) -> nn.Module:
    with LOCK:  # ranks that are threads share the generator
        torch.manual_seed(5)
        layers: list[nn.Module] = [nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 3)]
    if norm:
        layers.insert(1, nn.BatchNorm1d(16))
    return nn.Sequential(*layers).to(DEVICE, dtype)


def batch(step: int, rank: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1000 * step + rank)
    x = torch.randn(8, 6, generator=generator)
    y = torch.stack((x[:, 0] * x[:, 1], x[:, 2].sin(), x[:, 3] - x[:, 4]), 1)
    return x.to(DEVICE, dtype), (y + 0.3 * rank).to(DEVICE, dtype)


def loss(model: nn.Module, data: tuple[Tensor, Tensor]) -> Tensor:
    return (model(data[0]) - data[1]).square().mean()


OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda p: torch.optim.SGD(p, 0.05),
    "momentum": lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, nesterov=True, weight_decay=1e-3),
    "adamw": lambda p: torch.optim.AdamW(p, 0.01),
    "adafactor": lambda p: torch.optim.Adafactor(p, 0.01),
}


def vector(model: nn.Module) -> Tensor:
    """Parameters, then floating buffers."""
    tensors = [*model.parameters(), *(b for b in model.buffers() if b.is_floating_point())]
    return torch.cat([p.detach().reshape(-1) for p in tensors])


def train(
    opt: DASO, steps: int, *, start: int = 0, epoch: int = 0, dtype: torch.dtype = torch.float32
) -> list[Tensor]:
    """Train, and give the model after each step."""
    seen, losses = [], []
    for step in range(start, start + steps):
        opt.zero_grad()
        value = loss(opt.module, batch(step, opt.topology.rank, dtype))
        value.backward()
        opt.step()
        losses.append(float(value.detach()))
        seen.append(vector(opt.unwrapped))
        if epoch and (step + 1) % epoch == 0:
            opt.epoch_end(sum(losses[-epoch:]) / epoch)
    return seen


def reference(
    node_of: list[int],
    steps: int,
    config: DASOConfig,
    optimizer: str = "momentum",
    *,
    norm: bool = False,
    dtype: torch.dtype = torch.float32,
    epoch: int = 0,
) -> Trajectory:
    nodes = [[r for r, n in enumerate(node_of) if n == node] for node in sorted(set(node_of))]
    batches = [[[batch(s, r, dtype) for r in ranks] for ranks in nodes] for s in range(steps)]
    return simulate(
        network(norm=norm, dtype=dtype),
        OPTIMIZERS[optimizer],
        loss,
        batches,
        config,
        keep_vectors=True,
        steps_per_epoch=epoch or None,
    )
