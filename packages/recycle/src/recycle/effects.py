"""Effects of inputs that are known ahead, such as weather forecasts and prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recycle.profiles import RecentHistoricProfile
from recycle.windows import Array

__all__ = ["Effect", "fit_effect"]

#: Parts of a cycle with coefficients of their own.
BLOCKS = 6
#: Penalties relative to the mean eigenvalue.
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)


@dataclass(frozen=True)
class Effect:
    """What covariates add to each series: piecewise linear, and different in parts of the cycle.

    Attributes
    ----------
    centre, scale : (C,)
        Of the covariates in training.
    knots : (2, C)
        Where slopes change, after scaling.
    weights : (S, (1 + blocks) * 3 * C)
        Of each series.
    period, blocks : int
        Steps of a cycle, and its parts.
    """

    centre: Array
    scale: Array
    knots: Array
    weights: Array
    period: int
    blocks: int

    def basis(self, x: Array) -> Array:
        """Each covariate, and its excess over and below the knots: ``(T, C) -> (T, 3C)``."""
        z = (x - self.centre) / self.scale
        above, below = np.maximum(z - self.knots[1], 0), np.maximum(self.knots[0] - z, 0)
        return np.concatenate([z, above, below], axis=1)

    def expanded(self, basis: Array, slots: Array) -> Array:
        """The basis for all steps, and again for each part of the cycle."""
        part = np.eye(self.blocks)[slots * self.blocks // self.period]
        own = (part[:, :, None] * basis[:, None, :]).reshape(len(basis), -1)
        return np.concatenate([basis, own], axis=1)

    def of(self, x: Array, slots: Array, series: int) -> Array:
        """The effect on a series, scaled as it is; unknown series take the mean of all.

        Parameters
        ----------
        x : (T, C)
        slots : (T,) int
            Place of each step in its cycle.
        series : int

        Returns
        -------
        (T,)
        """
        known = series < len(self.weights)
        weights = self.weights[series] if known else self.weights.mean(axis=0)
        return np.asarray(self.expanded(self.basis(x), slots) @ weights)


def fit_effect(
    values: Array,
    x: Array,
    cells: Sequence[Array],
    phase: int,
    profile: RecentHistoricProfile,
    split: int,
) -> Effect:
    """Fit on what recent profiles leave of series and covariates.

    Differences to the profile have no daily or weekly cycle, so that a covariate that merely
    shares the cycle, such as temperature, explains only what it moves. Penalties are chosen on the
    steps from `split` on, for each series; so is whether there is an effect at all.

    Parameters
    ----------
    values : (S, T)
        Scaled series, with NaN where missing.
    x : (S, at least T, C)
    cells : S arrays (at least T,)
        Places in the profile's table.
    phase : int
        Slot of the first step.
    profile : RecentHistoricProfile
    split : int
    """
    length = values.shape[1]
    train = x[:, :split].reshape(-1, x.shape[2])
    centre, scale = train.mean(axis=0), train.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    knots = np.quantile((train - centre) / scale, [0.25, 0.75], axis=0)
    blocks = min(BLOCKS, profile.period)
    effect = Effect(centre, scale, knots, np.zeros((0, 0)), profile.period, blocks)
    slots = (np.arange(length) + phase) % profile.period
    weights = []
    for series, y in enumerate(values):
        place = cells[series][:length]
        rest = y - profile.before(y, place)
        basis = effect.basis(x[series, :length])
        columns = [column - profile.before(column, place) for column in basis.T]
        design = effect.expanded(np.stack(columns, axis=1), slots)
        weights.append(_solve(design, rest, split))
    return Effect(centre, scale, knots, np.stack(weights), profile.period, blocks)


def _solve(design: Array, rest: Array, split: int) -> Array:
    known = np.isfinite(rest) & np.isfinite(design).all(axis=1)
    train, held_out = known.copy(), known.copy()
    train[split:], held_out[:split] = False, False
    best = np.zeros(design.shape[1])
    if train.sum() < 2 * design.shape[1] or not held_out.any():
        return best
    best_loss = 0.99 * float((rest[held_out] ** 2).mean())  # no effect, unless it helps
    chosen = None
    values, vectors = np.linalg.eigh(design[train].T @ design[train])
    for penalty in PENALTIES:
        weights = _ridge(values, vectors, design[train].T @ rest[train], penalty)
        loss = float(((rest - design @ weights)[held_out] ** 2).mean())
        if loss < best_loss:
            best_loss, chosen = loss, penalty
    if chosen is None:
        return best
    values, vectors = np.linalg.eigh(design[known].T @ design[known])
    return _ridge(values, vectors, design[known].T @ rest[known], chosen)


def _ridge(values: Array, vectors: Array, cross: Array, penalty: float) -> Array:
    unit = max(float(values.mean()), 1e-12)
    return np.asarray(vectors @ ((vectors.T @ cross) / (np.maximum(values, 0) + penalty * unit)))
