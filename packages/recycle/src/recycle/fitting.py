"""Fitting a model: ridge in closed form, network, gate and intervals."""

from __future__ import annotations

import functools
import logging
import math
import operator
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from recycle.cyclic import CyclicData, Windows
from recycle.gate import blend, fit_gate, horizon_blocks
from recycle.intervals import fit_conformal
from recycle.model import CyclicModel, Settings, log_size
from recycle.moments import CHUNK, Moments, consecutive_moments, window_moments
from recycle.ridge import CycleRidge, fit_ridge, mixed, refit_ridge
from recycle.teams import ALONE, Team, shared_sum
from recycle.windows import Array, runs

__all__ = ["fit_model", "refit_model", "series_moments"]

logger = logging.getLogger(__name__)
Span = tuple[int, int]

#: Windows, over all series, by which the share of the profile is chosen.
SEARCH_WINDOWS = 6_000
#: Windows of the last fit where the share is not zero.
FIT_WINDOWS = 60_000
#: Most series with a ridge of their own.
OWN_SERIES = 64
#: Numbers of one candidate that the gate looks at.
GATE_VALUES = 1_500_000


def fit_model(
    data: CyclicData,
    settings: Settings,
    train: Span,
    validation: Span | None,
    *,
    team: Team = ALONE,
    callbacks: Sequence[Any] = (),
) -> CyclicModel:
    """Fit on the windows of one span, and choose on those of the next. Collective.

    Parameters
    ----------
    data : CyclicData
        Scaled by numbers of the training span.
    settings : Settings
    train, validation : (first, end) steps
        Targets of validation lie within its span; histories may reach back into training. Without
        validation the model is the profile alone.
    team : Team
        Ranks that share the work; all hold the same data.
    callbacks : callables
        Called after each epoch of a network.
    """
    model = CyclicModel(settings)
    windows = Windows(data, settings.profile)
    if validation is None:  # the profile is not trained: all windows are held out
        return _judge(model, windows, None, train, team)
    if settings.head not in {"profile", "paper"}:
        model = _fit_ridges(model, windows, train, validation, team)
    if settings.network is not None and settings.head not in {"profile", "ridge"}:
        model = _fit_network(model, windows, train, validation, team, callbacks)
    model = _judge(model, windows, train, validation, team)
    if settings.refit and model.pooled is not None:
        model = refit_model(model, windows, (train[0], validation[1]), team)
    return model


def series_moments(
    windows: Windows, settings: Settings, series: int, origins: Array, beta: float
) -> Moments:
    """Moments of some windows of a series.

    Runs of consecutive windows without a profile take the fast way.
    """
    lookback, horizon = max(settings.lookbacks), settings.horizon
    filled = windows.data.filled[series]
    total = Moments.zeros(lookback, horizon)
    if beta == 0:
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
        total += window_moments(history, target)
    return total


def _usable(windows: Windows, settings: Settings, series: int, span: Span, lookback: int) -> Array:
    """Origins in a span that count."""
    origins = windows.usable(series, span, lookback, settings.horizon, settings.max_missing)
    if settings.aligned:
        origins = origins[(origins + windows.data.calendar.phase) % settings.period == 0]
    return origins


def _moments(
    windows: Windows, settings: Settings, span: Span, beta: float, limit: int, team: Team
) -> Moments:
    """Moments of all series. Collective."""
    (total,) = _moments_of(windows, settings, span, beta, limit, team, together=True)
    return total


def _moments_of(
    windows: Windows,
    settings: Settings,
    span: Span,
    beta: float,
    limit: int,
    team: Team,
    *,
    together: bool = False,
) -> list[Moments]:
    """Moments of each series. Collective: rank r takes every size-th block of windows."""
    lookback, horizon = max(settings.lookbacks), settings.horizon
    usable = [
        _usable(windows, settings, series, span, lookback)
        for series in range(windows.data.n_series)
    ]
    stride = _stride(sum(map(len, usable)), limit, settings.period) if beta else 1
    parts = [Moments.zeros(lookback, horizon) for _ in (usable[:1] if together else usable)]
    number = 0
    for series, origins in enumerate(usable):
        chosen = origins[::stride]
        for start in range(0, len(chosen), 4 * CHUNK):
            if number % team.size == team.rank:
                block = chosen[start : start + 4 * CHUNK]
                parts[0 if together else series] += series_moments(
                    windows, settings, series, block, beta
                )
            number += 1
    if team.size > 1:
        parts = [part.unpack(team.allreduce(part.pack())) for part in parts]
    return parts


