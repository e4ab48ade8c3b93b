"""The forecaster for tables of series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from recycle.errors import NotFittedError
from recycle.estimator import Estimator
from recycle.forecasting import forecast, future_frame, sample_paths
from recycle.intervals import check_quantiles
from recycle.learning import fit
from recycle.presets import preset_parameters
from recycle.teams import Team
from recycle.windows import Array

__all__ = ["ReCycleForecaster"]

if TYPE_CHECKING:
    from recycle.effects import Effect
    from recycle.energy import Energy
    from recycle.evaluation import Backtest
    from recycle.model import CyclicModel
    from recycle.panels import Panel
    from recycle.preparation import Grid
    from recycle.scaling import Scaler
    from recycle.specialdays import SpecialDays


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
    holidays : sequence of str or date
        Further days off, such as "2024-12-24".
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
    ridge : RidgeConfig, optional
        Loss, rank, sharing between series, and forgetting of the ridge.
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
    trim_leading : str, optional
        "zeros": zeros before a series' first other value are missing. What is missing there is
        always left out.
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

    model_: CyclicModel
    cycle_: int | None
    horizon_: int
    names_: tuple[Any, ...]
    scaler_: Scaler
    grid_: Grid
    covariates_: tuple[Any, ...]
    effect_: Effect | None
    days_: SpecialDays | None
    panel_: Panel
    step_: pd.Timedelta
    tz_: Any
    end_: pd.Timestamp
    y_: Any
    X_: Any
    energy_: Energy | None

    def __init__(
        self,
        *,
        horizon: int | str = "7c",
        cycle: int | str | None = "auto",
        history: int | str = "auto",
        country: str | Mapping[Any, str] | None = None,
        holidays: Sequence[Any] = (),
        tz: Any = None,
        freq: Any = None,
        profile: str = "rhp",
        k: int = 3,
        scheme: Any = "default",
        head: str = "auto",
        gate: str = "blend",
        scaler: str = "standard",
        validation: float | str = 0.15,
        ridge: Any = None,
        network: Any = None,
        static: Any = None,
        refit: bool = True,
        origins: str = "all",
        duplicates: str = "mean",
        trim_leading: str | None = None,
        seed: int = 0,
    ) -> None:
        self.horizon, self.cycle, self.history = horizon, cycle, history
        self.country, self.holidays, self.tz, self.freq = country, holidays, tz, freq
        self.profile, self.k, self.scheme = profile, k, scheme
        self.head, self.gate, self.scaler = head, gate, scaler
        self.validation, self.refit = validation, refit
        self.ridge, self.network, self.static = ridge, network, static
        self.origins, self.duplicates, self.trim_leading = origins, duplicates, trim_leading
        self.seed = seed

    @classmethod
    def preset(cls, name: str, **params: Any) -> Self:
        """A forecaster with the parameters of a preset, and your own.

        Parameters
        ----------
        name : str
            One of `recycle.presets.PRESETS`: "fast" has no network; "accurate" are the defaults;
            "edge" is small when exported; "paper" is the original.
        **params
            Count more than the preset's.
        """
        return cls(**{**preset_parameters(name, params.get("seed", 0)), **params})

    # ------------------------------------------------------------ fitting

    def fit(
        self,
        y: Any,
        X: Any = None,
        *,
        sample_weight: Any = None,
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
        sample_weight : Series or array, optional
            Weight of each time, at least 0, for the ridge: a window counts as its horizon's mean.
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
        if energy:
            from recycle.energy import measured

            with measured("fit") as found:
                fit(self, y, X, sample_weight, comm, callbacks)
            self.energy_ = found.energy
        else:
            fit(self, y, X, sample_weight, comm, callbacks)
        return self

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
        recursive: bool = False,
    ) -> Any:
        """Forecast what follows the last row.

        Parameters
        ----------
        horizon : int or str, optional
            At most that of the model, unless `recursive`.
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
        recursive : bool
            Beyond the model's horizon go on from the forecast as if it had been measured, which
            is worse than a model of that horizon, and has no quantiles.

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
            recursive=recursive,
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
