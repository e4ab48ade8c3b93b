"""Ridges of all series, from sums over windows that ranks share."""

from __future__ import annotations

import functools
import logging
import math
import operator
from dataclasses import replace

import numpy as np

from recycle.cyclic import Windows
from recycle.model import CyclicModel, Settings
from recycle.moments import CHUNK, Moments, consecutive_moments, window_moments
from recycle.ridge import CycleRidge, RidgeConfig, fit_ridge, mixed, refit_ridge
from recycle.teams import ALONE, Team
from recycle.weighing import Weigh, Weighing, step_weights
from recycle.windows import Array, runs

__all__ = ["Span", "fit_ridges", "refit_model", "series_moments", "stride_for", "usable_origins"]

logger = logging.getLogger(__name__)
Span = tuple[int, int]

#: Windows, over all series, by which the share of the profile is chosen.
SEARCH_WINDOWS = 6_000
#: Windows of the last fit where the share is not zero, or windows are weighed.
FIT_WINDOWS = 60_000
#: Most series with a ridge of their own.
OWN_SERIES = 64
#: Rounds of weighing windows by the errors of the round before.
ROUNDS = 5


def series_moments(
    windows: Windows,
    settings: Settings,
    series: int,
    origins: Array,
    beta: float,
    weigh: Weigh | None = None,
) -> Moments:
    """Moments of some windows of a series.

    Runs of consecutive windows without a profile take the fast way, if all count the same.
    """
    lookback, horizon = max(settings.lookbacks), settings.horizon
    filled = windows.data.filled[series]
    total = Moments.zeros(lookback, horizon)
    if beta == 0 and weigh is None:
        long = [run for run in runs(origins) if len(run) >= 64]
        for run in long:
            total += consecutive_moments(filled, run, lookback, horizon)
        taken = np.concatenate([np.zeros(0, dtype=np.int64), *long])
        origins = np.setdiff1d(origins, taken, assume_unique=True)
    for start in range(0, len(origins), CHUNK):
        part = origins[start : start + CHUNK]
        history = windows.history(series, part, lookback)
        target = windows.history(series, part + horizon, horizon)
        if beta:
            history = history - beta * windows.profiles(series, part, -lookback, 0)
            target = target - beta * windows.profiles(series, part, 0, horizon)
        weight = None if weigh is None else weigh(series, part, history, target)
        total += window_moments(history, target, weight)
    return total


def usable_origins(
    windows: Windows, settings: Settings, series: int, span: Span, lookback: int
) -> Array:
    """Origins in a span that count."""
    origins = windows.usable(series, span, lookback, settings.horizon, settings.max_missing)
    if settings.aligned:
        origins = origins[(origins + windows.data.calendar.phase) % settings.period == 0]
    return origins


def _moments(
    windows: Windows,
    settings: Settings,
    span: Span,
    beta: float,
    limit: int,
    team: Team,
    weigh: Weigh | None = None,
) -> Moments:
    """Moments of all series. Collective."""
    (total,) = _moments_of(windows, settings, span, beta, limit, team, weigh, together=True)
    return total


def _moments_of(
    windows: Windows,
    settings: Settings,
    span: Span,
    beta: float,
    limit: int,
    team: Team,
    weigh: Weigh | None = None,
    *,
    together: bool = False,
) -> list[Moments]:
    """Moments of each series. Collective: rank r takes every size-th block of windows."""
    lookback, horizon = max(settings.lookbacks), settings.horizon
    usable = [
        usable_origins(windows, settings, series, span, lookback)
        for series in range(windows.data.n_series)
    ]
    stride = stride_for(sum(map(len, usable)), limit, settings.period) if beta or weigh else 1
    parts = [Moments.zeros(lookback, horizon) for _ in (usable[:1] if together else usable)]
    number = 0
    for series, origins in enumerate(usable):
        chosen = origins[::stride]
        for start in range(0, len(chosen), 4 * CHUNK):
            if number % team.size == team.rank:
                block = chosen[start : start + 4 * CHUNK]
                parts[0 if together else series] += series_moments(
                    windows, settings, series, block, beta, weigh
                )
            number += 1
    if team.size > 1:
        parts = [part.unpack(team.allreduce(part.pack())) for part in parts]
    return parts