def _fit_ridges(
    model: CyclicModel, windows: Windows, train: Span, validation: Span, team: Team
) -> CyclicModel:
    settings, lookbacks, lambdas = model.settings, model.settings.lookbacks, model.settings.lambdas
    best: CycleRidge | None = None
    for beta in settings.betas:
        both = [
            _moments(windows, settings, span, beta, SEARCH_WINDOWS, team)
            for span in (train, validation)
        ]
        if both[0].count == 0 or both[1].count == 0:
            logger.warning("There is no complete window for the ridge; the profile is used alone")
            return model
        ridge = fit_ridge(both[0], both[1], beta, lookbacks, lambdas)
        if best is None or ridge.loss < best.loss:
            best = ridge
    assert best is not None
    options = (windows, settings, train, best.beta, FIT_WINDOWS, team)
    if not settings.own_share or not 1 < windows.data.n_series <= OWN_SERIES:
        if best.beta:  # the search took few windows
            best = refit_ridge(best, _moments(*options))
        return replace(model, pooled=best)
    parts = _moments_of(*options)
    held_out = _moments_of(windows, settings, validation, best.beta, FIT_WINDOWS, team)
    pooled = refit_ridge(best, functools.reduce(operator.add, parts))
    own = [
        fit_ridge(part, held, best.beta, lookbacks, lambdas)
        if part.count and held.count
        else pooled
        for part, held in zip(parts, held_out, strict=True)
    ]
    return _share_ridges(replace(model, pooled=pooled, ridges=tuple(own)))


def refit_model(
    model: CyclicModel, windows: Windows, span: Span, team: Team = ALONE
) -> CyclicModel:
    """Solve the ridges again, with what was chosen, on other steps. Collective."""
    assert model.pooled is not None
    if not model.ridges:
        moments = _moments(windows, model.settings, span, model.pooled.beta, FIT_WINDOWS, team)
        return replace(model, pooled=refit_ridge(model.pooled, moments))
    parts = _moments_of(windows, model.settings, span, model.pooled.beta, FIT_WINDOWS, team)
    own = [refit_ridge(*pair) for pair in zip(model.ridges, parts, strict=True)]
    total = functools.reduce(operator.add, parts)
    return _share_ridges(replace(model, pooled=refit_ridge(model.pooled, total), ridges=tuple(own)))


def _share_ridges(model: CyclicModel) -> CyclicModel:
    """Mix each series' own ridge with that of all."""
    if model.pooled is None:
        return model
    share = model.settings.own_share
    return replace(model, ridges=tuple(mixed(own, model.pooled, share) for own in model.ridges))


def _pairs(
    windows: Windows, model: CyclicModel, span: Span, lookback: int, stride: int
) -> tuple[Array, Array]:
    """Series and origins of windows in a span."""
    origins = [
        _usable(windows, model.settings, series, span, lookback)[::stride]
        for series in range(windows.data.n_series)
    ]
    series = np.repeat(np.arange(len(origins)), [len(part) for part in origins])
    return series, np.concatenate(origins)


