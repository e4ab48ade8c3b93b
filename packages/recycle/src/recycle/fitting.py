"""Fitting a model: ridge in closed form, network, gate and intervals."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from recycle.cyclic import CyclicData, Windows
from recycle.gate import blend, fit_gate, horizon_blocks
from recycle.intervals import fit_conformal
from recycle.model import CyclicModel, Settings, log_size
from recycle.pooling import Span, fit_ridges, refit_model, stride_for, usable_origins
from recycle.teams import ALONE, Team, shared_sum
from recycle.windows import Array

__all__ = ["fit_model"]

logger = logging.getLogger(__name__)

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
    weight: Array | None = None,
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
    weight : (T,), optional
        Of each step, for the ridge.
    """
    model = CyclicModel(settings)
    windows = Windows(data, settings.profile)
    if validation is None:  # the profile is not trained: all windows are held out
        return _judge(model, windows, None, train, team)
    if settings.head not in {"profile", "paper"}:
        model = fit_ridges(model, windows, train, validation, team, weight)
    if settings.network is not None and settings.head not in {"profile", "ridge"}:
        model = _fit_network(model, windows, train, validation, team, callbacks)
    model = _judge(model, windows, train, validation, team)
    if settings.refit and model.pooled is not None:
        model = refit_model(model, windows, (train[0], validation[1]), team, weight)
    return model


def _pairs(
    windows: Windows, model: CyclicModel, span: Span, lookback: int, stride: int
) -> tuple[Array, Array]:
    """Series and origins of windows in a span."""
    origins = [
        usable_origins(windows, model.settings, series, span, lookback)[::stride]
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
    stride = stride_for(len(held_out[0]), max(256, min(2048, 400_000 // settings.horizon)), 24)
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
    stride = stride_for(len(series), max(64, GATE_VALUES // settings.horizon), settings.period)
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
            settings.ridge.loss,
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
