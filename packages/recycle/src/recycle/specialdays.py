"""What days next to holidays add: too few in a series to be learnt there, enough in a panel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recycle.cyclic import CyclicData
from recycle.profiles import RecentHistoricProfile
from recycle.windows import Array

__all__ = ["SpecialDays", "fit_special_days"]

#: Days of each kind at which an effect counts half.
PENALTIES = (3.0, 10.0, 30.0, 100.0)
#: Parts of the data of which each is forecast from the others.
FOLDS = 5


@dataclass(frozen=True)
class SpecialDays:
    """Effects of kinds of special days, the same for all series.

    Attributes
    ----------
    weights : (q, period)
        What a day of each kind adds to the scaled values, at each slot; kinds as in
        `recycle.calendars.SPECIAL_DAYS`.
    """

    weights: Array

    def of(self, special: Array, slots: Array) -> Array:
        """The effect at each step: ``(T, q), (T,) -> (T,)``."""
        return np.asarray(np.einsum("tq,qt->t", special, self.weights[:, slots]))


def fit_special_days(
    data: CyclicData, cells: Sequence[Array], profile: RecentHistoricProfile
) -> SpecialDays | None:
    """Ridge regression of what recent profiles leave on kinds of special days.

    The penalty is chosen by leaving out one stretch of time after the other. Profiles contain
    special days themselves, so that the effects found first are taken off for a second pass.

    Parameters
    ----------
    data : CyclicData
    cells : S arrays (at least T,)
        Places in the profile's table.
    profile : RecentHistoricProfile

    Returns
    -------
    SpecialDays, or None if the effects found do not help on stretches that were left out
    """
    calendar, length, period = data.calendar, data.n_steps, profile.period
    slots = calendar.slots[:length]
    special = [calendar.special_of(series)[:length] for series in range(data.n_series)]
    fold = np.arange(length) * FOLDS // max(length, 1)
    found: SpecialDays | None = None
    if not any(part.any() for part in special):
        return found
    for _ in range(2):
        rest = []
        for y, where, cell in zip(data.values, special, cells, strict=True):
            effect = 0.0 if found is None else found.of(where, slots)
            rest.append(y - profile.before(y - effect, cell[:length]))
        found = _fit(rest, special, slots, fold, period)
        if found is None:
            return None
    return found


def _fit(
    rest: Sequence[Array], special: Sequence[Array], slots: Array, fold: Array, period: int
) -> SpecialDays | None:
    kinds = special[0].shape[1]
    gram, cross = np.zeros((FOLDS, period, kinds, kinds)), np.zeros((FOLDS, period, kinds))
    square = 0.0
    for left, days in zip(rest, special, strict=True):
        rows = np.flatnonzero(days.any(axis=1) & np.isfinite(left))
        x, y = days[rows].astype(float), left[rows]
        place = (fold[rows], slots[rows])
        np.add.at(gram, place, x[:, :, None] * x[:, None, :])
        np.add.at(cross, place, x * y[:, None])
        square += float((y**2).sum())
    best, chosen = -0.01 * square, None  # what helps less is chance
    for penalty in PENALTIES:
        gain = 0.0
        for left_out in range(FOLDS):
            a, b = gram[left_out], cross[left_out]
            w = _solve(gram.sum(axis=0) - a, cross.sum(axis=0) - b, penalty)
            gain += float(np.einsum("pq,pqr,pr->", w, a, w) - 2 * (w * b).sum())
        if gain < best:
            best, chosen = gain, penalty
    if chosen is None:
        return None
    return SpecialDays(_solve(gram.sum(axis=0), cross.sum(axis=0), chosen).T)


def _solve(gram: Array, cross: Array, penalty: float) -> Array:
    """Weights of each slot: ``(P, q, q), (P, q) -> (P, q)``."""
    regular = gram + penalty * np.eye(gram.shape[-1])
    return np.asarray(np.linalg.solve(regular, cross[..., None])[..., 0])
