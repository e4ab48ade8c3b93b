"""Let the learning rate rise again after a change of the model."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["Rebound"]


class Rebound:
    """Multiplies the learning rate by a factor that rises from `floor` to 1.

    It does so for the duration of an optimiser step only, so that schedulers, which compute from
    the learning rate that they find, never see it.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
    steps : int
        Length of the rise; 0 for none.
    floor : float
    """

    def __init__(self, optimizer: torch.optim.Optimizer, steps: int, floor: float) -> None:
        self.steps, self.floor = steps, floor
        self.left = 0
        self._rates: list[Any] = []
        self._hooks = [
            optimizer.register_step_pre_hook(self._before),
            optimizer.register_step_post_hook(self._after),
        ]

    def start(self) -> None:
        """Begin a rise with the next step."""
        self.left = self.steps

    @property
    def factor(self) -> float:
        """What the next step's learning rate is multiplied by."""
        if not self.left:
            return 1.0
        return self.floor + (1 - self.floor) * (self.steps - self.left) / self.steps

    def remove(self) -> None:
        """Leave the optimiser alone."""
        for hook in self._hooks:
            hook.remove()

    def _before(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        if self.left:
            self._rates = [group["lr"] for group in optimizer.param_groups]
            for group in optimizer.param_groups:
                group["lr"] = group["lr"] * self.factor

    def _after(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        if self._rates:
            for group, rate in zip(optimizer.param_groups, self._rates, strict=True):
                group["lr"] = rate
            self._rates = []
            self.left -= 1
