import numpy as np
import pandas as pd
import pytest

from recycle import (
    DataError,
    ModelFileError,
    NotEnoughDataError,
    NotFittedError,
    ReCycleForecaster,
    detect_cycle,
    read_panel,
)
from recycle.network import NetworkConfig

HOURS = pd.date_range("2024-01-01", periods=24 * 100, freq="h")
RANDOM = np.random.default_rng(0)


def load(noise=0.1, index=HOURS):
    hour, day = np.arange(len(index)) % 24, index.day_of_week
    level = np.where(day < 5, 3.0, np.where(day == 5, 2.0, 1.0))
    shape = level * (2 + np.sin((hour - 8) * np.pi / 12))
    return pd.Series(shape + noise * RANDOM.normal(size=len(index)), index=index, name="load")


def small(**options: object) -> ReCycleForecaster:
    return ReCycleForecaster(**{"horizon": "2c", "history": "7c", "head": "ridge", **options})


@pytest.fixture(scope="module")
def fitted():
    return small().fit(load())


def test_forecast_continues_the_series(fitted):
    forecast = fitted.predict()
    assert forecast.index[0] == HOURS[-1] + pd.Timedelta(hours=1) and len(forecast) == 48
    truth = load(0.0, pd.date_range(HOURS[0], periods=24 * 102, freq="h"))[forecast.index]
    assert np.abs(forecast - truth).max() < 0.6
    assert fitted.cycle_ == 24 and forecast.name == "load"
    assert fitted.gate_report()["weight"].between(0, 1).all()


def test_profile_needs_no_training():
    y = load(0.0)
    forecast = ReCycleForecaster(horizon=168, head="profile").fit(y).predict()
    future = load(0.0, pd.date_range(HOURS[0], periods=24 * 107, freq="h"))[forecast.index]
    assert forecast.to_numpy() == pytest.approx(future.to_numpy(), abs=1e-5)


def test_all_shapes_of_input_give_the_same_numbers(fitted):
    y = load()
    expected = small().fit(y).predict().to_numpy()
    wide = small().fit(y.to_frame()).predict()
    assert list(wide.columns) == ["load"]
    long = pd.DataFrame({"unique_id": "load", "ds": y.index, "y": y.to_numpy()})
    nixtla = small().fit(long).predict()
    assert list(nixtla.columns) == ["unique_id", "ds", "y"]
    multi = y.to_frame()
    multi.index = pd.MultiIndex.from_product([["load"], y.index], names=["instance", "time"])
    panel = small().fit(multi).predict()
    assert panel.index.names == ["instance", "time"]
    array = small(freq="1h").fit(y.to_numpy()).predict()
    for found in (wide["load"], nixtla["y"], panel["load"], array[:, 0]):
        assert np.asarray(found) == pytest.approx(expected, abs=1e-5)


def test_series_are_permuted_shifted_and_scaled():
    two = pd.DataFrame({"a": load(), "b": 5 * load() + 3})
    forecast = small().fit(two).predict()
    swapped = small().fit(two[["b", "a"]]).predict()
    assert swapped[["a", "b"]].to_numpy() == pytest.approx(forecast.to_numpy(), rel=1e-4)
    moved = small().fit(10 * two + 4).predict()
    assert moved.to_numpy() == pytest.approx(10 * forecast.to_numpy() + 4, rel=1e-4)


def test_no_forecast_knows_its_future(fitted):
    y = load()
    found = fitted.backtest(y, step="1c", quantiles=[0.1, 0.9])
    truth, forecast = found.truth, found.forecast
    poisoned = y.copy()
    cut = 24 * 60
    poisoned.iloc[cut:] = np.nan
    poisoned.iloc[-1] = 0.0
    first = fitted.model_.lookback
    known = (np.arange(forecast.shape[1]) * 24 + first) <= cut
    again = fitted.backtest(poisoned, step="1c", quantiles=[0.1, 0.9])
    assert np.array_equal(again.forecast[:, known], forecast[:, known])
    assert np.array_equal(again.quantiles[:, :, known], found.quantiles[:, :, known])
    assert truth.shape == forecast.shape == (1, len(known), 48)


def test_new_history_and_new_series(fitted):
    y = load()
    later = fitted.predict(history=y[: 24 * 50 + 5])
    assert later.index[0] == y.index[24 * 50 + 5]
    other = (3 * y).rename("other")
    assert fitted.predict(history=other).to_numpy() == pytest.approx(
        3 * fitted.predict(history=y).to_numpy(), rel=0.02
    )
    short = fitted.predict(history=y[:5], components=True)
    assert short["load_source"].unique().tolist() == ["last"]
    assert (short["load"] == short["load_last"]).all()


def test_quantiles_and_components(fitted):
    table = fitted.predict_interval(level=(50, 80), components=True)
    names = [f"load_q{q}" for q in ("0.1", "0.25", "0.75", "0.9")]
    assert (np.diff(table[names].to_numpy(), axis=1) >= 0).all()
    assert {"load_profile", "load_ridge", "load_source"} <= set(table.columns)
    assert set(table["load_source"]) == {"model"}
    alone = fitted.predict(head="profile")
    assert alone.to_numpy() == pytest.approx(table["load_profile"].to_numpy())


