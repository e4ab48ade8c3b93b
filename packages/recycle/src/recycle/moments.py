"""Sums over windows from which every ridge of every lookback follows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recycle.windows import Array, runs

__all__ = ["Moments", "consecutive_moments", "window_moments"]

#: Windows of one product; products are rounded to float32, sums over them are not.
CHUNK = 2048


@dataclass(frozen=True)
class Moments:
    """Second moments of histories u and targets z, summed over windows.

    They are additive: over series, ranks, and time.

    Attributes
    ----------
    gram : (L, L)
        Sum of u uᵀ.
    cross : (L, H)
        Sum of u zᵀ.
    square : (H,)
        Sum of z².
    count : float
        Windows.
    """

    gram: Array
    cross: Array
    square: Array
    count: float

    @classmethod
    def zeros(cls, lookback: int, horizon: int) -> Moments:
        """Moments of no windows."""
        return cls(
            np.zeros((lookback, lookback)), np.zeros((lookback, horizon)), np.zeros(horizon), 0.0
        )

    def __add__(self, other: Moments) -> Moments:
        return Moments(
            self.gram + other.gram,
            self.cross + other.cross,
            self.square + other.square,
            self.count + other.count,
        )

    def scaled(self, factor: float) -> Moments:
        """Weigh all windows: forgetting for a factor below one."""
        return Moments(
            self.gram * factor, self.cross * factor, self.square * factor, self.count * factor
        )

    def losses(self, weights: Array) -> Array:
        """Mean squared error of the forecasts u V at each step: ``(L, H) -> (H,)``.

        Exact, and without a look at any window.
        """
        quadratic = np.einsum("lh,lh->h", weights, self.gram @ weights)
        linear = np.einsum("lh,lh->h", weights, self.cross)
        return np.asarray((self.square - 2 * linear + quadratic) / max(self.count, 1.0))

    def pack(self) -> Array:
        """All sums in one array, for one message."""
        parts = (self.gram.ravel(), self.cross.ravel(), self.square, np.array([self.count]))
        return np.concatenate(parts)

    def unpack(self, packed: Array) -> Moments:
        """Undo `pack`, for moments of this shape."""
        lookback, horizon = self.cross.shape
        cuts = np.cumsum([lookback * lookback, lookback * horizon, horizon])
        gram, cross, square, count = np.split(packed, cuts)
        return Moments(
            gram.reshape(lookback, lookback),
            cross.reshape(lookback, horizon),
            square,
            float(count[0]),
        )


def window_moments(history: Array, target: Array, weight: Array | None = None) -> Moments:
    """Moments of windows as they are.

    A constant is first taken from each window, its history's mean: it changes no forecast of
    weights that sum to one, and keeps the float32 products exact for series far from zero.

    Parameters
    ----------
    history : (n, L)
    target : (n, H)
    weight : (n,), optional
        Of each window.
    """
    total = Moments.zeros(history.shape[1], target.shape[1])
    for start in range(0, len(history), CHUNK):
        rows = slice(start, start + CHUNK)
        mean = history[rows].mean(axis=1, keepdims=True, dtype=np.float64)
        u = (history[rows] - mean).astype(np.float32)
        z = (target[rows] - mean).astype(np.float32)
        count = float(len(u))
        if weight is not None:
            root = np.sqrt(weight[rows, None]).astype(np.float32)
            u, z, count = u * root, z * root, float(weight[rows].sum())
        square = np.einsum("nh,nh->h", z, z, dtype=np.float64)
        total += Moments((u.T @ u).astype(float), (u.T @ z).astype(float), square, count)
    return total


def consecutive_moments(values: Array, origins: Array, lookback: int, horizon: int) -> Moments:
    """Moments of all windows of a series without a profile, for runs of consecutive origins.

    Neighbouring windows share all but two values, so that the moments follow from one
    autocorrelation and two corrections per diagonal: O(T·(L+H) + (L+H)·L) operations instead of
    O(T·L·(L+H)).

    Parameters
    ----------
    values : (T,)
    origins : (n,), ascending
    lookback, horizon : int
    """
    total = Moments.zeros(lookback, horizon)
    values = values.astype(float)
    for run in runs(origins):
        piece = values[run[0] - lookback : run[-1] + horizon]
        total += _run_moments(piece - piece.mean(), len(run), lookback, horizon)
    return total


def _run_moments(v: Array, n: int, lookback: int, horizon: int) -> Moments:
    width = lookback + horizon
    table = np.empty((lookback, width))
    table[0] = np.correlate(v[: n + width - 1], v[:n], "valid")  # sum of v[t] v[t + d]
    head, tail = v[: width - 1], v[n : n + width - 1]
    for row in range(1, lookback):
        table[row, 1:] = table[row - 1, :-1] + tail[row - 1] * tail - head[row - 1] * head
        table[row, 0] = table[0, row]
    squares = np.concatenate([[0.0], np.cumsum(v * v)])
    ends = np.arange(lookback, width)
    return Moments(
        table[:, :lookback].copy(),
        table[:, lookback:].copy(),
        squares[ends + n] - squares[ends],
        float(n),
    )
