"""Other ways to send less in data-parallel training, for comparison with AB-training.

Each is written here from its paper, over the same metered communicator, so that all are counted
alike: local SGD (arXiv 1805.09767), DiLoCo (arXiv 2311.08105), PowerSGD (arXiv 1905.13727).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from lowrank.ab.outer import Outer
from lowrank.parallel.averaging import average, average_gradients, share_model
from lowrank.parallel.communicators import Comm
from lowrank.parallel.ledger import Ledger, Metered


class Peer:
    """Dense data-parallel training for the first steps, and something else then."""

    def __init__(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, comm: Comm, warmup: int
    ) -> None:
        self.ledger = Ledger()
        self.comm = Metered(comm, self.ledger)
        self.parameters = list(model.parameters())
        self.warmup, self.t = warmup, 0
        share_model(model, self.comm)
        optimizer.register_step_pre_hook(self._before)
        optimizer.register_step_post_hook(self._after)

    def _before(self, *_: Any) -> None:
        if self.t < self.warmup:
            average_gradients(self.parameters, self.comm)
        else:
            self.gradients()

    def _after(self, *_: Any) -> None:
        self.t += 1
        if self.t >= self.warmup:
            self.weights()

    def gradients(self) -> None:
        """Before a step."""

    def weights(self) -> None:
        """After a step."""

    def finish(self) -> None:
        """After the last step."""


class LocalSGD(Peer):
    """Ranks train by themselves; weights are averaged now and then, or moved by an outer step."""

    def __init__(self, *args: Any, every: int, outer: tuple[float, float] = (1.0, 0.0)) -> None:
        super().__init__(*args)
        self.every, self.outer = every, Outer(*outer)
        self.start: list[Tensor] = []

    def weights(self) -> None:
        """Average after each period."""
        if self.t == self.warmup:
            self.start = [p.detach().clone() for p in self.parameters]
        elif (self.t - self.warmup) % self.every == 0:
            self.finish()

    def finish(self) -> None:
        """Bring all ranks together."""
        average([p.data for p in self.parameters], self.comm)
        for i, (p, start) in enumerate(zip(self.parameters, self.start, strict=True)):
            p.data.copy_(self.outer.moved(str(i), start, p.data))
        self.start = [p.detach().clone() for p in self.parameters]


class PowerSGD(Peer):
    """Gradients are averaged as products of two thin factors, with error feedback."""

    def __init__(self, *args: Any, rank: int) -> None:
        super().__init__(*args)
        generator = torch.Generator().manual_seed(0)  # the same on all ranks
        self.matrices = [p for p in self.parameters if p.dim() > 1]
        self.vectors = [p for p in self.parameters if p.dim() <= 1]
        self.Q = [torch.randn(p.shape[1], rank, generator=generator) for p in self.matrices]
        self.errors = [torch.zeros_like(p) for p in self.matrices]

    def gradients(self) -> None:
        """One step of a power iteration, started where the last one has ended."""
        average_gradients(self.vectors, self.comm)
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.matrices]
        summed = [g + e for g, e in zip(gradients, self.errors, strict=True)]
        left = [m @ q for m, q in zip(summed, self.Q, strict=True)]
        average(left, self.comm)
        left = [torch.linalg.qr(p)[0] for p in left]
        self.Q = [m.mT @ p for m, p in zip(summed, left, strict=True)]
        average(self.Q, self.comm)
        for i, parameter in enumerate(self.matrices):
            mean = left[i] @ self.Q[i].mT
            self.errors[i] = summed[i] - mean
            parameter.grad = mean
