"""How much each window counts when a ridge is fitted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from recycle.ridge import CycleRidge
from recycle.windows import Array

__all__ = ["Weigh", "Weighing", "step_weights"]

#: From series, origins, histories and targets to weights.
Weigh = Callable[[int, Array, Array, Array], Array]
#: Error, in standard deviations, below which windows do not count more.
SMALLEST = 1e-2


def step_weights(given: Array | None, n_steps: int, half_life: float) -> Array | None:
    """The weight of each step, ``(T,)``: as given, and halved every `half_life` steps back.

    None if all count the same.
    """
    if given is None and not np.isfinite(half_life):
        return None
    age = np.arange(n_steps)[::-1]
    return np.asarray((1.0 if given is None else given) * 0.5 ** (age / half_life))


@dataclass(frozen=True)
class Weighing:
    """Weights of windows: the mean weight of the horizon's steps, divided by the error if asked.

    With weights of one over the mean absolute error, least squares minimises absolute errors, if it
    is repeated (iteratively reweighted least squares; here one weight serves all steps of a window,
    so that all share one matrix).

    Attributes
    ----------
    steps : (T,) or None
    ridges : sequence of CycleRidge
        Whose errors count, one for all series or one for each; empty: errors do not matter.
    """

    steps: Array | None
    ridges: Sequence[CycleRidge] = ()

    @property
    def needed(self) -> bool:
        """Whether windows differ at all."""
        return self.steps is not None or len(self.ridges) > 0

    def __call__(self, series: int, origins: Array, history: Array, target: Array) -> Array:
        """Weights of windows without the ridge's share of the profile: ``(n, L), (n, H)``."""
        found = np.ones(len(origins))
        if self.steps is not None:
            sums = np.concatenate([[0.0], np.cumsum(self.steps)])
            length = target.shape[1]
            found = (sums[origins + length] - sums[origins]) / length
        if self.ridges:
            ridge = self.ridges[min(series, len(self.ridges) - 1)]
            error = np.abs(target - history[:, -ridge.lookback :] @ ridge.weights).mean(axis=1)
            found = found / np.maximum(error, SMALLEST)
        return found
