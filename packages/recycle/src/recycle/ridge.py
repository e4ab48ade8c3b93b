"""The closed-form head: linear forecasts of what the profile leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from recycle.moments import Moments
from recycle.windows import Array

__all__ = [
    "LAMBDAS",
    "CycleRidge",
    "RidgeConfig",
    "factors",
    "fit_ridge",
    "forecast_weights",
    "low_rank",
    "mixed",
    "refit_ridge",
]

#: Penalties relative to the mean eigenvalue.
LAMBDAS = tuple(10.0**exponent for exponent in range(-6, 1))


@dataclass(frozen=True)
class RidgeConfig:
    """How the ridge is fitted.

    Attributes
    ----------
    loss : str
        "mse"; or "mae", for data with outliers: windows count by the inverse of their error, in a
        few rounds, and the gate weighs by absolute errors.
    rank : int, optional
        So many patterns of the horizon that the history weighs; default: no limit. A small number
        makes small exports.
    own_share : float
        Share of a ridge of its own in the forecast of each series: 0 pools all, 1 none.
    half_life : float
        Cycles after which a window counts half; default: all count the same.
    """

    loss: str = "mse"
    rank: int | None = None
    own_share: float = 0.5
    half_life: float = float("inf")

    def __post_init__(self) -> None:
        if self.loss not in {"mse", "mae"}:
            raise ValueError(f"loss of the ridge must be 'mse' or 'mae', not {self.loss!r}")
        if self.rank is not None and self.rank < 1:
            raise ValueError(f"rank must be at least 1, or None, not {self.rank}")
        if not 0 <= self.own_share <= 1 or not self.half_life > 0:
            raise ValueError("own_share must lie in [0, 1], and half_life be positive")


@dataclass(frozen=True)
class CycleRidge:
    """A fitted ridge: the forecast is beta·f + (x - beta·h) V.

    Attributes
    ----------
    weights : (L, H) float32
        V; each column sums to one, so that levels pass through.
    beta : float
        Share of the profile that is taken off: 1 is ReCycle's residual learning, 0 a linear model.
    lookbacks : tuple of int
        Whose forecasts are averaged.
    lambdas : tuple of float
        The chosen relative penalty of each lookback.
    loss : float
        Mean squared error on validation.
    """

    weights: Array
    beta: float
    lookbacks: tuple[int, ...]
    lambdas: tuple[float, ...]
    loss: float

    @property
    def lookback(self) -> int:
        """The steps of history that are needed."""
        return int(self.weights.shape[0])

    def predict(self, x: Array, h: Array | None = None, f: Array | None = None) -> Array:
        """Forecast.

        Parameters
        ----------
        x : (n, L)
            Histories.
        h, f : (n, L) and (n, H), optional
            The profile over history and horizon; not needed where beta is 0.

        Returns
        -------
        (n, H)
        """
        if self.beta == 0 or h is None or f is None:
            return np.asarray(x @ self.weights)
        return np.asarray((x - self.beta * h) @ self.weights + self.beta * f)


def forecast_weights(moments: Moments, lookback: int, lambdas: Sequence[float]) -> list[Array]:
    """Ridge solutions V for each penalty, with histories centred by their means.

    With the mean m of the last `lookback` values, X = u - m and Z = z - m, the solution is
    W = (XᵀX + λI)⁻¹ XᵀZ, and V = C W + 1/l with the centring matrix C. One eigendecomposition
    serves all penalties.

    Returns
    -------
    list of (lookback, H)
    """
    gram = moments.gram[-lookback:, -lookback:]
    sums = gram.sum(axis=1) / lookback
    centred = gram - sums[:, None] - sums[None, :] + sums.mean()
    cross = moments.cross[-lookback:] - sums[:, None]
    cross = cross - cross.mean(axis=0)
    values, vectors = np.linalg.eigh(centred)
    values = np.maximum(values, 0.0)
    projected = vectors.T @ cross
    unit = max(float(values.sum()) / lookback, np.finfo(float).tiny)
    found = []
    for penalty in lambdas:
        solution = vectors @ (projected / (values + penalty * unit)[:, None])
        found.append(solution - solution.mean(axis=0) + 1 / lookback)
    return found


def fit_ridge(
    train: Moments,
    validation: Moments,
    beta: float,
    lookbacks: Sequence[int],
    lambdas: Sequence[float] = LAMBDAS,
    rank: int | None = None,
) -> CycleRidge:
    """Choose penalties by the validation loss, and average over lookbacks.

    Parameters
    ----------
    train, validation : Moments
        At the longest lookback, with the share `beta` of the profile taken off.
    beta : float
    lookbacks : sequence of int
    lambdas : sequence of float
        Relative penalties.
    rank : int, optional
        See `low_rank`.
    """
    weights = np.zeros(train.cross.shape)
    chosen = []
    for lookback in lookbacks:
        options = forecast_weights(train, lookback, lambdas)
        padded = [_pad(option, len(weights)) for option in options]
        losses = [float(validation.losses(option).mean()) for option in padded]
        chosen.append(lambdas[int(np.argmin(losses))])
        weights += padded[int(np.argmin(losses))] / len(lookbacks)
    weights = low_rank(weights, train, lookbacks, rank)
    loss = float(validation.losses(weights).mean())
    return CycleRidge(weights.astype(np.float32), beta, tuple(lookbacks), tuple(chosen), loss)


def refit_ridge(ridge: CycleRidge, moments: Moments, rank: int | None = None) -> CycleRidge:
    """The same share, lookbacks and penalties on other moments, such as train and validation."""
    weights = np.zeros(moments.cross.shape)
    for lookback, penalty in zip(ridge.lookbacks, ridge.lambdas, strict=True):
        (option,) = forecast_weights(moments, lookback, [penalty])
        weights += _pad(option, len(weights)) / len(ridge.lookbacks)
    weights = low_rank(weights, moments, ridge.lookbacks, rank)
    return replace(ridge, weights=weights.astype(np.float32))


def low_rank(weights: Array, moments: Moments, lookbacks: Sequence[int], rank: int | None) -> Array:
    """The weights of so few patterns whose forecasts are nearest: ``(L, H) -> (L, H)``.

    Reduced-rank regression (Izenman, 1975): forecasts are projected onto the leading eigenvectors
    of their second moments. What passes levels through is kept beside them.
    """
    if rank is None or rank >= weights.shape[1]:
        return weights
    level = _level(lookbacks, len(weights))
    rest = weights - level
    _, patterns = np.linalg.eigh(rest.T @ moments.gram @ rest)
    leading = patterns[:, -rank:]
    return np.asarray(level + rest @ leading @ leading.T)


def factors(ridge: CycleRidge) -> tuple[Array, Array, Array]:
    """The weights as level and two narrow matrices: ``level + left @ right``.

    Returns
    -------
    (L,), (L, r) and (r, H)
        r is the number of patterns that the weights are made of.
    """
    level = _level(ridge.lookbacks, ridge.lookback)
    left, size, right = np.linalg.svd(ridge.weights - level, full_matrices=False)
    rank = max(1, int((size > 1e-5 * size[0]).sum()))
    return level[:, 0], left[:, :rank] * size[:rank], right[:rank]


def _level(lookbacks: Sequence[int], length: int) -> Array:
    """Weights that pass the mean over each lookback on: ``(length, 1)``."""
    means = [_pad(np.full((size, 1), 1 / size), length) for size in lookbacks]
    return np.asarray(np.mean(means, axis=0))


def mixed(own: CycleRidge, pooled: CycleRidge, share: float) -> CycleRidge:
    """The average of a series' own ridge and that of all; both have the same beta."""
    weights = share * own.weights + (1 - share) * pooled.weights
    return replace(own, weights=weights.astype(np.float32))


def _pad(weights: Array, lookback: int) -> Array:
    """Zeros for the steps before a shorter lookback."""
    return np.pad(weights, ((lookback - len(weights), 0), (0, 0)))
