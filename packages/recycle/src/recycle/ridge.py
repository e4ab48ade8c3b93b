"""The closed-form head: linear forecasts of what the profile leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from recycle.moments import Moments
from recycle.windows import Array

__all__ = ["LAMBDAS", "CycleRidge", "fit_ridge", "forecast_weights", "mixed", "refit_ridge"]

#: Penalties relative to the mean eigenvalue.
LAMBDAS = tuple(10.0**exponent for exponent in range(-6, 1))


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
    """
    weights = np.zeros(train.cross.shape)
    chosen = []
    for lookback in lookbacks:
        options = forecast_weights(train, lookback, lambdas)
        padded = [_pad(option, len(weights)) for option in options]
        losses = [float(validation.losses(option).mean()) for option in padded]
        chosen.append(lambdas[int(np.argmin(losses))])
        weights += padded[int(np.argmin(losses))] / len(lookbacks)
    loss = float(validation.losses(weights).mean())
    return CycleRidge(weights.astype(np.float32), beta, tuple(lookbacks), tuple(chosen), loss)


def refit_ridge(ridge: CycleRidge, moments: Moments) -> CycleRidge:
    """The same share, lookbacks and penalties on other moments, such as train and validation."""
    weights = np.zeros(moments.cross.shape)
    for lookback, penalty in zip(ridge.lookbacks, ridge.lambdas, strict=True):
        (option,) = forecast_weights(moments, lookback, [penalty])
        weights += _pad(option, len(weights)) / len(ridge.lookbacks)
    return replace(ridge, weights=weights.astype(np.float32))


def mixed(own: CycleRidge, pooled: CycleRidge, share: float) -> CycleRidge:
    """The average of a series' own ridge and that of all; both have the same beta."""
    weights = share * own.weights + (1 - share) * pooled.weights
    return replace(own, weights=weights.astype(np.float32))


def _pad(weights: Array, lookback: int) -> Array:
    """Zeros for the steps before a shorter lookback."""
    return np.pad(weights, ((lookback - len(weights), 0), (0, 0)))
