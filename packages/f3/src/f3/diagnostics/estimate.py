"""What a training step costs, by running one on a copy of the model."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from f3.diagnostics.memory import LiveMemory
from f3.learner import Learner
from f3.sources import DelayedError, ErrorSource

__all__ = ["Estimate", "estimate"]


@dataclass(frozen=True)
class Estimate:
    """Costs of one step.

    Attributes
    ----------
    flops : int
        Floating point operations of products and convolutions.
    live_bytes : int
        Peak of what is allocated and not yet freed.
    store_bytes : int
        Of the error memory.
    """

    flops: int
    live_bytes: int
    store_bytes: int


def estimate(
    model: torch.nn.Module,
    x: Tensor,
    target: Tensor,
    *,
    loss: Any,
    num_samples: int | None = None,
    optimizer: Callable[[list[torch.nn.Parameter]], torch.optim.Optimizer] | None = None,
) -> dict[str, Estimate]:
    """Costs of a step of F3, of its one-hot form, and of backpropagation.

    Parameters
    ----------
    model : nn.Module
        As for `Learner`; trained is a copy.
    x, target : Tensor
        A batch.
    loss : nn.Module or function
    num_samples : int, optional
        Of the training set, for the error memory; default: the batch.
    optimizer : function, optional
        Default: SGD.

    Returns
    -------
    dict of Estimate
        "bp", "f3", and "f3-onehot" where the targets are class ids.
    """
    n = num_samples or len(x)
    sources: dict[str, ErrorSource | None] = {"bp": None, "f3": DelayedError(n)}
    if not target.is_floating_point():
        sources["f3-onehot"] = DelayedError(n, one_hot=True)
    found = {}
    for name, source in sources.items():
        learner = Learner(
            copy.deepcopy(model),
            loss=loss,
            error=source,
            mode="in_forward" if source else "bp",
            optimizer=optimizer or (lambda p: torch.optim.SGD(p, lr=0.0)),
        )
        index = torch.arange(len(x))
        learner.step(x, target, index)
        with FlopCounterMode(display=False) as counter:
            learner.step(x, target, index)
        with LiveMemory() as memory:
            learner.step(x, target, index)
        store = source.store.nbytes if isinstance(source, DelayedError) else 0
        found[name] = Estimate(counter.get_total_flops(), memory.peak, store)
    return found
