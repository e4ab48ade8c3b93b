"""Noticing that a metric has stopped to improve."""

from __future__ import annotations

import math
from typing import Any, Literal

__all__ = ["PlateauDetector"]


class PlateauDetector:
    """Reports a plateau after more than `patience` values without a sufficient improvement.

    Parameters
    ----------
    threshold : float
        The improvement that counts.
    patience : int
    mode : {"min", "max"}
        Which direction is better.
    threshold_mode : {"rel", "abs"}
        Whether the threshold is a share of the best value.
    cooldown : int
        Values after a report that don't count as bad.
    """

    def __init__(
        self,
        threshold: float = 0.05,
        patience: int = 2,
        *,
        mode: Literal["min", "max"] = "min",
        threshold_mode: Literal["rel", "abs"] = "rel",
        cooldown: int = 0,
    ) -> None:
        self.threshold, self.patience = threshold, patience
        self.sign = 1.0 if mode == "min" else -1.0
        self.relative, self.cooldown = threshold_mode == "rel", cooldown
        self.best, self.bad, self.resting = math.inf, 0, 0

    def update(self, value: float) -> bool:
        """Take in a value; whether it completes a plateau."""
        value = self.sign * float(value)
        margin = self.threshold * (abs(self.best) if self.relative else 1.0)
        if math.isinf(self.best) or value < self.best - margin:
            if not math.isnan(value):
                self.best, self.bad = value, 0
        else:
            self.bad += 1
        if self.resting > 0:
            self.resting -= 1
            self.bad = 0
        if self.bad <= self.patience:
            return False
        self.bad, self.resting = 0, self.cooldown
        return True

    def state_dict(self) -> dict[str, Any]:
        """Everything that changes."""
        return {"best": self.best, "bad": self.bad, "resting": self.resting}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self.best, self.bad, self.resting = state["best"], state["bad"], state["resting"]
