import numpy as np
import pandas as pd
import pytest

from recycle import DataError, ReCycleForecaster
from recycle.datasets import make_cyclic

OPTIONS = {"horizon": "2c", "cycle": 24, "history": "7c", "head": "ridge"}
N = 24 * 100


def weather():
    random = np.random.default_rng(1)
    parts = make_cyclic(102, noise=0.05)
    wind = np.repeat(random.normal(size=len(parts) // 6), 6)
    sun = random.random(len(parts)) * (parts.index.hour > 6)
    effect = -0.8 * wind * (parts.index.hour >= 12) + 0.7 * np.maximum(sun - 0.5, 0)
    x = pd.DataFrame({"wind": wind, "sun": sun, "useless": random.normal(size=len(parts))})
    return (parts["y"] + effect).rename("load"), x.set_index(parts.index)


@pytest.fixture(scope="module")
def data():
    return weather()


@pytest.fixture(scope="module")
def fitted(data):
    y, x = data
    return ReCycleForecaster(**OPTIONS).fit(y[:N], x[:N])


def test_effects_are_found(fitted, data):
    y, x = data
    blind = ReCycleForecaster(**OPTIONS).fit(y[:N]).predict()
    found = fitted.predict(X=x[N:], components=True)
    error, without = (np.abs(f - y[N:]).mean() for f in (found["load"], blind))
    assert error < 0.15 and without > 0.3
    whole = found["load_profile"] + 0 * found["load_covariates"]
    assert np.isfinite(whole).all() and found["load_covariates"].std() > 0.2
    parts = fitted.explain(y.index[N + 3], X=x[N:]).set_index("part")
    used = parts.drop(index="forecast")
    assert (used["value"] * used["weight"]).sum() == pytest.approx(found["load"].iloc[3], rel=1e-4)


def test_history_files_and_shapes(fitted, data, tmp_path):
    y, x = data
    expected = fitted.predict(X=x[N:]).to_numpy()
    assert fitted.predict(history=y[:N], X=x).to_numpy() == pytest.approx(expected, abs=1e-5)
    fitted.save(tmp_path / "m.recycle")
    again = ReCycleForecaster.load(tmp_path / "m.recycle")
    assert again.predict(history=y[:N], X=x).to_numpy() == pytest.approx(expected, abs=1e-5)
    long = pd.DataFrame({"unique_id": "load", "ds": y.index, "y": y.to_numpy()})
    inputs = x.reset_index(names="ds").assign(unique_id="load")
    model = ReCycleForecaster(**OPTIONS).fit(long[:N], inputs[:N])
    found = model.predict(X=inputs[N:])
    assert found["y"].to_numpy() == pytest.approx(expected, abs=1e-5)
    frame = model.make_future_frame(24)
    assert list(frame.columns) == ["unique_id", "ds", "wind", "sun", "useless"] and len(frame) == 24
    array = ReCycleForecaster(**OPTIONS, freq="1h", scheme="none")
    array.fit(y.to_numpy()[:N], x.to_numpy()[:N])
    assert array.predict(X=x.to_numpy()[N:]).shape == (48, 1)


def test_backtest_takes_covariates(fitted, data):
    y, x = data
    found = fitted.backtest(y, x, start="2024-04-01", quantiles=[0.1, 0.9])
    assert found.score("mae") < 0.15 and 0.6 < found.coverage() < 0.97


def test_time_zones_are_joined(data):
    y, x = data
    y, x = y.tz_localize("UTC"), x.tz_localize("UTC")
    model = ReCycleForecaster(**OPTIONS, tz="Europe/Berlin").fit(y[:N], x[:N])
    error = np.abs(model.predict(X=x[N:].tz_convert("Asia/Tokyo")) - y[N:]).mean()
    assert error < 0.3


def test_what_is_missing_is_named(fitted, data):
    y, x = data
    with pytest.raises(DataError, match=r"'wind' at 2024-04-10 00:00:00.*make_future_frame"):
        fitted.predict()
    with pytest.raises(DataError, match="2024-04-10 20:00:00"):
        fitted.predict(X=x[N : N + 20])
    with pytest.raises(DataError, match="lacks the covariates"):
        fitted.predict(X=x[["wind"]][N:])
    with pytest.raises(DataError, match="give X"):
        fitted.predict(history=y[:N])
    with pytest.raises(DataError, match="time zone"):
        fitted.predict(history=y[:N], X=x.tz_localize("UTC"))
    assert np.isfinite(fitted.predict(X="profile")).all()