def _fit_network(
    model: CyclicModel,
    windows: Windows,
    train: Span,
    validation: Span,
    team: Team,
    callbacks: Sequence[Any],
) -> CyclicModel:
    import torch

    from recycle.network import train_network
    from recycle.network.batches import TokenSource

    settings = model.settings
    config = settings.network
    assert config is not None
    paper = config.kind == "paper"
    source = TokenSource(
        windows,
        model.pooled,
        config.history,
        settings.horizon // settings.period,
        centred=not paper,
        dtype=torch.float32 if team is ALONE else torch.float64,
    )
    pairs = _pairs(windows, model, train, source.lookback, 1)
    held_out = _pairs(windows, model, validation, source.lookback, 1)
    if config.aligned:
        phase = windows.data.calendar.phase
        pairs, held_out = (
            tuple(part[(both[1] + phase) % settings.period == 0] for part in both)
            for both in (pairs, held_out)
        )
    stride = _stride(len(held_out[0]), max(256, min(2048, 400_000 // settings.horizon)), 24)
    held_out = (held_out[0][::stride], held_out[1][::stride])
    if len(pairs[0]) < 32 or len(held_out[0]) < 4:
        logger.warning("Too few windows for a network; it is left out")
        return model
    return replace(model, network=train_network(source, config, pairs, held_out, team, callbacks))


def _judge(
    model: CyclicModel, windows: Windows, train: Span | None, held_out: Span, team: Team
) -> CyclicModel:
    """Fit gate and intervals to the errors of held-out windows. Collective."""
    settings = model.settings
    series, origins = _pairs(windows, model, held_out, model.lookback, 1)
    if len(series) == 0:
        if train is not None:
            logger.warning("No complete window for validation; the profile is used alone")
        return model
    stride = _stride(len(series), max(64, GATE_VALUES // settings.horizon), settings.period)
    series, origins = series[::stride], origins[::stride]
    errors, spread, scale, sizes = _errors(model, windows, train, series, origins, team)
    if train is not None:
        span = held_out[1] - held_out[0]
        eligible = _eligible(model)
        gate = fit_gate(
            errors[eligible],
            series,
            windows.data.n_series,
            [model.names[row] for row in eligible],
            horizon_blocks(settings.horizon, settings.period),
            settings.gate,
            span / settings.period,
            span / settings.horizon * windows.data.n_series,
        ).among(model.names)
        typical = (float(sizes.mean()), max(float(sizes.std()), 0.1))
        model = replace(model, gate=gate, typical=typical)
    mixed_errors = np.empty(errors.shape[1:])
    for one in np.unique(series).tolist():
        rows = series == one
        mixed_errors[rows] = blend(model.weights(one), errors[:, rows])
    cycles = (held_out[1] - held_out[0]) / settings.period
    model = replace(model, conformal=fit_conformal(mixed_errors, scale, settings.period, cycles))
    if len(spread) == 0:
        return model
    levels = settings.network.quantiles if settings.network is not None else ()
    corrected = fit_conformal(mixed_errors + spread, scale, settings.period, cycles, levels=levels)
    return replace(model, own_quantiles=corrected)


def _errors(
    model: CyclicModel,
    windows: Windows,
    train: Span | None,
    series: Array,
    origins: Array,
    team: Team,
) -> tuple[Array, Array, Array, Array]:
    """Errors of all candidates, spreads, their scale, and the sizes of histories in training.

    Collective.
    """
    settings, network = model.settings, model.network
    levels = 0 if network is None else network.module.outputs - 1
    spread = np.zeros((levels, len(series), settings.horizon))
    errors = np.zeros((len(model.names), len(series), settings.horizon), dtype=np.float64)
    scale, sizes = np.zeros(len(series)), np.zeros(len(series))
    for number, one in enumerate(np.unique(series).tolist()):
        if number % team.size != team.rank:
            continue
        rows = np.flatnonzero(series == one)
        truth = windows.target(one, origins[rows], settings.horizon)
        found, spread[:, rows] = model.candidates(windows, one, origins[rows])
        errors[:, rows] = found - truth
        scale[rows] = model.scale(windows, one, origins[rows])
        if train is None:
            continue
        early = windows.usable(one, train, model.lookback, 1, settings.max_missing)
        if len(early):
            some = early[np.linspace(0, len(early) - 1, len(rows)).astype(int)]
            sizes[rows] = log_size(windows.history(one, some, model.lookback))
    if team.size > 1:
        errors, spread, scale, sizes = shared_sum(team, errors, spread, scale, sizes)
    return errors, spread, scale, sizes


def _eligible(model: CyclicModel) -> list[int]:
    """Candidates that may get weight.

    Where there is a head, mixing in the simplest ones would follow the noise of the held-out part.
    Without a cycle there is no profile, and the last value is the fallback.
    """
    names = model.names
    if model.settings.period == 1:
        return [row for row, name in enumerate(names) if name in {"last", "ridge"}]
    if model.pooled is None and model.network is None:
        return list(range(len(names)))
    return [row for row, name in enumerate(names) if name in {"profile", "ridge", "net"}]


def _stride(count: int, limit: int, period: int) -> int:
    """The smallest stride that leaves `limit` windows, and meets every slot of the cycle."""
    stride = max(1, -(-count // limit))
    while math.gcd(stride, period) > 1:
        stride += 1
    return stride