def fit_ridges(
    model: CyclicModel,
    windows: Windows,
    train: Span,
    validation: Span,
    team: Team,
    weight: Array | None,
) -> CyclicModel:
    """Choose share and penalties on the windows of the second span. Collective."""
    settings, config = model.settings, model.settings.ridge
    options = (settings.lookbacks, settings.lambdas, config.rank)
    best: CycleRidge | None = None
    for beta in settings.betas:
        both = [
            _moments(windows, settings, span, beta, SEARCH_WINDOWS, team)
            for span in (train, validation)
        ]
        if both[0].count == 0 or both[1].count == 0:
            logger.warning("There is no complete window for the ridge; the profile is used alone")
            return model
        ridge = fit_ridge(both[0], both[1], beta, *options)
        if best is None or ridge.loss < best.loss:
            best = ridge
    assert best is not None
    weighed = weight is not None or config.loss != "mse" or np.isfinite(config.half_life)
    if not best.beta and not weighed and not _own_ridges(config, windows):
        return replace(model, pooled=best)  # the search took all windows
    pooled, parts = _fit_again(best, windows, settings, train, team, weight)
    if len(parts) < 2:
        return replace(model, pooled=pooled)
    held_out = _moments_of(windows, settings, validation, best.beta, FIT_WINDOWS, team)
    own = [
        fit_ridge(part, held, best.beta, *options) if part.count and held.count else pooled
        for part, held in zip(parts, held_out, strict=True)
    ]
    return _share_ridges(replace(model, pooled=pooled, ridges=tuple(own)))


def _own_ridges(config: RidgeConfig, windows: Windows) -> bool:
    """Whether each series gets a ridge of its own."""
    return config.own_share > 0 and 1 < windows.data.n_series <= OWN_SERIES


def _fit_again(
    ridge: CycleRidge,
    windows: Windows,
    settings: Settings,
    span: Span,
    team: Team,
    weight: Array | None,
) -> tuple[CycleRidge, list[Moments]]:
    """The ridge of all series on many windows, with what was chosen, and the moments of each.

    Moments are not kept apart where no series has a ridge of its own. Collective.
    """
    config = settings.ridge
    together = not _own_ridges(config, windows)
    steps = step_weights(weight, windows.data.n_steps, config.half_life * settings.period)
    for _ in range(ROUNDS if config.loss == "mae" else 1):
        by_error = (ridge,) if config.loss == "mae" else ()
        weigh = Weighing(steps, by_error)
        parts = _moments_of(
            windows, settings, span, ridge.beta, FIT_WINDOWS, team,
            weigh if weigh.needed else None, together=together,
        )  # fmt: skip
        ridge = refit_ridge(ridge, functools.reduce(operator.add, parts), config.rank)
    return ridge, parts


def refit_model(
    model: CyclicModel,
    windows: Windows,
    span: Span,
    team: Team = ALONE,
    weight: Array | None = None,
) -> CyclicModel:
    """Solve the ridges again, with what was chosen, on other steps. Collective."""
    assert model.pooled is not None
    pooled, parts = _fit_again(model.pooled, windows, model.settings, span, team, weight)
    if not model.ridges:
        return replace(model, pooled=pooled)
    rank = model.settings.ridge.rank
    own = [refit_ridge(*pair, rank) for pair in zip(model.ridges, parts, strict=True)]
    return _share_ridges(replace(model, pooled=pooled, ridges=tuple(own)))


def _share_ridges(model: CyclicModel) -> CyclicModel:
    """Mix each series' own ridge with that of all."""
    if model.pooled is None:
        return model
    share = model.settings.ridge.own_share
    return replace(model, ridges=tuple(mixed(own, model.pooled, share) for own in model.ridges))


def stride_for(count: int, limit: int, period: int) -> int:
    """The smallest stride that leaves `limit` windows, and meets every slot of the cycle."""
    stride = max(1, -(-count // limit))
    while math.gcd(stride, period) > 1:
        stride += 1
    return stride
