"""Forecasts from an exported file, without torch: onnxruntime, or NumPy alone, and pandas do."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recycle.covariates import align_covariates
from recycle.errors import DAMAGE, ModelFileError, NotEnoughDataError
from recycle.numpy_runtime import NumpyForecaster
from recycle.panels import Panel, read_panel
from recycle.preparation import Grid
from recycle.profiles import RecentHistoricProfile
from recycle.windows import Array

__all__ = ["EdgeForecaster", "graph_inputs"]


class EdgeForecaster:
    """Runs what `ReCycleForecaster.export` wrote to an ``.onnx`` or ``.npz`` file.

    Parameters
    ----------
    path : path
    threads : int
        Of onnxruntime.

    Examples
    --------
    ``EdgeForecaster("model.onnx").predict(history)``
    """

    def __init__(self, path: str | Path, *, threads: int = 1) -> None:
        if Path(path).suffix == ".npz":
            try:
                self.session: Any = NumpyForecaster(path)
            except DAMAGE as error:
                raise ModelFileError(f"{path} was not written by recycle: {error}") from error
            self.about: dict[str, Any] = self.session.about
            return
        try:
            import onnxruntime
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("This needs onnxruntime: pip install onnxruntime") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        stored = self.session.get_modelmeta().custom_metadata_map
        if "recycle" not in stored:
            raise ModelFileError(f"{path} was not written by recycle")
        self.about = json.loads(stored["recycle"])

    def predict(self, history: Any, X: Any = None) -> Any:
        """Forecast what follows a history of one series, in its shape.

        Parameters
        ----------
        history : Series, DataFrame or array
        X : DataFrame, optional
            Covariates of history and horizon.
        """
        about = self.about
        panel = read_panel(history, freq=pd.Timedelta(about["freq"]), tz=about["tz"])
        if len(panel.names) != 1:
            raise ValueError(f"The graph forecasts one series, not {len(panel.names)}")
        stamps, places = panel.future(about["horizon"])
        found = self.session.run(None, graph_inputs(about, panel, X))
        columns = {"": found[0].T[places - 1]}
        for number, level in enumerate(about["quantiles"]):
            columns[f"_q{level:g}"] = found[1][:, number].T[places - 1]
        return panel.shaped(stamps, columns)


def graph_inputs(about: Mapping[str, Any], panel: Panel, x: Any = None) -> dict[str, Array]:
    """What a graph takes, for the end of a panel of one series: each with a batch of 1.

    Parameters
    ----------
    about : mapping
        What the exporter wrote.
    panel : Panel
    x : DataFrame, optional
        Covariates of history and horizon.
    """
    window, future, (n_history, n_future) = about["window"], about["steps"], about["cycles"]
    profile = RecentHistoricProfile(**about["profile"])
    period = profile.period
    if len(panel.times) < period:
        raise NotEnoughDataError(f"A history of at least {period} steps is needed")
    scheme = about["scheme"] or "default"
    days_off = tuple(dt.date.fromisoformat(day) for day in about["holidays"])
    anchor = pd.Timestamp(about["anchor"])
    grid = Grid(period, anchor, about["country"], scheme, about["paper"], days_off)
    first = panel.times[-1] - (window - 1) * panel.step
    times = pd.date_range(first, periods=window + future, freq=panel.step)
    calendar = grid.calendar(times, panel.step, panel.names)
    if about["static"] is not None:
        calendar = replace(calendar, static=np.array([about["static"]], dtype=np.float32))
    kinds = profile.cells(calendar.categories(0), calendar.phase) // period
    values = np.full(window, np.nan, dtype=np.float32)
    known = panel.values[-window:, 0]
    values[window - len(known) :] = known
    found = {
        "history": values[None],
        "kind_history": kinds[None, :window],
        "kind_future": kinds[None, window:],
    }
    if "calendar_history" in about["inputs"]:
        origin = np.array([window])
        found["calendar_history"] = calendar.tokens(0, origin, -n_history, 0)
        found["calendar_future"] = calendar.tokens(0, origin, 0, n_future)
    if about["covariates"]:
        needed = np.arange(1, about["horizon"] + 1)
        recent = replace(panel, values=values[:, None], times=times[:window])
        table = align_covariates(x, recent, tuple(about["covariates"]), future, needed)
        table = table.astype(np.float32)
        found["x_history"], found["x_future"] = table[:, :window], table[:, window:]
    if "days_history" in about["inputs"]:
        special = calendar.special_of(0).astype(np.float32)[None]
        found["days_history"], found["days_future"] = special[:, :window], special[:, window:]
    if "slot" in about["inputs"]:
        found["slot"] = np.array([calendar.phase % period])
    return found