def test_strange_histories_fall_back_to_the_profile(fitted):
    y = load()
    y.iloc[-80:-1] = np.nan
    assert set(fitted.predict(history=y, components=True)["load_source"]) == {"profile"}
    wild = load()
    wild.iloc[-3:] = 1e9
    assert set(fitted.predict(history=wild, components=True)["load_source"]) == {"profile"}


def test_constant_missing_and_noisy_series():
    constant = pd.Series(5.0, index=HOURS)
    assert (small(cycle=24).fit(constant).predict() == 5.0).all()
    panel = pd.DataFrame({"good": load(), "dead": np.nan})
    forecast = small().fit(panel).predict()
    assert forecast["dead"].isna().all() and forecast["good"].notna().all()
    noise = pd.Series(RANDOM.normal(size=2400), index=HOURS)
    model = ReCycleForecaster(horizon=24).fit(noise)
    assert model.cycle_ is None and np.abs(model.predict()).max() < 1.5


@pytest.mark.parametrize("kind", ["transformer", "mlp", "paper"])
def test_networks_learn_and_are_deterministic(kind):
    y = load()
    config = NetworkConfig(epochs=2, history=7, d_model=8, d_ff=16, batch=64, windows_per_epoch=512)
    model = small(head=kind, network=config).fit(y)
    assert len(model.history_) == 2 and np.isfinite(model.history_["val_loss"]).all()
    assert "net" in model.model_.names
    again = small(head=kind, network=config).fit(y)
    assert np.array_equal(model.predict(), again.predict())


def test_default_network_is_small():
    from recycle.network import ReCycleNet

    net = ReCycleNet(NetworkConfig(), 24, 21, 7, 18)
    assert sum(w.numel() for w in net.parameters()) <= 30_000


def test_model_files(fitted, tmp_path):
    y = load()
    config = NetworkConfig(epochs=1, history=7, d_model=8, d_ff=16, windows_per_epoch=256)
    for number, model in enumerate([fitted, small(head="transformer", network=config).fit(y)]):
        path = tmp_path / f"{number}.recycle"
        model.save(path)
        again = ReCycleForecaster.load(path)
        expected = model.predict(history=y, quantiles=[0.1, 0.9])
        pd.testing.assert_frame_equal(again.predict(history=y, quantiles=[0.1, 0.9]), expected)
        assert repr(again) == repr(model)
    (tmp_path / "wrong").write_text("no model")
    with pytest.raises(ModelFileError, match="damaged"):
        ReCycleForecaster.load(tmp_path / "wrong")


def test_parameters_follow_scikit_learn(fitted):
    from sklearn.base import clone

    copy = clone(small(k=4))
    assert copy.get_params()["k"] == 4 and copy.set_params(k=5).k == 5
    with pytest.raises(ValueError, match="no parameters"):
        copy.set_params(speed=3)
    with pytest.raises(NotFittedError, match="call fit"):
        copy.predict()


def test_bad_input_is_refused_with_a_remedy(fitted):
    y = load()
    cases = [
        (lambda: small(head="oracle").fit(y), ValueError, "head must be"),
        (lambda: small(horizon="-3h").fit(y), ValueError, "horizon"),
        (lambda: small(cycle=1).fit(y), ValueError, "cycle must be"),
        (lambda: small(scaler="log").fit(y), ValueError, "scaler must be"),
        (lambda: small(cycle=24).fit(y[: 24 * 6]), NotEnoughDataError, "head='profile'"),
        (lambda: small().fit(y.reset_index(drop=True)), DataError, "indexed by numbers"),
        (lambda: small().fit(y.replace(y.iloc[7], np.inf)), DataError, "infinite"),
        (lambda: fitted.predict(horizon=999), ValueError, "forecasts 48 steps"),
        (lambda: fitted.predict(quantiles=[2]), ValueError, "Quantiles"),
        (lambda: fitted.predict(head="oracle"), ValueError, "head must be"),
        (lambda: read_panel(y.to_numpy()), DataError, "give freq"),
    ]
    for call, error, message in cases:
        with pytest.raises(error, match=message):
            call()


@pytest.mark.parametrize("period", [24, 17, 48, 7, 12])  # 7 days, 12 months
def test_cycles_are_detected(period):
    t = np.arange(40 * period)
    y = np.sin(2 * np.pi * t / period) + 0.5 * RANDOM.normal(size=len(t)) + 0.01 * t
    assert detect_cycle(y).primary == period


def test_no_cycle_in_noise_and_walks():
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(size=1500)
        assert detect_cycle(noise).primary is None
        assert detect_cycle(np.cumsum(noise)).primary is None
    assert detect_cycle(np.ones(500)).primary is None


def test_super_cycle_of_a_week():
    found = detect_cycle(load().to_numpy(), hints=(24, 168))
    assert (found.primary, found.super) == (24, 7)
