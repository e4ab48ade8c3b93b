import numpy as np
import pandas as pd
import pytest

from recycle import Calendar, ReCycleForecaster
from recycle.edge import graph_inputs
from recycle.export import forecast_graph
from recycle.panels import read_panel

OPTIONS = {"horizon": "2c", "cycle": 24, "history": "7c", "head": "ridge"}
HOURS = pd.date_range("2023-01-02", "2024-05-25 23:00", freq="h")
COUNTRIES = {"a": "DE", "b": "FR", "c": "AT"}


def panel(effect):
    """Loads that fall by `effect` on bridge days, and by half of it before holidays."""
    random = np.random.default_rng(0)
    columns = {}
    for name, country in COUNTRIES.items():
        days = Calendar(country).table(HOURS[::24])
        level = np.choose(days.category, [5.0, 4.0, 3.0]) - days.special @ [effect, effect / 2, 0]
        shape = 1 + 0.3 * np.sin(np.arange(24) * np.pi / 12)
        noise = 0.1 * random.normal(size=len(HOURS))
        columns[name] = (level[:, None] * shape).ravel() + noise
    return pd.DataFrame(columns, HOURS)


@pytest.fixture(scope="module")
def fitted():
    y = panel(1.5)
    return y, ReCycleForecaster(**OPTIONS, country=COUNTRIES).fit(y[:"2024-04-30"])


def test_kinds_of_days():
    table = Calendar("DE").table(pd.date_range("2024-05-08", "2024-05-13"))
    # the 9th is a Thursday off: the day before, the bridge after it, and then a weekend
    assert table.special.astype(int).tolist() == [
        [0, 1, 0], [0, 0, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0],
    ]  # fmt: skip
    years = Calendar("DE").table(pd.date_range("2024-12-23", "2025-01-02"))
    bridges = pd.date_range("2024-12-23", "2025-01-02")[years.special[:, 0]]
    assert [day.day for day in bridges] == [24, 27, 30, 31]
    assert not Calendar().table(HOURS[::24]).special.any()


def test_effects_are_found_and_forecast(fitted):
    y, model = fitted
    found = model.days_.weights / (1 / model.scaler_.scale).mean()
    assert -1.5 < found[0].mean() < -1.0  # shrunk: there are some twenty such days
    assert -0.75 < found[1].mean() < -0.4
    assert found[2].mean() == pytest.approx(0.0, abs=0.2)
    # Friday, May 10th follows Ascension Day
    bridge = model.predict(history=y[:"2024-05-08"])["2024-05-10":]
    assert np.abs(bridge[["a", "b"]] - y.loc[bridge.index, ["a", "b"]]).to_numpy().max() < 0.8
    new = (2 * y["a"]).rename("new")
    parts = model.explain("2024-05-10 12:00", history=y[:"2024-05-08"]).set_index("part")
    assert (parts.loc["special days", "value"] < -1).all()
    assert model.predict(history=new[:"2024-05-08"]).shape == (48,)


def test_nothing_is_found_where_nothing_is():
    assert ReCycleForecaster(**OPTIONS, country=COUNTRIES).fit(panel(0.0)).days_ is None
    assert ReCycleForecaster(**OPTIONS).fit(panel(1.5)).days_ is None


def test_files_and_graphs_know_special_days(fitted, tmp_path):
    y, model = fitted
    model.save(tmp_path / "m.recycle")
    again = ReCycleForecaster.load(tmp_path / "m.recycle")
    past = y[:"2024-05-08"]
    expected = model.predict(history=past)
    assert again.predict(history=past).to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-5)
    graph, about = forecast_graph(model, "b", ())
    inputs = graph_inputs(about, read_panel(past[["b"]]))
    import torch

    found = graph(*(torch.from_numpy(array) for array in inputs.values()))
    assert found.numpy()[0] == pytest.approx(expected["b"].to_numpy(), rel=1e-3)


def test_forecasts_at_midnight_only():
    y = panel(0.0)[: 24 * 150]
    model = ReCycleForecaster(**OPTIONS, country=COUNTRIES, origins="cycles").fit(y)
    every = ReCycleForecaster(**OPTIONS, country=COUNTRIES).fit(y)
    assert not np.array_equal(model.predict(), every.predict())
    truth = panel(0.0)[24 * 150 : 24 * 152]
    for found in (model, every):
        assert np.abs(found.predict() - truth).to_numpy().mean() < 0.3
    with pytest.raises(ValueError, match="origins must be"):
        ReCycleForecaster(**OPTIONS, origins="noon").fit(y)


def test_days_off_of_ones_own(tmp_path):
    hours = pd.date_range("2024-01-01", periods=24 * 70, freq="h")
    free = ["2024-02-07", pd.Timestamp("2024-03-13").date()]
    shut = hours.normalize().isin(pd.to_datetime(free)) | (hours.day_of_week >= 5)
    y = pd.Series(np.where(shut, 1.0, 3.0), hours, name="load")
    model = ReCycleForecaster(horizon="4c", cycle=24, head="profile", holidays=free).fit(y)
    ahead = model.predict()  # from March 11th on
    assert np.abs(ahead["2024-03-13"] - 1.0).max() < 1e-5
    assert np.abs(ahead["2024-03-12"] - 3.0).max() < 1e-5
    model.save(tmp_path / "m.recycle")
    again = ReCycleForecaster.load(tmp_path / "m.recycle")
    assert again.predict(history=y).to_numpy() == pytest.approx(ahead.to_numpy())
    _, about = forecast_graph(model, None, ())
    kinds = graph_inputs(about, read_panel(y))["kind_future"][0]
    assert (kinds[48:72] == 2).all() and (kinds[24:48] == 0).all()


def test_tables_of_arrow():
    pyarrow = pytest.importorskip("pyarrow")
    stamps = HOURS[: 24 * 40]
    long = pd.DataFrame({"unique_id": "a", "ds": stamps, "y": np.arange(len(stamps)) % 24.0})
    panel = read_panel(pyarrow.Table.from_pandas(long))
    assert panel.names == ("a",) and np.array_equal(panel.values[:, 0], long["y"])
