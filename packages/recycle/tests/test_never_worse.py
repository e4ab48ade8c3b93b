"""Never a surprise: forecasts are at most one percent worse than the profile's."""

import numpy as np
import pandas as pd
import pytest

from recycle import ReCycleForecaster
from recycle.datasets import make_cyclic
from recycle.network import NetworkConfig

DAYS = 150


def level_shift():
    return make_cyclic(DAYS, noise=0.3, level_shift=3.0)["y"]


def dead_sensor():
    y = make_cyclic(DAYS, noise=0.3)["y"].copy()
    y.iloc[24 * 60 : 24 * 75] = np.nan
    y.iloc[24 * 100 : 24 * 101] = np.nan
    return y


def stuck_sensor():
    y = make_cyclic(DAYS, noise=0.3)["y"].copy()
    y.iloc[24 * 135 : 24 * 139] = y.iloc[24 * 135]
    return y


def without_holidays():
    return make_cyclic(DAYS, noise=0.3, country="DE")["y"]  # the model is not told of them


def noise():
    random = np.random.default_rng(3)
    return pd.Series(random.normal(size=24 * DAYS), make_cyclic(DAYS).index, name="y")


def trend():
    return make_cyclic(DAYS, noise=0.3, trend=4.0)["y"]


CASES = [level_shift, dead_sensor, stuck_sensor, without_holidays, noise, trend]


@pytest.mark.parametrize("gate", ["blend", "select"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_never_worse_than_the_profile(case, gate):
    y = case()
    cut = 24 * 110
    model = ReCycleForecaster(horizon="2c", cycle=24, history="14c", head="ridge", gate=gate)
    model.fit(y[:cut])
    start = y.index[cut]
    found, profile = (model.backtest(y, start=start, head=head) for head in (None, "profile"))
    assert found.score("mae") <= 1.01 * profile.score("mae")
    assert found.score("mse") <= 1.01 * profile.score("mse")


@pytest.mark.parametrize("horizon", ["1c", "7c"])
@pytest.mark.parametrize("case", [level_shift, noise], ids=lambda case: case.__name__)
def test_networks_are_held_to_it_too(case, horizon):
    y = case()
    cut = 24 * 110
    config = NetworkConfig(history=7, d_model=8, d_ff=16, epochs=3, windows_per_epoch=512)
    model = ReCycleForecaster(
        horizon=horizon, cycle=24, history="7c", head="transformer", network=config
    ).fit(y[:cut])
    start = y.index[cut]
    found, profile = (model.backtest(y, start=start, head=head) for head in (None, "profile"))
    assert found.score("mae") <= 1.01 * profile.score("mae")
    assert found.score("mse") <= 1.01 * profile.score("mse")


def test_constant_series_stay_constant():
    y = pd.Series(7.0, make_cyclic(60).index)
    model = ReCycleForecaster(horizon="2c", cycle=24, history="7c", head="ridge").fit(y)
    assert (model.predict() == 7.0).all()


def test_noise_that_the_head_learned_by_heart_gets_no_weight():
    """A head of many weights on few days, which fits them and nothing else."""
    random = np.random.default_rng(0)
    y = make_cyclic(70, noise=0.0)["y"] + random.normal(size=24 * 70)
    model = ReCycleForecaster(horizon="1c", cycle=24, history="14c", head="ridge").fit(y)
    report = model.gate_report().dropna().set_index("candidate")
    assert report.loc["profile", "weight"] + report.loc["ridge", "weight"] == pytest.approx(1.0)
    held_out = y[-24 * 20 :]
    assert np.isfinite(model.predict(history=held_out)).all()
