"""The second optimiser, whose gradient is what a phase has changed (arXiv 2311.08105)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

__all__ = ["Outer"]


@dataclass
class Outer:
    """SGD with Nesterov momentum on changes, or nothing at all.

    Attributes
    ----------
    lr, momentum : float
        A rate of 1 without momentum takes every change as it is.
    buffers : dict of str to Tensor
        The momentum of each weight.
    """

    lr: float = 1.0
    momentum: float = 0.0
    buffers: dict[str, Tensor] = field(default_factory=dict)

    def moved(self, name: str, start: Tensor, target: Tensor, *, keep: bool = True) -> Tensor:
        """Where a weight goes whose phase led from `start` to `target`.

        Parameters
        ----------
        name : str
            Of the weight.
        start, target : Tensor
        keep : bool
            Whether the momentum goes on from here.
        """
        if self.lr == 1 and self.momentum == 0:
            return target
        change = target - start
        buffer = self.momentum * self.buffers.get(name, torch.zeros_like(change)) + change
        if keep:
            self.buffers[name] = buffer
        return start + self.lr * (change + self.momentum * buffer)
