"""The forecaster for tables of series."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from recycle.choices import choose_settings
from recycle.cyclic import Windows
from recycle.durations import to_steps
from recycle.errors import NotEnoughDataError, NotFittedError
from recycle.fitting import fit_model
from recycle.intervals import check_quantiles
from recycle.model import HEADS, CyclicModel
from recycle.panels import Panel, read_panel
from recycle.preparation import Grid, choose_cycle, cyclic_data
from recycle.profiles import RecentHistoricProfile
from recycle.scaling import fit_scaler
from recycle.teams import ALONE, Team
from recycle.windows import Array

__all__ = ["ReCycleForecaster"]

logger = logging.getLogger(__name__)


class ReCycleForecaster:
    """Forecasts cyclic series: a profile of recent days, and what can be learnt beyond it.

    Parameters are stored as they are, and checked by `fit`.

    Parameters
    ----------
    horizon : int or str
        Steps, "7c" for cycles, or a time such as "36h".
    cycle : int, None or "auto"
        Steps of the primary cycle; None for series without one.
    history : int, str or "auto"
        Lookback of the ridge; "auto" averages those of 7, 14, 21 and 30 cycles.
    country : str or mapping, optional
        Whose holidays count, such as "DE-BW"; a mapping gives one for each series.
    tz : str, optional
        Where days begin; stamps without a zone are then universal time.
    freq : str, optional
    profile : str
        "rhp", "ewm", "median", "tenday", "persistence", "seasonal" or "none".
    k : int
        Cycles in the profile.
    scheme : str or callable
        Kinds of days, see `Calendar`.
    head : str
        "auto", "profile", "ridge", "transformer", "mlp", or "paper", the original network.
    gate : str
        "blend", "select" or "none".
    scaler : str
        See `recycle.scaling.SCALERS`.
    validation : float, int or str
        Share or length of the last part, by which choices are made.
    network : NetworkConfig, optional
        Sizes and training of the network.
    refit : bool
        Whether the ridge is solved again with the validation part.
    duplicates : str
        "mean", "first", "last" or "raise".
    seed : int

    Attributes
    ----------
    model_ : CyclicModel
    cycle_ : int or None
    horizon_ : int
        In steps.
    history_ : DataFrame
        Losses of the network's epochs.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> hours = pd.date_range("2024-01-01", periods=24 * 60, freq="h")
    >>> y = pd.Series(np.sin(np.arange(24 * 60) * np.pi / 12), index=hours)
    >>> forecast = ReCycleForecaster(horizon=24, head="profile").fit(y).predict()
    >>> bool(np.allclose(forecast, y[:24], atol=1e-5))
    True
    """

    def __init__(
        self,
        *,
        horizon: int | str = "7c",
        cycle: int | str | None = "auto",
        history: int | str = "auto",
        country: str | Mapping[Any, str] | None = None,
        tz: Any = None,
        freq: Any = None,
        profile: str = "rhp",
        k: int = 3,
        scheme: Any = "default",
        head: str = "auto",
        gate: str = "blend",
        scaler: str = "standard",
        validation: float | str = 0.15,
        network: Any = None,
        refit: bool = True,
        duplicates: str = "mean",
        seed: int = 0,
    ) -> None:
        self.horizon, self.cycle, self.history = horizon, cycle, history
        self.country, self.tz, self.freq = country, tz, freq
        self.profile, self.k, self.scheme = profile, k, scheme
        self.head, self.gate, self.scaler = head, gate, scaler
        self.validation, self.network, self.refit = validation, network, refit
        self.duplicates, self.seed = duplicates, seed

    # ------------------------------------------------------------ scikit-learn's contract

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002
        """The parameters, as given."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Self:
        """Change parameters; takes effect with the next `fit`."""
        unknown = set(params) - set(self.get_params())
        if unknown:
            raise ValueError(f"{sorted(unknown)} are no parameters of ReCycleForecaster")
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        default = inspect.signature(type(self)).parameters
        changed = [
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if value is not default[name].default and value != default[name].default
        ]
        return f"ReCycleForecaster({', '.join(changed)})"

    # ------------------------------------------------------------ fitting

    def fit(self, y: Any, *, comm: Team | None = None, callbacks: Sequence[Any] = ()) -> Self:
        """Fit on series of any shape that `read_panel` knows.

        Parameters
        ----------
        y : Series, DataFrame or array
        comm : mpi_utils.Communicator, optional
            Ranks that share the work; all pass the same data, and get the same model. Collective.
        callbacks : callables
            Called with a dictionary after each epoch of the network.

        Raises
        ------
        DataError, NotEnoughDataError, ValueError
        """
        if self.head not in {"auto", *HEADS}:
            raise ValueError(f"head must be 'auto' or one of {HEADS}, not {self.head!r}")
        panel = self._read(y)
        self.cycle_, super_cycle = choose_cycle(panel, self.cycle)
        period = self.cycle_ or 1
        steps = to_steps(self.horizon, period, panel.step, "horizon")
        slack = -(-pd.Timedelta(hours=1) // panel.step) if panel.tz is not None else 0
        whole = -(-(steps + slack) // period) * period
        grid = Grid(period, panel.times[0], self.country, self.scheme, self.head == "paper")
        split = self._split(panel, period)
        self.scaler_ = fit_scaler(panel.values[: split or None], self.scaler)
        self.grid_, self.names_, self.horizon_ = grid, panel.names, steps
        data = cyclic_data(panel, grid, self.scaler_, self.k, whole, 0)
        running = RecentHistoricProfile(
            period, data.calendar.n_categories, self.k, self.profile, max(super_cycle, 1)
        )
        settings = choose_settings(
            self, panel.step, split, whole, running, super_cycle, data.n_series
        )
        spans = ((0, split), (split, data.n_steps)) if split else ((0, data.n_steps), None)
        self.model_: CyclicModel = fit_model(
            data, settings, *spans, team=comm or ALONE, callbacks=callbacks
        )
        self.panel_ = panel
        return self

    def _read(self, y: Any) -> Panel:
        return read_panel(y, freq=self.freq, tz=self.tz, duplicates=self.duplicates)

    def _split(self, panel: Panel, period: int) -> int:
        """The first step of validation; 0 without a head."""
        if self.head == "profile":
            return 0
        total = len(panel.times)
        if isinstance(self.validation, float) and 0 < self.validation < 1:
            held_out = round(total * self.validation)
        else:
            held_out = to_steps(self.validation, period, panel.step, "validation")
        horizon = -(-to_steps(self.horizon, period, panel.step, "horizon") // period) * period
        # short series: validation must hold some windows
        return total - max(held_out, min(horizon + 7 * period, total // 3))

    # ------------------------------------------------------------ forecasting

    def predict(
        self,
        horizon: int | str | None = None,
        *,
        history: Any = None,
        head: str | None = None,
        quantiles: Sequence[float] | None = None,
        components: bool = False,
    ) -> Any:
        """Forecast what follows the last row.

        Parameters
        ----------
        horizon : int or str, optional
            At most that of the model.
        history : like `y` of `fit`, optional
            What lies before the forecast; default: the data of `fit`.
        head : str, optional
            "last", "naive", "seasonal", "profile", "ridge" or "net": this candidate alone.
        quantiles : sequence of float, optional
            Columns with the suffix ``_q0.1`` and so on.
        components : bool
            Further columns: each candidate, and the source of the forecast.

        Returns
        -------
        In the shape of the input.
        """
        self._check_fitted()
        if history is None and not hasattr(self, "panel_"):
            raise ValueError("A model from a file has no data: give history")
        panel = self.panel_ if history is None else self._read(history)
        steps = self.horizon_
        if horizon is not None:
            steps = to_steps(horizon, self.cycle_ or 1, panel.step, "horizon")
            if steps > self.horizon_:
                raise ValueError(f"The model forecasts {self.horizon_} steps, not {steps}")
        stamps, places = panel.future(steps)
        levels = check_quantiles(quantiles or ())
        found = [
            self._one(windows, series, scaler, head, levels)
            for windows, series, scaler in self._windows(panel)
        ]
        names = list(self.model_.names) if components else []
        keys = ["", *(f"_q{level:g}" for level in levels), *(f"_{name}" for name in names)]
        tables = [np.stack(rows, axis=1) for rows in zip(*(f[0] for f in found), strict=True)]
        tables = tables[: len(keys)]
        columns = {key: table[places - 1] for key, table in zip(keys, tables, strict=True)}
        if components:
            source = np.array([f[1] for f in found], dtype=object)
            columns["_source"] = np.tile(source, (len(stamps), 1))
        return panel.shaped(stamps, columns)

    def predict_interval(
        self, horizon: int | str | None = None, *, level: Sequence[float] = (80, 95), **options: Any
    ) -> Any:
        """Forecast with intervals that cover `level` percent, as columns of quantiles."""
        tails = sorted({round(half, 10) for x in level for half in (0.5 - x / 200, 0.5 + x / 200)})
        return self.predict(horizon, quantiles=tails, **options)

    def _one(
        self, windows: Windows, series: int, scaler: Any, head: str | None, levels: Sequence[float]
    ) -> tuple[list[Array], str]:
        """Forecast, quantiles and candidates of one series, in its own units; and the source."""
        model = self.model_
        origin = np.array([windows.data.n_steps])
        forecast = model.predict(windows, series, origin, head)
        rows = [forecast.point[0]]
        if levels:
            if model.conformal is None:
                raise ValueError("Quantiles need a validation part: fit with another head")
            bands = model.conformal.quantiles(forecast.point, forecast.scale, levels)
            rows += list(bands[:, 0])
        rows += list(forecast.candidates[:, 0])
        where = np.full(len(rows), series)
        return list(scaler.inverse(np.stack(rows).astype(float), where)), str(forecast.source[0])

    def _windows(self, panel: Panel) -> list[tuple[Windows, int, Any]]:
        """Windows of each series of a panel; series that were trained on keep their place."""
        unseen = [name for name in panel.names if name not in self.names_]
        names = (*self.names_, *unseen)
        values = np.full((len(panel.times), len(names)), np.nan)
        for column, name in enumerate(panel.names):
            values[:, names.index(name)] = panel.values[:, column]
        scaler = self.scaler_
        if unseen:
            new = fit_scaler(values[:, len(self.names_) :], self.scaler)
            scaler = replace(
                scaler,
                centre=np.concatenate([scaler.centre, new.centre]),
                scale=np.concatenate([scaler.scale, new.scale]),
            )
        whole = replace(panel, values=values, names=names)
        settings = self.model_.settings
        pad = max(0, self.model_.lookback - len(panel.times))
        data = cyclic_data(whole, self.grid_, scaler, self.k, settings.horizon, pad)
        windows = Windows(data, settings.profile)
        return [(windows, names.index(name), scaler) for name in panel.names]

    # ------------------------------------------------------------ looking inside

    def gate_report(self) -> pd.DataFrame:
        """Weight and held-out loss of each candidate, for each block of the horizon."""
        self._check_fitted()
        gate = self.model_.gate
        if gate is None:
            return pd.DataFrame({"candidate": ["profile"], "weight": [1.0]})
        blocks = len(gate.blocks)
        return pd.DataFrame(
            {
                "until_step": np.repeat(gate.blocks, len(gate.names)),
                "candidate": list(gate.names) * blocks,
                "weight": gate.weights.mean(axis=0).ravel(),
                "mse": gate.losses.ravel(),
            }
        )

    @property
    def history_(self) -> pd.DataFrame:
        """Losses of the network's epochs."""
        self._check_fitted()
        network = self.model_.network
        return pd.DataFrame(list(network.history) if network else [])

    def backtest(
        self, y: Any, *, step: int | str = "1c", head: str | None = None
    ) -> tuple[Array, Array]:
        """Forecasts from many origins, and what came.

        Parameters
        ----------
        y : like `y` of `fit`
        step : int or str
            Between origins.
        head : str, optional

        Returns
        -------
        truth, forecast : (S, n, horizon)
            In the series' own units.
        """
        self._check_fitted()
        panel = self._read(y)
        period = self.cycle_ or 1
        stride = to_steps(step, period, panel.step, "step")
        first, end = self.model_.lookback, len(panel.times) - self.model_.settings.horizon
        if end < first:
            raise NotEnoughDataError(
                f"A backtest needs {first + self.model_.settings.horizon} steps, "
                f"there are {len(panel.times)}"
            )
        origins = np.arange(first, end + 1, stride)
        truths, forecasts = [], []
        for windows, series, scaler in self._windows(panel):
            where = np.full(len(origins), series)
            point = self.model_.predict(windows, series, origins, head).point
            truth = windows.target(series, origins, self.model_.settings.horizon)
            truths.append(scaler.inverse(truth, where)[:, : self.horizon_])
            forecasts.append(scaler.inverse(point, where)[:, : self.horizon_])
        return np.stack(truths), np.stack(forecasts)

    def save(self, path: str | Path) -> None:
        """Write the model to a file, without the data; see `recycle.storage`."""
        from recycle.storage import save

        self._check_fitted()
        save(self, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> ReCycleForecaster:
        """Read what `save` wrote. Never runs code from the file."""
        from recycle.storage import load

        return load(Path(path))

    def _check_fitted(self) -> None:
        if not hasattr(self, "model_"):
            raise NotFittedError("This ReCycleForecaster is not fitted yet; call fit first")
