"""An optimiser around an optimiser."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["WrappedOptimizer"]


class WrappedOptimizer(torch.optim.Optimizer):
    """Is an optimiser whose groups, state, defaults and hooks are those of another one.

    So learning rate schedulers and others that hold an optimiser may hold either.

    Parameters
    ----------
    inner : torch.optim.Optimizer
    """

    #: A GradScaler then leaves the decision to skip a step to this class.
    _step_supports_amp_scaling = True

    def __init__(self, inner: torch.optim.Optimizer) -> None:
        # the base is not initialised: all that it would hold belongs to the wrapped one
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        if name == "inner":  # while unpickling
            raise AttributeError(name)
        return getattr(self.inner, name)

    @property
    def param_groups(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The groups of the wrapped optimiser."""
        return self.inner.param_groups

    @property
    def state(self) -> Any:  # type: ignore[override]
        """The state of the wrapped optimiser."""
        return self.inner.state

    @property
    def defaults(self) -> dict[str, Any]:  # type: ignore[override]
        """The defaults of the wrapped optimiser."""
        return self.inner.defaults

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        self.inner.zero_grad(set_to_none)
