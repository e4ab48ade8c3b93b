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
    Errors are those of the forecast; or, with `levels`, those of a network's own quantile of each
    level, which its offset then corrects (Romano, Patterson and Candès: conformalized quantile
    regression, 2019, with each side by itself).

    Attributes
    ----------
    scores : tuple of tuples of (m,) arrays
        For each level, or for all, and for each cycle of the horizon; ascending:
        (truth - forecast) / scale on held-out windows.
    period : int
    independent : float
        How many of the scores count as independent of each other: cycles, not windows, which
        overlap. The fewer there are, the wider intervals must be.
    levels : tuple of float
    """

    scores: tuple[tuple[Array, ...], ...]
    period: int
    independent: float = np.inf
    levels: tuple[float, ...] = ()

    def offsets(self, levels: Sequence[float]) -> Array:
        """Relative offsets of quantiles: ``(n_levels, n_cycles)``.

        The rank is that of split conformal prediction, (m + 1) / m level of n scores, of which m
        are independent, for the upper half, and its mirror image for the lower half.
        """
        rows = [[self._offset(scores, level) for scores in self._row(level)] for level in levels]
        return np.array(rows).reshape(len(levels), -1)

    def spread(self, levels: Sequence[float]) -> Array:
        """Distance of the outer tenths of each cycle's scores: ``(n_levels, n_cycles)``."""
        return np.array(
            [
                [self._offset(part, 0.9) - self._offset(part, 0.1) for part in self._row(level)]
                for level in levels
            ]
        ).reshape(len(levels), -1)

    def _row(self, level: float) -> tuple[Array, ...]:
        return self.scores[self.levels.index(level) if self.levels else 0]

    def _offset(self, scores: Array, level: float) -> float:
        n = len(scores)
        if n == 0:
            return 0.0
        if level == 0.5:
            return float(np.median(scores))
        share = max(level, 1 - level) * (1 + 1 / min(n, self.independent))
        rank = min(max(int(np.ceil(n * share)), 1), n) - 1
        return float(scores[rank if level > 0.5 else n - 1 - rank])


def tracked_offsets(
    scores: Array, conformal: Conformal, levels: Sequence[float], until: Array, memory: int
) -> Array:
    """Offsets of quantiles after the errors of the last cycles were seen.

    Each cycle of the horizon goes its own way: an offset rises by a share of the spread where
    truths lay above it more often than they should, and falls where less often. What is known when
    is respected: the third cycle of a forecast is known three cycles later.

    Parameters
    ----------
    scores : (n_levels or 1, m, n_cycles, period)
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
    step = RATE * conformal.spread(levels)[:, None]
    cycles = np.arange(scores.shape[2])
    for back in range(memory, 0, -1):
        made = until[:, None] - back - cycles  # the forecast whose cycle is known since then
        seen = scores[:, np.clip(made, 0, scores.shape[1] - 1), cycles]
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
    levels: Sequence[float] = (),
) -> Conformal:
    """Collect relative errors of held-out windows.

    Parameters
    ----------
    errors : (n, H), or (n_levels, n, H) with levels
        Forecast minus truth, NaN where unknown.
    scale : (n,)
        Recent errors of each window, positive.
    period : int
    independent : float
        Cycles that the windows cover.
    keep : int
        Scores that are kept for each cycle, evenly taken from all.
    levels : sequence of float
        Of quantiles whose errors these are.
    """
    rows = []
    for one in errors if levels else errors[None]:
        relative = -one / scale[:, None]
        parts = [relative[:, start : start + period] for start in range(0, one.shape[1], period)]
        rows.append(tuple(_kept(part, keep) for part in parts))
    return Conformal(tuple(rows), period, max(independent, 1.0), tuple(levels))


def _kept(scores: Array, keep: int) -> Array:
    """The known ones, ascending."""
    known = np.sort(scores[np.isfinite(scores)])
    if len(known) > keep:
        known = known[np.linspace(0, len(known) - 1, keep).round().astype(int)]
    return np.asarray(known)


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
