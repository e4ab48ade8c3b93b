import numpy as np
import pandas as pd
import pytest

from mpi_utils import world
from recycle import ReCycleForecaster, RidgeConfig
from recycle.network import NetworkConfig


def series():
    t = np.arange(24 * 60)
    random = np.random.default_rng(0)
    table = np.stack(
        [np.sin(t * np.pi / 12 + s) + 0.2 * random.normal(size=len(t)) for s in (0, 1)]
    )
    return pd.DataFrame(table.T, pd.date_range("2024-01-01", periods=len(t), freq="h"), ["a", "b"])


@pytest.mark.parallel([1, 2, 4])
@pytest.mark.parametrize("head", ["ridge", "transformer"])
def test_models_of_all_numbers_of_ranks_are_the_same(head):
    y = series()
    config = NetworkConfig(epochs=2, history=7, d_model=8, d_ff=16, batch=64, windows_per_epoch=256)
    options = {"horizon": 24, "cycle": 24, "history": "7c", "head": head, "network": config}
    shared = ReCycleForecaster(**options).fit(y, comm=world())
    forecast = shared.predict().to_numpy()
    everyone = world().handle.allgather(forecast)
    assert all(np.array_equal(forecast, other) for other in everyone)
    # alone the network is trained in single precision
    tolerance = 1e-6 if head == "ridge" else 1e-2
    alone = ReCycleForecaster(**options).fit(y).predict().to_numpy()
    assert forecast == pytest.approx(alone, abs=tolerance)
    found = shared.backtest(y, quantiles=[0.1, 0.9], comm=world())
    same = shared.backtest(y, quantiles=[0.1, 0.9])
    assert np.array_equal(found.truth, same.truth)
    assert found.forecast == pytest.approx(same.forecast, abs=1e-6)
    assert found.quantiles == pytest.approx(same.quantiles, abs=1e-5)
    if head == "transformer":
        double = ReCycleForecaster(**options).fit(y, comm=One()).predict().to_numpy()
        assert forecast == pytest.approx(double, abs=1e-6)


@pytest.mark.parallel(2)
def test_weighed_windows_are_shared_too():
    y = series()
    config = RidgeConfig(loss="mae", rank=4, half_life=20.0)
    options = {"horizon": 24, "cycle": 24, "history": "7c", "head": "ridge", "ridge": config}
    weight = np.linspace(0.5, 1.0, len(y))
    shared = ReCycleForecaster(**options).fit(y, sample_weight=weight, comm=world()).predict()
    alone = ReCycleForecaster(**options).fit(y, sample_weight=weight).predict()
    assert shared.to_numpy() == pytest.approx(alone.to_numpy(), abs=1e-6)


class One:
    """A team of one that trains in double precision, as every communicator does."""

    rank, size = 0, 1

    def allreduce(self, x):
        return x
