"""What both callbacks do: begin with the training, and end with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from lowrank.ab import ABConfig, ABTraining
from lowrank.controller import Controller
from lowrank.dlrt import DLRT, DLRTConfig
from lowrank.oialr import OIALR, OIALRConfig

__all__ = ["Attached"]

#: Gets the number of steps of the whole training.
MakeConfig = Callable[[int], OIALRConfig | ABConfig | DLRTConfig]


class Attached:
    """A controller for as long as a training lasts.

    Parameters
    ----------
    make_config : callable
        Gets the number of steps, and returns the configuration of a method, for example
        ``lambda steps: lowrank.OIALRConfig(total_steps=steps, cutoff=0.2)``.
    comm : Comm, optional
        Of the controller.

    Attributes
    ----------
    controller : OIALR, ABTraining, DLRT or None
        None before the training.
    """

    def __init__(self, make_config: MakeConfig, comm: Any = None) -> None:
        self.make_config, self.comm = make_config, comm
        self.controller: Controller | None = None

    def begin(self, model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
        """Attach to the optimiser."""
        if steps <= 0:
            raise ValueError("the number of steps must be known: limit the epochs, or the steps")
        config = self.make_config(steps)
        methods: dict[type, Any] = {OIALRConfig: OIALR, ABConfig: ABTraining, DLRTConfig: DLRT}
        method = next(method for kind, method in methods.items() if isinstance(config, kind))
        self.controller = method(model, optimizer, config, comm=self.comm)

    def end(self) -> None:
        """Leave the optimiser alone; layers stay as they are."""
        if self.controller is not None:
            self.controller.detach()
