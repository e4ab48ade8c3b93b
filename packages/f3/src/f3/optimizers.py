"""An optimiser for each block, and one face for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from f3.errors import ModeError

__all__ = ["BlockOptimizer", "OptimizerFactory", "make_optimizers"]

OptimizerFactory = Callable[[list[nn.Parameter]], Optimizer]


def make_optimizers(
    factory: OptimizerFactory | Mapping[str, OptimizerFactory],
    parameters: Sequence[list[nn.Parameter]],
    head: int,
    lr_scale: Sequence[float] | None,
) -> list[Optimizer | None]:
    """One optimiser for each block, None where there is nothing to train.

    Parameters
    ----------
    factory : function, or dict with "hidden" and "head"
        Called with the parameters of one block.
    parameters : sequence of lists
        The trained parameters of each block.
    head : int
        The index of the head.
    lr_scale : sequence of float, optional
        A factor of the learning rate for each block.

    Raises
    ------
    ModeError
        For optimisers that need all parameters at once, such as L-BFGS.
    """
    if lr_scale is not None and len(lr_scale) != len(parameters):
        raise ValueError(f"lr_scale needs {len(parameters)} factors, one a block")
    if isinstance(factory, Mapping) and set(factory) != {"hidden", "head"}:
        raise ValueError("a dict of optimisers has the keys 'hidden' and 'head'")
    made: list[Optimizer | None] = []
    for number, trained in enumerate(parameters):
        if not trained:
            made.append(None)
            continue
        if isinstance(factory, Mapping):
            optimizer = factory["head" if number == head else "hidden"](trained)
        else:
            optimizer = factory(trained)
        check_optimizer(optimizer, trained)
        if lr_scale is not None:
            for group in optimizer.param_groups:
                group["lr"] *= lr_scale[number]
        made.append(optimizer)
    return made


def check_optimizer(optimizer: Any, trained: list[nn.Parameter]) -> None:
    """Refuse what does not update the parameters it was given, each for itself."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            "optimizer must be a function that makes a torch optimiser from parameters, such as "
            f"lambda p: torch.optim.Adam(p, lr=1e-3); it made {type(optimizer).__name__}"
        )
    if isinstance(optimizer, torch.optim.LBFGS):
        raise ModeError("L-BFGS evaluates the whole model many times a step: use Adam or SGD")
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if held != {id(p) for p in trained}:
        raise ValueError(
            "the optimiser does not hold the parameters that its function was called with: "
            "optimizer is a function, called once for each block"
        )


class BlockOptimizer(Optimizer):
    """All optimisers of the blocks as one: for schedulers, and to change or read settings.

    Its groups are those of the blocks, first block first. A step updates the blocks that have
    gradients; blocks that were updated on the way have none.

    Parameters
    ----------
    optimizers : iterable of Optimizer
    """

    def __init__(self, optimizers: Iterable[Optimizer]) -> None:
        self.optimizers = list(optimizers)
        groups = [group for optimizer in self.optimizers for group in optimizer.param_groups]
        defaults = self.optimizers[0].defaults if self.optimizers else {}
        super().__init__([p for group in groups for p in group["params"]], defaults)
        self.param_groups = groups

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update every block that has gradients."""
        if closure is not None:
            raise ModeError("closures would need several passes through the whole model")
        for optimizer in self.optimizers:
            if any(p.grad is not None for group in optimizer.param_groups for p in group["params"]):
                optimizer.step()

    def made_step(self) -> None:
        """Tell schedulers of torch that the blocks have made a step; they warn if none came."""
        self._opt_called = True

    def state_dict(self) -> dict[str, Any]:
        """The states of all optimisers."""
        return {"blocks": [optimizer.state_dict() for optimizer in self.optimizers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state; the groups stay the same objects."""
        for optimizer, state in zip(self.optimizers, state_dict["blocks"], strict=True):
            optimizer.load_state_dict(state)
        self.refresh()

    def refresh(self) -> None:
        """Take up the groups of the optimisers again, which loading a state replaces."""
        groups = [group for optimizer in self.optimizers for group in optimizer.param_groups]
        self.param_groups[:] = groups
