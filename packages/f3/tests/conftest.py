"""Fixtures: small data, models, and the communicator of all ranks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import f3


@dataclass(frozen=True)
class Data:
    x: Tensor
    t: Tensor
    ids: Tensor

    def batches(self, size: int, epochs: int = 1, seed: int = 0):
        generator = torch.Generator().manual_seed(seed)
        for _ in range(epochs):
            for ids in torch.randperm(len(self.x), generator=generator).split(size):
                yield self.x[ids], self.t[ids], ids


@pytest.fixture
def data() -> Data:
    generator = torch.Generator().manual_seed(7)
    x = torch.randn(60, 8, generator=generator)
    t = torch.randint(4, (60,), generator=generator)
    return Data(x, t, torch.arange(60))


@pytest.fixture
def mlp() -> Callable[..., f3.Sequential]:
    def build(depth: int = 2, width: int = 16, seed: int = 0, **parts: nn.Module) -> f3.Sequential:
        torch.manual_seed(seed)
        blocks: list[nn.Module] = []
        for n in [8] + [width] * (depth - 1):
            middle = [parts[name]() for name in parts]
            blocks.append(nn.Sequential(nn.Linear(n, width), *middle, nn.Tanh()))
        return f3.Sequential(*blocks, nn.Linear(width, 4))

    return build


@pytest.fixture
def learner() -> Callable[..., f3.Learner]:
    def build(model: nn.Module, error=None, **settings: Any) -> f3.Learner:
        defaults = {
            "loss": nn.CrossEntropyLoss(),
            "optimizer": lambda p: torch.optim.SGD(p, lr=0.1),
            "error": error or f3.DelayedError(60),
        }
        return f3.Learner(model, **(defaults | settings))

    return build
