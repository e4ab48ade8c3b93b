"""How much larger a small core's steps must be for its weight to move as a dense one would."""

from __future__ import annotations

import math
from typing import Literal

import torch

from lowrank.views import MatrixView

__all__ = ["UpdateScale", "update_scale"]

#: The exponent p, or by the optimiser's class.
UpdateScale = float | Literal["auto"]

#: Optimisers whose step is proportional to the gradient, or has a norm of its own: no rescaling.
GRADIENT_SIZED = ("SGD", "ASGD", "Muon")


def update_scale(
    view: MatrixView, rank: int, optimizer: torch.optim.Optimizer, setting: UpdateScale
) -> float:
    """The factor ``(sqrt(m n) / r)^p`` between the stored core and the true one.

    Where each entry moves by the learning rate, whatever its gradient (Adam and alike), r² entries
    move a weight less than m n would: p = 1 makes up for it. Steps of SGD are the dense ones,
    projected: p = 0.
    """
    exponent = setting
    if exponent == "auto":
        exponent = 0.0 if type(optimizer).__name__.endswith(GRADIENT_SIZED) else 1.0
    return math.pow(math.sqrt(view.rows * view.columns) / rank, exponent)
