"""Forecasts beyond the model's horizon."""

import numpy as np
import pandas as pd
import pytest

from recycle import ReCycleForecaster
from recycle.datasets import make_cyclic

OPTIONS = {"horizon": "2c", "cycle": 24, "history": "7c"}


def test_steps_rest_on_the_steps_before(caplog):
    y = make_cyclic(80, noise=0.2)["y"]
    model = ReCycleForecaster(**OPTIONS, head="ridge").fit(y)
    with pytest.raises(ValueError, match="recursive=True"):
        model.predict(horizon=100)
    found = model.predict(horizon=100, recursive=True)
    assert "rest on forecasts" in caplog.text and len(found) == 100
    by_hand, parts = y, []
    for steps in (48, 48, 4):
        parts.append(model.predict(steps, history=by_hand))
        by_hand = pd.concat([by_hand, parts[-1]])
    pd.testing.assert_series_equal(found, pd.concat(parts), check_freq=False, rtol=1e-5)
    with pytest.raises(ValueError, match="no quantiles"):
        model.predict(horizon=100, recursive=True, quantiles=[0.5])
    table = model.predict(horizon=60, recursive=True, components=True)
    assert len(table) == 60 and set(table["y_source"]) == {"model"}


@pytest.mark.parametrize("start", ["2024-02-20", "2024-09-27"])
def test_clocks_may_change_on_the_way(start):
    index = pd.date_range(start, periods=24 * 35, freq="h", tz="Europe/Berlin")
    y = pd.Series(index.hour.to_numpy(float), index)
    found = ReCycleForecaster(**OPTIONS, head="profile").fit(y).predict("9c", recursive=True)
    expected = pd.date_range(index[-1], periods=24 * 9 + 1, freq="h")[1:]
    assert found.index.equals(expected)
    assert found.to_numpy() == pytest.approx(expected.hour.to_numpy(), abs=1e-4)


def test_covariates_of_all_steps_are_needed():
    y = make_cyclic(90, noise=0.05)["y"]
    x = pd.DataFrame({"wind": np.random.default_rng(0).normal(size=len(y))}, y.index)
    y = (y + 0.8 * x["wind"]).rename("load")
    model = ReCycleForecaster(**OPTIONS, head="ridge").fit(y[: -24 * 5], x[: -24 * 5])
    found = model.predict("5c", X=x[-24 * 5 :], recursive=True)
    assert np.abs(found - y[-24 * 5 :]).mean() < 0.4
    again = model.predict("5c", history=y[: -24 * 5], X=x, recursive=True)
    assert again.to_numpy() == pytest.approx(found.to_numpy(), abs=1e-4)
    with pytest.raises(ValueError, match="X must hold"):
        model.predict("5c", recursive=True)
