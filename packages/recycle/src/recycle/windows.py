"""Primary cycle compression and windows over series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

__all__ = ["Array", "PrimaryCycleCompression", "futures", "histories", "runs"]

Array = NDArray[Any]


@dataclass(frozen=True)
class PrimaryCycleCompression:
    """Fold time into cycles: one token for each primary cycle (ReCycle, section "PCC").

    Attention over L steps looks at L² pairs, over L/P cycles at (L/P)².

    Parameters
    ----------
    period : int
        Steps of a primary cycle.

    Examples
    --------
    >>> import numpy as np
    >>> compression = PrimaryCycleCompression(24)
    >>> compression.fold(np.arange(168.0)).shape
    (7, 24)
    """

    period: int

    def fold(self, x: Array) -> Array:
        """Cut the last axis into cycles: ``(..., n * period) -> (..., n, period)``."""
        if x.shape[-1] % self.period:
            raise ValueError(f"{x.shape[-1]} steps are no multiple of the cycle of {self.period}")
        return x.reshape(*x.shape[:-1], -1, self.period)

    def unfold(self, tokens: Array) -> Array:
        """Undo `fold`."""
        return tokens.reshape(*tokens.shape[:-2], -1)


def histories(values: Array, origins: Array, length: int) -> Array:
    """The `length` steps before each origin: ``(T,), (n,) -> (n, length)``."""
    found: Array = sliding_window_view(values, length)[np.asarray(origins) - length]
    return found


def futures(values: Array, origins: Array, length: int) -> Array:
    """The `length` steps from each origin on: ``(T,), (n,) -> (n, length)``."""
    found: Array = sliding_window_view(values, length)[np.asarray(origins)]
    return found


def runs(origins: Array) -> list[Array]:
    """Part ascending origins into runs of consecutive steps."""
    if len(origins) == 0:
        return []
    return np.split(origins, np.flatnonzero(np.diff(origins) != 1) + 1)
