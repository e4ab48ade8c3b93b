"""Notice when a measure does not improve any more."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["DetectMetricPlateau"]


class DetectMetricPlateau:
    """Tells that a measure has not improved for some time.

    Parameters
    ----------
    mode : {"min", "max"}
        Which numbers are better.
    patience : int
        Numbers without improvement that are waited for.
    threshold : float
        What an improvement is at least.
    threshold_mode : {"rel", "abs"}
        Relative to the best number so far, or not.
    cooldown : int
        Numbers after a plateau that are not looked at.
    """

    def __init__(
        self,
        mode: str = "min",
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
    ) -> None:
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ValueError("mode is 'min' or 'max', threshold_mode 'rel' or 'abs'")
        self.mode, self.patience, self.threshold = mode, patience, threshold
        self.threshold_mode, self.cooldown = threshold_mode, cooldown
        self.reset()

    def reset(self) -> None:
        """Forget all numbers."""
        self.best = math.inf if self.mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = 0

    @property
    def in_cooldown(self) -> bool:
        """Whether numbers are not looked at."""
        return self.cooldown_counter > 0

    def is_better(self, a: float, best: float) -> bool:
        """Whether ``a`` improves on ``best``."""
        sign = 1 if self.mode == "max" else -1
        if math.isinf(best):
            return sign * a > sign * best
        step = self.threshold * (abs(best) if self.threshold_mode == "rel" else 1)
        return sign * (a - best) > step

    def test_if_improving(self, metrics: float) -> bool:
        """Take one more number; True at a plateau, after which the count begins again."""
        current = float(metrics)
        if self.is_better(current, self.best):
            self.best, self.num_bad_epochs = current, 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs <= self.patience:
            return False
        self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        return True

    def get_state(self) -> dict[str, Any]:
        """Settings and counts, for ``set_state``."""
        return dict(vars(self))

    def set_state(self, dic: dict[str, Any]) -> None:
        """Go on from a state."""
        vars(self).update(dic)
