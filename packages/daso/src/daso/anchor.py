"""What a rank remembers of the consensus, and how that moves."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from daso.config import DASOConfig
from daso.exchange import CompressedMean

__all__ = ["Anchor"]


class Anchor:
    """The last consensus of the nodes: differences to it travel, and it moves by their mean.

    Equal on all nodes to the last bit. With an outer optimiser it moves by that one's steps; the
    negative mean difference is its gradient (DiLoCo, arXiv 2311.08105).

    Parameters
    ----------
    reference : (fragments, m) tensor
        This rank's part of the model.
    config : DASOConfig

    Attributes
    ----------
    means : dict of bool to CompressedMean
        For blocking phases (True) and for cycling.
    """

    def __init__(self, reference: Tensor, config: DASOConfig) -> None:
        self.reference = reference
        bucket = max(256, int(config.bucket_mb * 2**20) // reference.itemsize)
        self.means = {
            blocking: CompressedMean(
                config.codec(blocking=blocking), bucket, error_feedback=config.error_feedback
            )
            for blocking in (False, True)
        }
        self.outer: torch.optim.Optimizer | None = None
        if config.outer_optimizer is not None:
            self._parameters = [nn.Parameter(row.clone()) for row in reference]
            self.outer = config.outer_optimizer(self._parameters)

    def reset(self, reference: Tensor) -> None:
        """Take over a model that is equal on all nodes; nothing was rounded away so far."""
        self.reference = reference
        for mean in self.means.values():
            mean.reset()

    def advance(self, fragment: int, change: Tensor) -> Tensor:
        """Move a fragment by the mean difference; the new consensus."""
        reference = self.reference[fragment]
        if self.outer is None:
            return reference.add_(change)
        # fragments at rest have no gradient, and so the optimiser leaves them alone
        parameter = self._parameters[fragment]
        with torch.no_grad():
            parameter.copy_(reference)
        parameter.grad = -change
        self.outer.step()
        parameter.grad = None
        return reference.copy_(parameter.detach())

    def state_dict(self) -> dict[str, Any]:
        """Everything, copied."""
        return {
            "reference": self.reference.clone(),
            "residuals": {
                str(int(blocking)): {name: t.clone() for name, t in mean.residuals.items()}
                for blocking, mean in self.means.items()
            },
            "outer": None if self.outer is None else self.outer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self.reference = state["reference"].clone()
        for blocking, mean in self.means.items():
            residuals = state["residuals"][str(int(blocking))]
            mean.residuals = {name: t.clone() for name, t in residuals.items()}
        if self.outer is not None:
            self.outer.load_state_dict(state["outer"])
