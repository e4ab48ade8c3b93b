"""How good predictions are, and how much of a gap an algorithm closes."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from f3.criterion import Targets

__all__ = [
    "METRICS",
    "Metric",
    "accuracy",
    "gap_closed",
    "mean_absolute_error",
    "mean_squared_error",
]

Metric = Callable[[Tensor, Targets], Tensor]


def accuracy(output: Tensor, targets: Targets) -> Tensor:
    """The share of positions whose largest output is the class, ()."""
    right = output.argmax(1) == targets.rows.argmax(1)
    if targets.ignored is not None:
        right = right[~targets.ignored]
    return right.float().mean()


def mean_squared_error(output: Tensor, targets: Targets) -> Tensor:
    """The mean of squared differences, ()."""
    return (output - targets.rows).square().mean()


def mean_absolute_error(output: Tensor, targets: Targets) -> Tensor:
    """The mean of absolute differences, ()."""
    return (output - targets.rows).abs().mean()


METRICS: dict[str, Metric] = {
    "accuracy": accuracy,
    "mse": mean_squared_error,
    "mae": mean_absolute_error,
}


def gap_closed(value: float, reference: float, best: float) -> float:
    """The share of the gap between a reference and backpropagation that an algorithm closes.

    The same for scores, where `best` is larger, and for losses, where it is smaller. 1 is as good
    as backpropagation, 0 no better than the reference, negative values are worse.

    Parameters
    ----------
    value, reference, best : float
        Of the algorithm, of what it is compared with (DRTP, or training of the head alone; say
        which), and of backpropagation.
    """
    gap = best - reference
    return float("nan") if gap == 0 else (value - reference) / gap
