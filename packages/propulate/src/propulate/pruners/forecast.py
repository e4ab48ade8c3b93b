"""A pruner that forecasts the final loss by Gaussian processes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from propulate.gaussian import GaussianProcess, most_likely
from propulate.individual import Individual, Status
from propulate.pruners.base import Pruner
from propulate.space import SearchSpace

__all__ = ["DynamicSurrogate"]

Array = NDArray[np.float64]


class DynamicSurrogate(Pruner):
    """Ends evaluations whose forecast is worse than the best known loss.

    One Gaussian process predicts the final loss from the parameters. It is corrected by the
    interim losses: at each step, a second one predicts, from the loss there and the first
    prediction, how complete evaluations ended. An evaluation is ended if the forecast minus one
    standard deviation is above the best known loss plus a margin.

    Parameters
    ----------
    limits : SearchSpace or mapping
    margin : float
        In (0, 1]; how much worse is allowed: (1/margin - 1) times the best loss's magnitude.
    n_startup : int
        Complete evaluations before anything is ended.
    n_points : int
        The newest complete evaluations that are used.
    """

    def __init__(
        self,
        limits: SearchSpace | Mapping[str, Any],
        margin: float = 0.8,
        n_startup: int = 10,
        n_points: int = 100,
    ) -> None:
        if not 0 < margin <= 1:
            raise ValueError(f"margin must be in (0, 1], got {margin}")
        self.space = SearchSpace.of(limits)
        self.margin, self.n_startup, self.n_points = margin, n_startup, n_points
        self._units: list[Array] = []
        self._losses: list[float] = []
        self._series: list[list[float]] = []
        self._best = math.inf
        self._model: GaussianProcess | None = None
        self._expected: Array = np.empty(0)  # by the model, for the known evaluations
        self._models: dict[int, GaussianProcess | None] = {}
        self._step, self._prediction = 0, 0.0

    def learn(self, ind: Individual) -> None:
        """Remember complete evaluations."""
        if ind.status != Status.COMPLETE or not math.isfinite(ind.loss) or not ind.interim:
            return
        self._best = min(self._best, ind.loss)
        self._units.append(ind.unit)
        self._losses.append(ind.loss)
        self._series.append(list(ind.interim))
        for known in (self._units, self._losses, self._series):
            del known[: -self.n_points]
        self._model, self._models = None, {}

    def start_run(self, ind: Individual) -> None:
        """Predict the final loss from the parameters."""
        self._step = 0
        if len(self._losses) < self.n_startup:
            return
        if self._model is None:
            points = np.array(self._units)
            self._model = most_likely(points, np.array(self._losses))
            self._expected = self._model.predict(points)[0]
        self._prediction = float(self._model.predict(ind.unit[None])[0][0])

    def cancel(self, loss: float) -> bool:
        """Whether the forecast is worse than what is known already."""
        self._step += 1
        if math.isnan(loss):
            return True
        model = self._forecaster(self._step)
        if model is None:
            return False
        mean, deviation = model.predict(self._scaled(np.array([[loss, self._prediction]])))
        allowed = self._best + (1 / self.margin - 1) * abs(self._best)
        return bool(mean[0] - deviation[0] > allowed)

    def _scaled(self, pairs: Array) -> Array:
        scaled: Array = (pairs - np.mean(self._losses)) / (np.std(self._losses) or 1.0)
        return scaled

    def _forecaster(self, step: int) -> GaussianProcess | None:
        """From the loss at a step and the prediction to the final loss."""
        if len(self._losses) < self.n_startup or self._model is None:
            return None
        if step not in self._models:
            rows = [i for i, series in enumerate(self._series) if len(series) >= step]
            self._models[step] = None
            if len(rows) >= self.n_startup:
                losses = [self._series[i][step - 1] for i in rows]
                pairs = np.array([losses, self._expected[rows]]).T
                ends = np.array([self._losses[i] for i in rows])
                self._models[step] = most_likely(self._scaled(pairs), ends)
        return self._models[step]
