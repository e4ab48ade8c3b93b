"""A fitted model: candidates, their weights, and forecasts that never fail."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from recycle.cyclic import Windows
from recycle.gate import Gate, blend
from recycle.intervals import Conformal
from recycle.profiles import RecentHistoricProfile
from recycle.ridge import LAMBDAS, CycleRidge, RidgeConfig
from recycle.windows import Array

if TYPE_CHECKING:
    from recycle.network import NetworkConfig, TrainedNetwork
    from recycle.network.batches import TokenSource

__all__ = ["HEADS", "CyclicModel", "Forecast", "Settings"]

HEADS = ("profile", "ridge", "transformer", "mlp", "paper")


@dataclass(frozen=True)
class Settings:
    """What is fitted.

    Attributes
    ----------
    horizon : int
        Steps, a multiple of the profile's period.
    profile : RecentHistoricProfile
    lookbacks : tuple of int
        Steps of history, one ridge each; forecasts are averaged.
    super_cycle : int
        Cycles of a super-cycle; 1 for none.
    head : str
        One of `HEADS`.
    network : NetworkConfig or None
        Needed by the heads that are networks.
    betas, lambdas : tuples of float
        Options for the ridge.
    ridge : RidgeConfig
    aligned : bool
        Whether only windows count whose horizon starts with a cycle.
    gate : str
        "blend", "select" or "none".
    refit : bool
        Whether the ridge is solved again with the held-out windows.
    max_missing : float
        Share of a history that may be missing.
    ood_sigma : float
        Standard deviations of the histories' size beyond which the profile is taken.
    """

    horizon: int
    profile: RecentHistoricProfile
    lookbacks: tuple[int, ...]
    super_cycle: int = 1
    head: str = "ridge"
    network: NetworkConfig | None = None
    betas: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    lambdas: tuple[float, ...] = (*LAMBDAS, 10.0)
    ridge: RidgeConfig = field(default_factory=RidgeConfig)
    aligned: bool = False
    gate: str = "blend"
    refit: bool = True
    max_missing: float = 0.3
    ood_sigma: float = 6.0

    @property
    def period(self) -> int:
        """Steps of a primary cycle."""
        return self.profile.period


@dataclass(frozen=True)
class Forecast:
    """Forecasts of windows, scaled as the data are.

    Attributes
    ----------
    point : (n, H)
    candidates : (K, n, H)
    weights : (K, H)
    source : (n,) str
        "model", "profile" or "last": what was used.
    scale : (n,)
        Recent errors of the profile, for intervals.
    spread : (Q, n, H)
        Distances of the network's own quantiles from its forecast; Q is 0 without.
    """

    point: Array
    candidates: Array
    weights: Array
    source: Array
    scale: Array
    spread: Array


@dataclass(frozen=True)
class CyclicModel:
    """Candidates and how they are mixed.

    Attributes
    ----------
    settings : Settings
    ridges : tuple of CycleRidge
        One for each series, or one for all; empty without.
    network : TrainedNetwork or None
    gate : Gate or None
        None: the profile alone, which needs no training.
    conformal, own_quantiles : Conformal or None
        For quantiles around the forecast, and for those that the network has itself.
    typical : (2,)
        Mean and standard deviation of the logarithm of the histories' size, in training.
    """

    settings: Settings
    ridges: tuple[CycleRidge, ...] = ()
    network: TrainedNetwork | None = None
    gate: Gate | None = None
    conformal: Conformal | None = None
    typical: tuple[float, float] = (0.0, np.inf)
    pooled: CycleRidge | None = field(default=None, repr=False)
    own_quantiles: Conformal | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Candidates, from the simplest to the most complex."""
        names = ["last", "naive"]
        if self.settings.super_cycle > 1:
            names.append("seasonal")
        names.append("profile")
        if self.pooled is not None:
            names.append("ridge")
        if self.network is not None:
            names.append("net")
        return tuple(names)

    @property
    def lookback(self) -> int:
        """Steps that must lie before an origin."""
        settings = self.settings
        needed = [settings.super_cycle * settings.period, 1]
        if self.pooled is not None:
            needed.append(self.pooled.lookback)
        if self.network is not None:
            needed.append(self.network.module.n_history * settings.period)
        return max(needed)

    def ridge_of(self, series: int) -> CycleRidge | None:
        """The ridge of a series; series that were not trained on take the pooled one."""
        return self.ridges[series] if series < len(self.ridges) else self.pooled

    def candidates(self, windows: Windows, series: int, origins: Array) -> tuple[Array, Array]:
        """Forecasts of every candidate, ``(K, n, H)`` float32, and spreads, see `Forecast`."""
        settings = self.settings
        period, horizon = settings.period, settings.horizon
        history = windows.history(series, origins, self.lookback)
        profile = windows.profiles(series, origins, 0, horizon)
        found = [np.repeat(history[:, -1:], horizon, axis=1), _repeat(history, period, horizon)]
        if settings.super_cycle > 1:
            found.append(_repeat(history, period * settings.super_cycle, horizon))
        found.append(profile)
        ridge = self.ridge_of(series)
        if ridge is not None:
            h = windows.profiles(series, origins, -ridge.lookback, 0) if ridge.beta else None
            found.append(ridge.predict(history[:, -ridge.lookback :], h, profile))
        spread = np.zeros((0, len(origins), horizon), np.float32)
        if self.network is not None:
            net, *quantiles = self.network.predict(self.tokens(windows), series, origins)
            found.append(net)
            spread = np.stack([one - net for one in quantiles]) if quantiles else spread
        return np.stack(found), spread

    def tokens(self, windows: Windows) -> TokenSource:
        """Where the network's tokens come from."""
        from recycle.network.batches import TokenSource

        assert self.network is not None
        module = self.network.module
        return TokenSource(
            windows,
            self.pooled,
            module.n_history,
            module.n_future,
            centred=module.config.kind != "paper",
            dtype=next(module.parameters()).dtype,
        )

    def predict(
        self, windows: Windows, series: int, origins: Array, head: str | None = None
    ) -> Forecast:
        """Forecast from each origin, which must have `lookback` steps before it.

        Parameters
        ----------
        windows : Windows
        series : int
        origins : (n,)
        head : str, optional
            The name of a candidate that is to be taken alone.
        """
        origins = np.asarray(origins)
        found, spread = self.candidates(windows, series, origins)
        names = self.names
        weights = self.weights(series, head)
        source = np.full(len(origins), "model" if self.gate else "profile", dtype=object)
        point = blend(weights, found)
        safe = found[names.index("profile")]
        if head is None and self.gate is not None:
            bad = ~np.isfinite(point).all(axis=1) | self._strange(windows, series, origins)
            point[bad], source[bad] = safe[bad], "profile"
        known = np.isfinite(windows.data.values[series])
        since = np.concatenate([[0], np.cumsum(known)])[origins]
        short = since < self.settings.period
        point[short], source[short] = found[0][short], "last"
        source[since == 0] = "none"
        point[since == 0] = np.nan
        scale = self.scale(windows, series, origins)
        return Forecast(point, found, weights, source, scale, spread)

    def scale(self, windows: Windows, series: int, origins: Array) -> Array:
        """Mean absolute difference of the last cycles and the profile: ``(n,)``, positive."""
        period = self.settings.period
        length = min(7 * period, max(self.lookback, 1))
        difference = windows.history(series, origins, length) - windows.profiles(
            series, origins, -length, 0
        )
        found = np.abs(difference).mean(axis=1)
        return np.asarray(np.maximum(found, 1e-6))

    def weights(self, series: int, head: str | None = None) -> Array:
        """The weight of each candidate at each step: ``(K, H)``."""
        names, horizon = self.names, self.settings.horizon
        alone = head or ("profile" if self.gate is None else None)
        if alone is not None:
            if alone not in names:
                raise ValueError(f"head must be one of {names}, not {alone!r}")
            weights = np.zeros((len(names), horizon))
            weights[names.index(alone)] = 1.0
            return weights
        assert self.gate is not None
        if series < len(self.gate.weights):
            return self.gate.steps(series, horizon)
        mean = Gate(names, self.gate.blocks, self.gate.weights.mean(axis=0)[None], self.gate.losses)
        return mean.steps(0, horizon)

    def _strange(self, windows: Windows, series: int, origins: Array) -> Array:
        """Histories with too much missing, or of a size that training never saw."""
        length = self.lookback
        gone = np.concatenate([[0], np.cumsum(~np.isfinite(windows.data.values[series]))])
        share = (gone[origins] - gone[origins - length]) / length
        size = log_size(windows.history(series, origins, length))
        middle, spread = self.typical
        strange = (share > self.settings.max_missing) | (
            size - middle > self.settings.ood_sigma * spread
        )
        return np.asarray(strange)


def log_size(history: Array) -> Array:
    """Logarithm of the standard deviation of each history: ``(n, L) -> (n,)``."""
    return np.asarray(np.log(history.std(axis=1) + 1e-6))


def _repeat(history: Array, length: int, horizon: int) -> Array:
    """The last `length` steps, over and over."""
    return np.asarray(np.take(history, np.arange(horizon) % length - length, axis=1))
