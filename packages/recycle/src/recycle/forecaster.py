"""The forecaster for tables of series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from recycle.choices import check_words, choose_settings
from recycle.covariates import align_covariates, covariate_names
from recycle.cyclic import CyclicData, Windows
from recycle.durations import to_steps
from recycle.effects import Effect, fit_effect
from recycle.errors import NotFittedError
from recycle.estimator import Estimator
from recycle.fitting import fit_model
from recycle.forecasting import forecast, future_frame, read, sample_paths
from recycle.intervals import check_quantiles
from recycle.model import CyclicModel
from recycle.panels import Panel
from recycle.preparation import choose_cycle, choose_grid, cyclic_data
from recycle.profiles import RecentHistoricProfile
from recycle.scaling import fit_scaler
from recycle.specialdays import SpecialDays, fit_special_days
from recycle.teams import ALONE, Team
from recycle.windows import Array

__all__ = ["ReCycleForecaster"]

if TYPE_CHECKING:
    from recycle.evaluation import Backtest


class ReCycleForecaster(Estimator):
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
        Sizes and training of the network, its own quantiles, and whether it mixes series.
    static : DataFrame or mapping, optional
        What never changes in a series, for the network: numbers or words, a row for each series.
    refit : bool
        Whether the ridge is solved again with the validation part.
    origins : str
        "all"; or "cycles", for forecasts that always start with a cycle, such as each midnight:
        then only such windows are learnt from, which panels of many series have enough of.
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
        static: Any = None,
        refit: bool = True,
        origins: str = "all",
        duplicates: str = "mean",
        seed: int = 0,
    ) -> None:
        self.horizon, self.cycle, self.history = horizon, cycle, history
        self.country, self.tz, self.freq = country, tz, freq
        self.profile, self.k, self.scheme = profile, k, scheme
        self.head, self.gate, self.scaler = head, gate, scaler
        self.validation, self.refit = validation, refit
        self.network, self.static = network, static
        self.origins, self.duplicates, self.seed = origins, duplicates, seed

    # ------------------------------------------------------------ fitting

    def fit(
        self,
        y: Any,
        X: Any = None,
        *,
        comm: Team | None = None,
        callbacks: Sequence[Any] = (),
        energy: bool = False,
    ) -> Self:
        """Fit on series of any shape that `read_panel` knows.

        Parameters
        ----------
        y : Series, DataFrame or array
        X : DataFrame, Series or array, optional
            Covariates whose future is known when forecasting, see `align_covariates`.
        comm : mpi_utils.Communicator, optional
            Ranks that share the work; all pass the same data, and get the same model. Collective.
        callbacks : callables
            Called with a dictionary after each epoch of the network.
        energy : bool
            Measure the fit with energymeter; the result is `energy_`.

        Raises
        ------
        DataError, NotEnoughDataError, ValueError
        """
        check_words(self)
        if energy:
            from recycle.energy import measured

            with measured("fit") as found:
                self.fit(y, X, comm=comm, callbacks=callbacks)
            self.energy_ = found.energy
            return self
        panel = read(self, y)
        self.cycle_, super_cycle = choose_cycle(panel, self.cycle)
        period = self.cycle_ or 1
        steps = to_steps(self.horizon, period, panel.step, "horizon")
        slack = -(-pd.Timedelta(hours=1) // panel.step) if panel.tz is not None else 0
        whole = -(-(steps + slack) // period) * period
        grid = choose_grid(self, period, panel.times[0], panel.names)
        split = self._split(panel, period)
        self.scaler_ = fit_scaler(panel.values[: split or None], self.scaler)
        self.grid_, self.names_, self.horizon_ = grid, panel.names, steps
        data = cyclic_data(panel, grid, self.scaler_, self.k, whole, 0)
        running = RecentHistoricProfile(
            period, data.calendar.n_categories, self.k, self.profile, max(super_cycle, 1)
        )
        self.covariates_ = () if X is None else covariate_names(X)
        self.effect_: Effect | None = None
        if X is not None:
            data = self._take_off(X, panel, data, running, split)
        self.days_: SpecialDays | None = None
        if self.head not in {"profile", "paper"}:
            data = self._take_off_days(panel, data, running)
        settings = choose_settings(
            self, panel.step, split, whole, running, super_cycle, data.n_series
        )
        spans = ((0, split), (split, data.n_steps)) if split else ((0, data.n_steps), None)
        self.model_: CyclicModel = fit_model(
            data, settings, *spans, team=comm or ALONE, callbacks=callbacks
        )
        self.panel_, self.y_, self.X_ = panel, y, X
        self.step_, self.tz_ = panel.step, panel.tz
        self.end_ = panel.times[-1] if split else panel.times[0]
        return self

    def _take_off(
        self, x: Any, panel: Panel, data: CyclicData, profile: RecentHistoricProfile, split: int
    ) -> CyclicData:
        """The data without what covariates add to them, which is fitted here."""
        horizon = len(data.calendar.day) - data.n_steps
        none = np.zeros(0, dtype=np.int64)
        aligned = align_covariates(x, panel, self.covariates_, horizon, none)
        windows = Windows(data, profile)
        phase = data.calendar.phase
        held_out = split or round(0.85 * data.n_steps)
        self.effect_ = fit_effect(data.values, aligned, windows.cells, phase, profile, held_out)
        return cyclic_data(
            panel, self.grid_, self.scaler_, self.k, horizon, 0, self._effects(aligned, data)
        )

    def _take_off_days(
        self, panel: Panel, data: CyclicData, profile: RecentHistoricProfile
    ) -> CyclicData:
        """The data without what special days add to them, which is fitted here."""
        self.days_ = fit_special_days(data, Windows(data, profile).cells, profile)
        if self.days_ is None:
            return data
        horizon = len(data.calendar.day) - data.n_steps
        return cyclic_data(
            panel, self.grid_, self.scaler_, self.k, horizon, 0, data.added, self.days_
        )

    def _effects(self, aligned: Array, data: CyclicData) -> Array:
        """What covariates add to each series at each step: ``(S, T + horizon)``."""
        assert self.effect_ is not None
        slots = data.calendar.slots
        return np.stack([self.effect_.of(x, slots, n) for n, x in enumerate(aligned)])

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
        X: Any = None,
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
        X : like `X` of `fit`, optional
            Covariates of the horizon, and with `history` also of the history. "profile": they go
            on as before.
        head : str, optional
            "last", "naive", "seasonal", "profile", "ridge" or "net": this candidate alone.
        quantiles : sequence of float, optional
            Columns with the suffix ``_q0.1`` and so on.
        components : bool
            Further columns: each candidate, what covariates add, and the source of the forecast.

        Returns
        -------
        In the shape of the input.
        """
        self._check_fitted()
        return forecast(
            self,
            history,
            X,
            horizon,
            head=head,
            levels=check_quantiles(quantiles or ()),
            components=components,
        )

    def predict_interval(
        self, horizon: int | str | None = None, *, level: Sequence[float] = (80, 95), **options: Any
    ) -> Any:
        """Forecast with intervals that cover `level` percent, as columns of quantiles."""
        tails = sorted({round(half, 10) for x in level for half in (0.5 - x / 200, 0.5 + x / 200)})
        return self.predict(horizon, quantiles=tails, **options)

    def make_future_frame(
        self, horizon: int | str | None = None, *, history: Any = None
    ) -> pd.DataFrame:
        """A table for the covariates of the horizon: stamps, and columns to be filled."""
        self._check_fitted()
        return future_frame(self, history, horizon)

    def predict_samples(
        self, n: int = 200, horizon: int | str | None = None, *, history: Any = None, X: Any = None
    ) -> Array:
        """Futures that might come: ``(S, n, steps)``; see `recycle.forecasting.sample_paths`."""
        self._check_fitted()
        return sample_paths(self, n, history, X, horizon)

    # ------------------------------------------------------------ going on, looking back and inside

    def update(self, y: Any, X: Any = None, *, refit: str = "none") -> Self:
        """Take in new rows; see `recycle.evaluation.update`."""
        from recycle.evaluation import update

        self._check_fitted()
        update(self, y, X, refit)
        return self

    def backtest(self, y: Any, X: Any = None, **options: Any) -> Backtest:
        """Forecasts from many origins, and what came; see `recycle.evaluation.backtest`."""
        from recycle.evaluation import backtest

        self._check_fitted()
        return backtest(self, y, X, **options)

    def score(self, y: Any, X: Any = None, *, metric: str = "mae", **options: Any) -> float:
        """An error of the backtest, by its name in `recycle.metrics.METRICS`."""
        return self.backtest(y, X, **options).score(metric)

    def cross_validate(self, y: Any, X: Any = None, **options: Any) -> pd.DataFrame:
        """Errors of fits on growing parts of the data; see `recycle.evaluation.cross_validate`."""
        from recycle.evaluation import cross_validate

        return cross_validate(self, y, X, **options)

    def gate_report(self) -> pd.DataFrame:
        """Weight and held-out loss of each candidate, for each block of the horizon."""
        from recycle.inspection import gate_report

        self._check_fitted()
        return gate_report(self)

    def profile_table(self, history: Any = None, *, X: Any = None) -> pd.DataFrame:
        """The profile at the end of the data: a row a slot, a column a series and kind of day."""
        from recycle.inspection import profile_table

        self._check_fitted()
        return profile_table(self, history, X)

    def explain(self, when: Any, *, history: Any = None, X: Any = None) -> pd.DataFrame:
        """Where the forecast of a time comes from; see `recycle.inspection.explain`."""
        from recycle.inspection import explain

        self._check_fitted()
        return explain(self, when, history, X)

    def plot(self, **options: Any) -> Any:
        """Draw the forecast of the first series; see `recycle.plots.plot_model`."""
        from recycle.plots import plot_model

        return plot_model(self, **options)

    @property
    def history_(self) -> pd.DataFrame:
        """Losses of the network's epochs."""
        self._check_fitted()
        network = self.model_.network
        return pd.DataFrame(list(network.history) if network else [])

    # ------------------------------------------------------------ files

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

    def export(self, path: str | Path, **options: Any) -> Path:
        """Write a graph that runs without this package; see `recycle.export.export`."""
        from recycle.export import export

        self._check_fitted()
        return export(self, Path(path), **options)

    def _check_fitted(self) -> None:
        if not hasattr(self, "model_"):
            raise NotFittedError("This ReCycleForecaster is not fitted yet; call fit first")
