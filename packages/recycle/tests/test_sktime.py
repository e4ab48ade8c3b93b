import importlib.util

import numpy as np
import pandas as pd
import pytest

from recycle import ReCycleForecaster
from recycle.datasets import make_cyclic

OPTIONS = {"cycle": 24, "history": "7c", "head": "ridge"}
needs_sktime = pytest.mark.skipif(
    importlib.util.find_spec("sktime") is None, reason="sktime is not installed"
)


@pytest.mark.skipif(importlib.util.find_spec("sktime") is not None, reason="sktime is installed")
def test_sktime_is_asked_for():
    with pytest.raises(ModuleNotFoundError, match="pip install sktime"):
        importlib.import_module("recycle.sktime")


@needs_sktime
def test_forecasts_are_the_forecasters_own():
    from recycle.sktime import ReCycle

    y = make_cyclic(60)["y"]
    wrapped = ReCycle(ReCycleForecaster(**OPTIONS)).fit(y, fh=[1, 5, 48])
    own = ReCycleForecaster(**OPTIONS, horizon=48).fit(y)
    assert wrapped.predict().to_numpy() == pytest.approx(own.predict().to_numpy()[[0, 4, 47]])
    bands = wrapped.predict_quantiles(alpha=[0.1, 0.9])
    expected = own.predict(quantiles=[0.1, 0.9]).iloc[[0, 4, 47], 1:]
    assert bands.to_numpy() == pytest.approx(expected.to_numpy())
    numbered = ReCycle(ReCycleForecaster(**OPTIONS, scheme="none")).fit(
        y.reset_index(drop=True), fh=[1, 2]
    )
    assert numbered.predict().index.tolist() == [1440, 1441]


@needs_sktime
def test_panels_and_inputs():
    from recycle.sktime import ReCycle

    y = make_cyclic(60)["y"]
    x = pd.DataFrame({"x": np.random.default_rng(0).normal(size=len(y))}, index=y.index)
    wrapped = ReCycle(ReCycleForecaster(**OPTIONS)).fit(y[:-24], X=x[:-24], fh=range(1, 25))
    assert wrapped.predict(X=x[-24:]).shape == (24,)
    panel = pd.concat({"a": y.to_frame(), "b": 2 * y.to_frame()}, names=["series", "time"])
    found = ReCycle(ReCycleForecaster(**OPTIONS)).fit(panel, fh=[1, 2]).predict()
    assert list(found.index.get_level_values(0)) == ["a", "a", "b", "b"]
