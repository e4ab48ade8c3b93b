"""The kinds of error information, each a function of output, targets and loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from f3.criterion import Criterion, Targets

__all__ = ["KINDS", "Visit", "fresh_error"]


@dataclass(frozen=True)
class Visit:
    """What is known about a batch after its forward pass.

    Attributes
    ----------
    output, gradient : Tensor, (m, C)
        Of the model, and of the summed loss with respect to it.
    targets : Targets
    criterion : Criterion
    """

    output: Tensor
    gradient: Tensor
    targets: Targets
    criterion: Criterion


def _softmax_loss(visit: Visit) -> Tensor:
    probability = visit.output.softmax(-1)
    if visit.criterion.activation == "probability":
        probability = probability.clamp(1e-7, 1 - 1e-7)
    return visit.criterion.gradient(probability, visit.targets)[1]


#: name -> errors of shape (m, C), all pointing along the gradient of the loss
KINDS: dict[str, Callable[[Visit], Tensor]] = {
    "error": lambda v: v.criterion.activated(v.output) - v.targets.rows,
    "loss": lambda v: v.criterion.gradient_at_prediction(v.output, v.targets),
    "logit": lambda v: v.criterion.gradient_at_logits(v.output, v.gradient, v.targets),
    "softmax_error": lambda v: v.output.softmax(-1) - v.targets.rows,
    "softmax_loss": _softmax_loss,
}


def fresh_error(kind: str, visit: Visit) -> Tensor:
    """The error of this visit, (m, C), without the reduction of the loss."""
    with torch.no_grad():
        error = KINDS[kind](visit)
        if visit.targets.ignored is not None:
            error = error.masked_fill(visit.targets.ignored[:, None], 0)
    return error
