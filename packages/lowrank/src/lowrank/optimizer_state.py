"""Let an optimiser follow a parameter that changes its shape.

A parameter is replaced by a new one at the same place of the same group, so that schedulers and
scalers keep their hold on the groups; its state is turned with it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from lowrank.errors import UnsupportedOptimizerError

__all__ = ["Grown", "StateMap", "StatePolicy", "check_optimizer", "holder_of", "replace_parameters"]

logger = logging.getLogger(__name__)

StatePolicy = Literal["project", "reset"] | Callable[[str, Tensor, "StateMap"], Tensor | None]

#: State that is a mean of gradients, one that is a mean of their squares, and one of their size.
LINEAR = frozenset({"momentum_buffer", "exp_avg", "prev", "grad_avg", "exp_avg_diff"})
SQUARED = frozenset({"exp_avg_sq", "max_exp_avg_sq", "square_avg", "sum", "acc_delta"})
MAGNITUDE = frozenset({"exp_inf"})
#: A copy of the weight itself, and a step size for each entry.
WEIGHTS = frozenset({"ax"})
STEPS = frozenset({"step_size"})


@dataclass(frozen=True)
class Grown:
    """Last rows and columns of a new parameter that its predecessor has no counterpart of.

    Means of gradients begin there with one gradient, and means of squares with the mean of all the
    others: with zeros Adam's steps would be several times too long.

    Attributes
    ----------
    count : int
    gradient : Tensor
        Of the new parameter; zero where the old one has its own means.
    """

    count: int
    gradient: Tensor


@dataclass(frozen=True)
class StateMap:
    """How a gradient of the new parameter follows from that of the old: ``factor L G R``.

    Attributes
    ----------
    left, right : Tensor or None
        `L` and `R`, shapes (new rows, old rows) and (old columns, new columns); None leaves a side
        alone.
    factor : float
    before, after : callable, optional
        Reshape the old tensor to its matrix, and the new matrix to the new tensor.
    grown : Grown, optional
        The new matrix is larger than what becomes of the old.
    """

    left: Tensor | None = None
    right: Tensor | None = None
    factor: float = 1.0
    before: Callable[[Tensor], Tensor] | None = None
    after: Callable[[Tensor], Tensor] | None = None
    grown: Grown | None = None

    def linear(self, x: Tensor) -> Tensor:
        """Turn a mean of gradients; exact."""
        turned = self.weight(x)
        return turned if self.grown is None else turned + self.grown.gradient.to(turned.dtype)

    def weight(self, x: Tensor) -> Tensor:
        """Turn a gradient that is zero where the matrix has grown."""
        return self._apply(x, self.left, self.right, self.factor)

    def squared(self, x: Tensor) -> Tensor:
        """Turn a mean of squares of gradients; exact if their entries are uncorrelated."""
        left, right = (None if side is None else side.square() for side in (self.left, self.right))
        turned = self._apply(x, left, right, self.factor**2).clamp_min(0)
        if self.grown is not None:
            new = self.grown.count
            mean = turned[..., :-new, :-new].mean(dim=(-2, -1), keepdim=True)
            turned[..., -new:, :] = mean
            turned[..., :, -new:] = mean
        return turned

    def _apply(self, x: Tensor, left: Tensor | None, right: Tensor | None, factor: float) -> Tensor:
        turned = x if self.before is None else self.before(x)
        wide = turned.float() if turned.dtype in (torch.float16, torch.bfloat16) else turned
        if left is not None:
            wide = left.to(wide.dtype) @ wide
        if right is not None:
            wide = wide @ right.to(wide.dtype)
        wide = factor * wide
        return (wide if self.after is None else self.after(wide)).to(x.dtype).contiguous()


def check_optimizer(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """The optimiser that holds the groups, without wrappers around it.

    Raises
    ------
    UnsupportedOptimizerError
        For L-BFGS, whose state is one vector over all parameters.
    """
    inner: Any = optimizer
    while hasattr(inner, "optimizer"):  # of accelerate, for one, which is an Optimizer by name only
        inner = inner.optimizer
    if not isinstance(inner, torch.optim.Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is no torch optimiser")
    if isinstance(inner, torch.optim.LBFGS):
        raise UnsupportedOptimizerError(
            "LBFGS keeps its history as flat vectors over all parameters, which can't follow a "
            "parameter that changes its shape; use an optimiser with state for each parameter"
        )
    return inner


def holder_of(
    optimizers: Sequence[torch.optim.Optimizer], parameter: nn.Parameter
) -> torch.optim.Optimizer | None:
    """The optimiser that holds a parameter, if any.

    Raises
    ------
    ValueError
        If several do.
    """
    holders = [o for o in optimizers if any(p is parameter for p in _all_parameters(o))]
    if len(holders) > 1:
        raise ValueError("a weight that is to be trained in low rank belongs to two optimisers")
    return holders[0] if holders else None


def replace_parameters(
    optimizer: torch.optim.Optimizer,
    old: Sequence[nn.Parameter],
    new: Sequence[tuple[nn.Parameter, StateMap]],
    policy: StatePolicy = "project",
) -> None:
    """Put new parameters in the place of old ones, with the state that follows from the first's.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
    old : sequence of nn.Parameter
        Leave the optimiser; their gradients are dropped.
    new : sequence of (parameter, map from the state of ``old[0]``)
    policy : {"project", "reset"} or callable
        What becomes of state: turned by the map; dropped; or what ``policy(key, tensor, map)``
        returns, where None drops all state of the parameter.
    """
    group = next(g for g in optimizer.param_groups if any(p is old[0] for p in g["params"]))
    kept = [p for p in group["params"] if not any(p is o for o in old[1:])]
    place = next(i for i, p in enumerate(kept) if p is old[0])
    kept[place : place + 1] = [parameter for parameter, _ in new]
    group["params"][:] = kept
    states = [optimizer.state.pop(parameter, {}) for parameter in old]
    for parameter, turn in new:
        if states[0] and policy != "reset":
            turned = _turned(states[0], old[0], turn, policy)
            if turned is not None:
                optimizer.state[parameter] = turned
    for parameter in old:
        parameter.grad = None


def _turned(
    state: dict[str, Any], old: nn.Parameter, turn: StateMap, policy: StatePolicy
) -> dict[str, Any] | None:
    """The state of a new parameter; None if it has to start afresh, its step count included."""
    new: dict[str, Any] = {}
    for key, value in state.items():
        if not isinstance(value, Tensor) or value.dim() == 0:
            new[key] = value.clone() if isinstance(value, Tensor) else value
            continue
        if value.shape != old.shape:
            turned = None
        elif callable(policy):
            turned = policy(key, value, turn)
        else:
            turned = _project(key, value, turn)
        if turned is None:
            logger.warning("optimiser state %r can't follow a change of shape and starts anew", key)
            return None
        new[key] = turned
    if "grad_avg" in new and "square_avg" in new:
        # RMSprop, centered, takes the root of their difference, which is exact for neither
        new["square_avg"] = torch.maximum(new["square_avg"], new["grad_avg"].square())
    return new


def _project(key: str, value: Tensor, turn: StateMap) -> Tensor | None:
    if key in LINEAR:
        return turn.linear(value)
    if key in SQUARED:
        return turn.squared(value)
    if key in MAGNITUDE:
        return turn.squared(value.square()).sqrt()
    if key in WEIGHTS:  # a weight turns like a gradient, but scales the other way
        return turn.weight(value) / turn.factor**2
    if key in STEPS:
        return turn.squared(value.square()).sqrt() / turn.factor**2
    return None


def _all_parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [p for group in optimizer.param_groups for p in group["params"]]
