"""Tokens of windows, gathered for many windows at once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from recycle.cyclic import Windows
from recycle.ridge import CycleRidge
from recycle.windows import Array

__all__ = ["Batch", "TokenSource"]


@dataclass(frozen=True)
class Batch:
    """What the network takes, what it shall return, and the level that was taken off."""

    e: Tensor
    d: Tensor
    calendar_e: Tensor
    calendar_d: Tensor
    target: Tensor
    level: Tensor

    def __len__(self) -> int:
        return len(self.level)

    def rows(self, index: Tensor | slice) -> Batch:
        """Some of the windows."""
        parts = (self.e, self.d, self.calendar_e, self.calendar_d, self.target, self.level)
        return Batch(*(part[index] for part in parts))


@dataclass(frozen=True)
class TokenSource:
    """Makes tokens of windows.

    Attributes
    ----------
    windows : Windows
    ridge : CycleRidge or None
        Gives the base forecast; without it the profile does.
    n_history, n_future : int
        Cycles.
    centred : bool
        Whether each window's mean is taken off.
    """

    windows: Windows
    ridge: CycleRidge | None
    n_history: int
    n_future: int
    centred: bool = True
    dtype: torch.dtype = torch.float32

    @property
    def n_series(self) -> int:
        """S."""
        return self.windows.data.n_series

    @property
    def lookback(self) -> int:
        """Steps that must lie before an origin."""
        own = self.n_history * self.windows.profile.period
        return max(own, self.ridge.lookback if self.ridge else 0)

    def batch(self, series: Array, origins: Array) -> Batch:
        """Tokens of windows ``(series[i], origins[i])``; with NaN in the target where unknown."""
        period = self.windows.profile.period
        shape_e = (len(series), self.n_history, period)
        shape_d = (len(series), self.n_future, period)
        features = self.windows.data.calendar.n_features
        e, d = np.empty(shape_e, np.float32), np.empty(shape_d, np.float32)
        target, level = np.empty(shape_d, np.float32), np.empty((len(series), 1, 1), np.float32)
        calendar_e = np.empty((*shape_e[:2], features), np.float32)
        calendar_d = np.empty((*shape_d[:2], features), np.float32)
        for one in np.unique(series).tolist():
            rows = np.flatnonzero(series == one)
            where = origins[rows]
            history, base, future = self._window(one, where)
            mean = history.mean(axis=1, keepdims=True) if self.centred else np.zeros((len(rows), 1))
            level[rows, :, 0] = mean
            e[rows] = (history - mean).reshape(-1, *shape_e[1:])
            d[rows] = (base - mean).reshape(-1, *shape_d[1:])
            target[rows] = (future - mean).reshape(-1, *shape_d[1:])
            tokens = self.windows.data.calendar.tokens
            calendar_e[rows] = tokens(one, where, -self.n_history, 0)
            calendar_d[rows] = tokens(one, where, 0, self.n_future)
        parts = (e, d, calendar_e, calendar_d, target, level)
        return Batch(*(torch.from_numpy(part).to(self.dtype) for part in parts))

    def panel(self, origins: Array) -> Batch:
        """Tokens of all series at each origin, neighbours of each other; zeros where unknown."""
        series = np.tile(np.arange(self.n_series), len(origins))
        found = self.batch(series, np.repeat(origins, self.n_series))
        known = [part.nan_to_num() for part in (found.e, found.d)]
        return replace(found, e=known[0], d=known[1], level=found.level.nan_to_num())

    def _window(self, series: int, origins: Array) -> tuple[Array, Array, Array]:
        windows, period = self.windows, self.windows.profile.period
        n_h, n_f = self.n_history * period, self.n_future * period
        longest, ridge = self.lookback, self.ridge
        x = windows.history(series, origins, longest)
        beta = 1.0 if ridge is None else ridge.beta
        history, f = x[:, -n_h:], None
        h = None
        if beta:
            h = windows.profiles(series, origins, -longest, 0)
            f = windows.profiles(series, origins, 0, n_f)
            history = history - np.float32(beta) * h[:, -n_h:]
        if ridge is None:
            assert f is not None
            base = f
        else:
            own = ridge.lookback
            base = ridge.predict(x[:, -own:], None if h is None else h[:, -own:], f)
        known = min(n_f, windows.data.n_steps - int(origins.max()))
        if known < n_f:  # at the end of the data there is nothing to compare with
            return history, base, np.full((len(origins), n_f), np.nan, np.float32)
        return history, base, windows.target(series, origins, n_f)
