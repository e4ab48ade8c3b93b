"""A batch on its way through a learner, and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from f3.blocks import TrainedBlock
from f3.criterion import Targets

__all__ = ["Batch", "GradientReducer", "StepResult"]


@dataclass(frozen=True)
class StepResult:
    """What came out of one training step.

    Attributes
    ----------
    output : Tensor
        Of the model, without a graph.
    loss : Tensor, ()
        Of the batch, before the update of the head.
    """

    output: Tensor
    loss: Tensor


@dataclass(frozen=True)
class Batch:
    """A checked batch: nothing can go wrong with it any more.

    Attributes
    ----------
    x : Tensor
    targets : Targets
    index : object
        Sample ids, in the form that the error source takes.
    denominator : float
        What the loss divides the sum over the batch by.
    """

    x: Tensor
    targets: Targets
    index: Any
    denominator: float

    def __len__(self) -> int:
        return len(self.x)


class GradientReducer(Protocol):
    """Combines gradients of several processes, block by block."""

    def start(self, block: TrainedBlock, weight: float) -> None:
        """Begin with the gradients of a block, which count with a weight."""

    def finish(self, block: TrainedBlock) -> None:
        """Wait until the gradients are those of all processes."""
