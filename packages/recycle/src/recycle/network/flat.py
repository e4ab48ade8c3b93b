"""All weights of a network as one vector, so that a step of few weights has few operations."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["FlatWeights"]


class FlatWeights:
    """Lays a module's weights, and their gradients, next to each other in memory.

    The module goes on with views of them: `backward` adds to `gradient`. An optimizer of
    `matrices` and `vectors` then has two tensors to care for, whatever the number of layers.

    Attributes
    ----------
    matrices, vectors : Parameter
        Weights of two dimensions and more, which decay, and the rest: biases and norms.
    gradient : (n,)
        Of both, one after the other.
    """

    def __init__(self, module: nn.Module) -> None:
        weights = sorted(module.parameters(), key=lambda w: w.dim() <= 1)  # stable
        n_matrix = sum(w.numel() for w in weights if w.dim() > 1)
        flat = torch.cat([w.detach().flatten() for w in weights])
        self.gradient = torch.zeros_like(flat)
        self.matrices = nn.Parameter(flat[:n_matrix])
        self.vectors = nn.Parameter(flat[n_matrix:])
        self.matrices.grad, self.vectors.grad = self.gradient[:n_matrix], self.gradient[n_matrix:]
        position = 0
        for w in weights:
            rows = slice(position, position + w.numel())
            w.data, w.grad = flat[rows].view_as(w), self.gradient[rows].view_as(w)
            position += w.numel()

    def adam(self, rate: float, weight_decay: float) -> torch.optim.Optimizer:
        """AdamW, which is Adam without decay."""
        groups = [
            {"params": [self.matrices], "weight_decay": weight_decay},
            {"params": [self.vectors], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=rate, fused=True)

    def clip(self, norm: float) -> Tensor:
        """Shorten the gradient to a norm, and return the norm it had."""
        found: Tensor = torch.linalg.vector_norm(self.gradient)
        self.gradient *= torch.clamp(norm / (found + 1e-6), max=1.0)
        return found
