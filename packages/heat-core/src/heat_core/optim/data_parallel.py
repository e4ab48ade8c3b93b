"""An optimizer that waits for the gradients of all ranks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from heat_core.nn.data_parallel import DataParallel

__all__ = ["DataParallelOptimizer"]


class DataParallelOptimizer:
    """One of torch's optimizers, for modules in ``DataParallel``.

    Parameters
    ----------
    torch_optimizer : torch.optim.Optimizer
    blocking : bool
        True: gradients are waited for during the backward pass, bucket by bucket.
    """

    def __init__(self, torch_optimizer: torch.optim.Optimizer, blocking: bool = False) -> None:
        if not isinstance(torch_optimizer, torch.optim.Optimizer):
            raise TypeError(f"an optimizer is torch's, not {type(torch_optimizer).__name__}")
        self.torch_optimizer, self.blocking = torch_optimizer, blocking
        self._modules: list[DataParallel] = []

    def wait_for(self, module: DataParallel) -> None:
        """Let ``step`` wait for the gradients of a module."""
        module.blocking_parameter_updates |= self.blocking
        self._modules.append(module)

    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Wait for the gradients, and update the parameters. Collective.

        Without ``closure``, as torch's optimizers that evaluate the loss several times see local
        gradients.
        """
        for module in self._modules:
            module.wait()
        return self.torch_optimizer.step(closure)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients. Local."""
        self.torch_optimizer.zero_grad(set_to_none)
