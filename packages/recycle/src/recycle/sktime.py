"""The forecaster as sktime wants it; needs sktime."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pandas as pd

from recycle.forecaster import ReCycleForecaster

try:
    from sktime.forecasting.base import BaseForecaster
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("recycle.sktime needs sktime: pip install sktime") from error

__all__ = ["ReCycle"]


class ReCycle(BaseForecaster):  # type: ignore[misc]
    """`recycle.ReCycleForecaster` behind sktime's interface.

    Forecasts reach to the last step of `fh`, which must lie ahead. Series may be a wide table or a
    panel; inputs `X` are those whose future is known. Numbers as index count as hours.

    Parameters
    ----------
    forecaster : ReCycleForecaster, optional
        Its parameters are used, but for the horizon, which `fh` gives; it is left as it is.

    Examples
    --------
    ``ReCycle(ReCycleForecaster(country="DE")).fit(y, fh=range(1, 169)).predict()``
    """

    _tags: ClassVar[dict[str, Any]] = {
        "y_inner_mtype": ["pd.DataFrame", "pd-multiindex"],
        "X_inner_mtype": ["pd.DataFrame", "pd-multiindex"],
        "capability:multivariate": True,
        "capability:exogenous": True,
        "capability:missing_values": True,
        "capability:pred_int": True,
        "capability:pred_int:insample": False,
        "capability:insample": False,
        "requires-fh-in-fit": True,
        "python_dependencies": ["torch"],
    }

    def __init__(self, forecaster: ReCycleForecaster | None = None) -> None:
        self.forecaster = forecaster
        super().__init__()

    def _fit(self, y: Any, X: Any, fh: Any) -> ReCycle:
        base = self.forecaster or ReCycleForecaster()
        steps = int(max(fh.to_relative(self.cutoff)))
        params = {**base.get_params(), "horizon": steps}
        self.model_ = type(base)(**params).fit(_stamped(y), _stamped(X))
        self.columns_ = y.columns
        return self

    def _predict(self, fh: Any, X: Any) -> Any:
        return self._rows(self.model_.predict(X=_stamped(X)), fh)

    def _predict_quantiles(self, fh: Any, X: Any, alpha: list[float]) -> Any:
        levels = sorted(set(alpha))
        whole = self._rows(self.model_.predict(X=_stamped(X), quantiles=levels), fh)
        parts = {
            (name, level): whole[f"{'y' if name is None else name}_q{level:g}"]
            for name in self.columns_
            for level in alpha
        }
        return pd.DataFrame(parts)

    def _rows(self, forecast: Any, fh: Any) -> Any:
        """The steps that were asked for, with sktime's own index."""
        wanted = np.asarray(fh.to_relative(self.cutoff), dtype=int) - 1
        index = fh.to_absolute_index(self.cutoff)
        if isinstance(forecast.index, pd.MultiIndex):
            groups = forecast.groupby(level=0, sort=False)
            parts = {name: part.iloc[wanted].set_axis(index) for name, part in groups}
            return pd.concat(parts, names=forecast.index.names)
        return forecast.iloc[wanted].set_axis(index)


def _stamped(table: Any) -> Any:
    """Tables whose index is numbers get stamps: an hour for each."""
    if table is None:
        return None
    levels = table.index.nlevels - 1
    steps = table.index.get_level_values(-1)
    if not pd.api.types.is_numeric_dtype(steps):
        return table
    stamps = pd.Timestamp("2000-01-03") + pd.to_timedelta(steps, unit="h")
    if levels == 0:
        return table.set_axis(stamps)
    series = table.index.get_level_values(0)
    return table.set_axis(pd.MultiIndex.from_arrays([series, stamps], names=table.index.names))
