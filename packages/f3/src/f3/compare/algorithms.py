"""The algorithms that are compared, behind one switch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from f3.learner import Learner
from f3.partition import Sequential
from f3.sources import CurrentError, DelayedError, ErrorSource, TargetError

__all__ = ["ALGORITHMS", "Algorithm", "make_learner", "mlp"]


@dataclass(frozen=True)
class Algorithm:
    """One member of the family.

    Attributes
    ----------
    signal : {"bp", "none", "current", "target", "delayed"}
        Where the hidden blocks' gradients come from.
    kind : str
        Of errors; see `f3.DelayedError`.
    one_hot : bool
    damping : float
    """

    signal: str
    kind: str = "error"
    one_hot: bool = False
    damping: float = 0.0

    def source(self, num_samples: int) -> ErrorSource | None:
        """The error source of a learner."""
        match self.signal:
            case "current":
                return CurrentError(self.kind, one_hot=self.one_hot)
            case "target":
                return TargetError()
            case "delayed":
                return DelayedError(
                    num_samples, self.kind, one_hot=self.one_hot, damping=self.damping
                )
            case _:
                return None

    @property
    def mode(self) -> str:
        """The mode of a learner."""
        return {"bp": "bp", "none": "shallow"}.get(self.signal, "in_forward")


ALGORITHMS: dict[str, Algorithm] = {
    "bp": Algorithm("bp"),
    "shallow": Algorithm("none"),
    "dfa": Algorithm("current"),
    "drtp": Algorithm("target"),
    "f3": Algorithm("delayed"),
    "f3-onehot": Algorithm("delayed", one_hot=True),
    "f3-damped": Algorithm("delayed", damping=0.8),
    "f3-damped-onehot": Algorithm("delayed", one_hot=True, damping=0.8),
    "f3-softmax": Algorithm("delayed", "softmax_error"),
    "f3-loss": Algorithm("delayed", "loss"),
}


def mlp(n_inputs: int, width: int, depth: int, n_outputs: int) -> Sequential:
    """Dense blocks with tanh, and a linear head."""
    sizes = [n_inputs, *[width] * depth]
    hidden = [nn.Sequential(nn.Linear(a, b), nn.Tanh()) for a, b in pairwise(sizes)]
    return Sequential(*hidden, nn.Linear(sizes[-1], n_outputs))


def make_learner(
    name: str,
    model: nn.Module,
    num_samples: int,
    *,
    loss: Any = None,
    lr: float = 1e-3,
    optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.Adam,
    **settings: Any,
) -> Learner:
    """A learner for an algorithm by name.

    Parameters
    ----------
    name : str
        A key of `ALGORITHMS`.
    model : nn.Module
    num_samples : int
        Of the training set.
    loss : optional
        Default: binary cross entropy of sigmoids, as in the reference experiments.
    lr : float
    optimizer : function
        Called with parameters and ``lr``.
    **settings
        Of `Learner`.
    """
    if name not in ALGORITHMS:
        raise ValueError(f"there is no algorithm {name!r}; choose from {', '.join(ALGORITHMS)}")
    algorithm = ALGORITHMS[name]
    return Learner(
        model,
        loss=loss or nn.BCEWithLogitsLoss(),
        error=algorithm.source(num_samples),
        mode=algorithm.mode,
        optimizer=lambda parameters: optimizer(parameters, lr=lr),
        **settings,
    )
