"""Intervals that cover what they say: quantiles of held-out errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recycle.windows import Array

__all__ = ["Conformal", "check_quantiles", "fit_conformal", "tracked_offsets"]

#: Share of the spread by which offsets move in a cycle of misses.
RATE = 0.1


@dataclass(frozen=True)
class Conformal:
    """Quantiles of relative errors, for each cycle of the horizon.

    An error is relative to the window's own recent errors, so that widths follow volatility.

    Attributes
    ----------
    scores : list of (m,) arrays, one for each cycle
        Ascending: (truth - forecast) / scale on held-out windows.
    period : int
    independent : float
        How many of the scores count as independent of each other: cycles, not windows, which
        overlap. The fewer there are, the wider intervals must be.
    """

    scores: tuple[Array, ...]
    period: int
    independent: float = np.inf

    def offsets(self, levels: Sequence[float]) -> Array:
        """Relative offsets of quantiles: ``(n_levels, n_cycles)``.

        The rank is that of split conformal prediction, (m + 1) / m level of n scores, of which m
        are independent, for the upper half, and its mirror image for the lower half.
        """
        found = np.zeros((len(levels), len(self.scores)))
        for column, scores in enumerate(self.scores):
            n = len(scores)
            if n == 0:
                continue
            for row, level in enumerate(levels):
                upper = max(level, 1 - level)
                share = upper * (1 + 1 / min(n, self.independent))
                rank = min(max(int(np.ceil(n * share)), 1), n) - 1
                found[row, column] = scores[rank if level >= 0.5 else n - 1 - rank]
                if level == 0.5:
                    found[row, column] = np.median(scores)
        return found

    def spread(self) -> Array:
        """Distance of the outer tenths of each cycle's scores: ``(n_cycles,)``."""
        low, high = self.offsets([0.1, 0.9])
        return np.asarray(high - low)


def tracked_offsets(
    scores: Array, conformal: Conformal, levels: Sequence[float], until: Array, memory: int
) -> Array:
    """Offsets of quantiles after the errors of the last cycles were seen.

    Each cycle of the horizon goes its own way: an offset rises by a share of the spread where
    truths lay above it more often than they should, and falls where less often. What is known when
    is respected: the third cycle of a forecast is known three cycles later.

    Parameters
    ----------
    scores : (m, n_cycles, period)
        (truth - forecast) / scale of forecasts made one cycle after the other, NaN where unknown.
    conformal : Conformal
        Where the offsets start.
    levels : sequence of float
    until : (n,) int
        Forecasts of the chain that were made before each of n origins.
    memory : int
        Cycles that are looked back.

    Returns
    -------
    (n_levels, n, n_cycles)
    """
    wanted = np.asarray(levels)[:, None, None]
    offsets = np.repeat(conformal.offsets(levels)[:, None], len(until), axis=1)
    step = RATE * conformal.spread()
    cycles = np.arange(scores.shape[1])
    for back in range(memory, 0, -1):
        made = until[:, None] - back - cycles  # the forecast whose cycle is known since then
        seen = scores[np.clip(made, 0, len(scores) - 1), cycles]
        known = np.isfinite(seen)
        count = known.sum(axis=-1)
        below = (known & (seen <= offsets[..., None])).sum(axis=-1) / np.maximum(count, 1)
        offsets += np.where((made >= 0) & (count > 0), step * (wanted - below), 0.0)
    return np.asarray(offsets)


def fit_conformal(
    errors: Array,
    scale: Array,
    period: int,
    independent: float = np.inf,
    keep: int = 20_000,
) -> Conformal:
    """Collect relative errors of held-out windows.

    Parameters
    ----------
    errors : (n, H)
        Forecast minus truth, NaN where unknown.
    scale : (n,)
        Recent errors of each window, positive.
    period : int
    independent : float
        Cycles that the windows cover.
    keep : int
        Scores that are kept for each cycle, evenly taken from all.
    """
    scores = []
    for start in range(0, errors.shape[1], period):
        part = -errors[:, start : start + period] / scale[:, None]
        known = np.sort(part[np.isfinite(part)])
        if len(known) > keep:
            known = known[np.linspace(0, len(known) - 1, keep).round().astype(int)]
        scores.append(known)
    return Conformal(tuple(scores), period, max(independent, 1.0))


def check_quantiles(levels: Sequence[float]) -> tuple[float, ...]:
    """Ascending levels.

    Raises
    ------
    ValueError
        Unless they are distinct, and between 0 and 1.
    """
    ordered = tuple(sorted(float(level) for level in levels))
    if len(set(ordered)) != len(ordered) or not all(0 < level < 1 for level in ordered):
        raise ValueError(f"Quantiles must be distinct and between 0 and 1, not {tuple(levels)}")
    return ordered
