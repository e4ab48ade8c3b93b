"""Quantiles of the network's own, series that look at each other, and what never changes."""

import numpy as np
import pandas as pd
import pytest
import torch

from recycle import DataError, ReCycleForecaster
from recycle.datasets import make_cyclic
from recycle.edge import graph_inputs
from recycle.export import compare_weights, forecast_graph
from recycle.metrics import pinball
from recycle.network import NetworkConfig, ReCycleNet
from recycle.panels import read_panel
from recycle.statics import fit_static

SMALL = {"history": 7, "d_model": 8, "d_ff": 16, "windows_per_epoch": 512, "batch": 64}
OPTIONS = {"horizon": "1c", "cycle": 24, "history": "7c", "head": "transformer"}
LEVELS = (0.1, 0.9)


def forecaster(**network: object) -> ReCycleForecaster:
    return ReCycleForecaster(**OPTIONS, network=NetworkConfig(**{**SMALL, "epochs": 2, **network}))


def uneasy(days=120):
    """A series that is quiet at night, and uneasy by day."""
    y = make_cyclic(days, noise=0.0)["y"].rename("load")
    random = np.random.default_rng(0)
    return y + np.where((y.index.hour >= 8) & (y.index.hour < 20), 1.0, 0.1) * random.normal(
        size=len(y)
    )


@pytest.fixture(scope="module")
def with_quantiles():
    return forecaster(quantiles=LEVELS, epochs=12, rate=1e-2).fit(uneasy()[: 24 * 90])


def test_quantiles_of_the_network_know_the_time_of_day(with_quantiles):
    y = uneasy()
    found = with_quantiles.backtest(y, start=y.index[24 * 90], quantiles=LEVELS)
    assert 0.7 < found.coverage() < 0.9
    width = (found.quantiles[1] - found.quantiles[0]).mean(axis=(0, 1))
    assert width[8:20].mean() > 2 * width[:8].mean()
    plain = forecaster().fit(y[: 24 * 90]).backtest(y, start=y.index[24 * 90], quantiles=LEVELS)
    width = (plain.quantiles[1] - plain.quantiles[0]).mean(axis=(0, 1))
    assert width[8:20].mean() == pytest.approx(width[:8].mean(), rel=0.2)
    losses = [
        np.mean([pinball(one.truth, one.quantiles[n], level) for n, level in enumerate(LEVELS)])
        for one in (found, plain)
    ]
    assert losses[0] < 0.9 * losses[1]


def test_quantiles_of_the_network_travel(with_quantiles, tmp_path):
    y = uneasy()[: 24 * 80]
    levels = [0.1, 0.5, 0.9]  # 0.5 is not the network's
    expected = with_quantiles.predict(history=y, quantiles=levels)
    assert (np.diff(expected.iloc[:, 1:], axis=1) >= 0).all()
    with_quantiles.save(tmp_path / "m.recycle")
    again = ReCycleForecaster.load(tmp_path / "m.recycle")
    pd.testing.assert_frame_equal(again.predict(history=y, quantiles=levels), expected)
    graph, about = forecast_graph(with_quantiles, None, levels)
    inputs = graph_inputs(about, read_panel(y))
    with torch.no_grad():
        found = graph(*(torch.from_numpy(np.asarray(array)) for array in inputs.values()))
    bands = expected.iloc[:, 1:].to_numpy()
    assert bands == pytest.approx(found[1][0].numpy().T, abs=1e-4)
    wild = y.copy()
    wild.iloc[-3:] = 1e9  # the profile is taken, and the widths of its errors
    bands = with_quantiles.predict(history=wild, quantiles=LEVELS, components=True)
    assert set(bands["load_source"]) == {"profile"}
    assert (bands["load_q0.1"] < bands["load"]).all() and (bands["load"] < bands["load_q0.9"]).all()


def test_series_look_at_each_other():
    config = NetworkConfig(**SMALL, channels="attention")
    torch.manual_seed(0)
    net = ReCycleNet(config, 24, 7, 2, 3).eval()
    torch.nn.init.normal_(net.body.read.weight)
    parts = [
        torch.randn(6, 7, 24),
        torch.randn(6, 2, 24),
        torch.randn(6, 7, 3),
        torch.randn(6, 2, 3),
    ]
    order = torch.tensor([2, 0, 1, 5, 3, 4])
    with torch.no_grad():
        together = net(*parts, 3)
        assert torch.allclose(net(*(part[order] for part in parts), 3), together[order], atol=1e-5)
        parts[0][0] += 1  # the first series of the first origin
        moved = (net(*parts, 3) - together).abs().amax(dim=(1, 2))
    assert (moved[:3] > 1e-4).all() and (moved[3:] == 0).all()


@pytest.mark.parametrize("channels", ["independent", "attention"])
def test_what_another_series_knows_is_learnt(channels):
    generator = torch.Generator().manual_seed(1)
    torch.manual_seed(0)
    config = NetworkConfig(history=3, d_model=16, d_ff=16, n_heads=1, channels=channels)
    net = ReCycleNet(config, 4, 3, 1, 0)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    losses = []
    for _ in range(150):
        e = torch.randn(32, 2, 3, 4, generator=generator)
        target = e.flip(1)[:, :, -1:].flatten(0, 1)  # the last cycle of the other series
        nothing = (torch.zeros(64, 3, 0), torch.zeros(64, 1, 0))
        found = net(e.flatten(0, 1), torch.zeros(64, 1, 4), *nothing, 2)
        loss = (found - target).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert (losses[-1] < 0.3) == (channels == "attention") and losses[0] > 0.7


def test_panels_of_series_that_are_forecast_together(tmp_path):
    y = pd.DataFrame({"a": uneasy(70), "b": make_cyclic(70, noise=0.3)["y"]})
    y.iloc[100:130, 0] = np.nan
    model = forecaster(channels="attention").set_params(gate="none").fit(y)
    assert len(model.history_) == 2
    torch.manual_seed(0)
    torch.nn.init.normal_(model.model_.network.module.body.read.weight)
    forecast = model.predict(components=True)
    model.save(tmp_path / "m.recycle")
    again = ReCycleForecaster.load(tmp_path / "m.recycle").predict(history=y, components=True)
    pd.testing.assert_frame_equal(again, forecast)
    swapped = model.predict(history=y[["b", "a"]], components=True)
    assert swapped["a_net"].to_numpy() == pytest.approx(forecast["a_net"].to_numpy(), abs=1e-5)
    alone = model.predict(history=y["a"], components=True)  # what b does is unknown
    assert np.isfinite(alone["a_net"]).all()
    assert np.abs(alone["a_net"] - forecast["a_net"]).max() > 1e-3
    with pytest.raises(ValueError, match="channels='independent'"):
        model.export(tmp_path / "m.onnx", series="a")
    with pytest.raises(ValueError, match="Only the transformer"):
        NetworkConfig(kind="mlp", channels="attention")
    with pytest.raises(ValueError, match="channels must be"):
        NetworkConfig(channels="mixed")


def test_static_features_are_numbers():
    table = pd.DataFrame({"size": [1.0, 3.0], "kind": ["home", "shop"]}, index=["a", "b"])
    features = fit_static(table, ["a", "b"])
    assert features.of(table, ["b", "a"]).tolist() == [[1.0, 0.0, 1.0], [-1.0, 1.0, 0.0]]
    more = {"c": {"size": 5.0, "kind": "farm"}}
    assert features.of(more, ["c", "d"]).tolist() == [[3.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    with pytest.raises(DataError, match="no row for"):
        fit_static(table, ["a", "x"])
    with pytest.raises(DataError, match="missing or infinite"):
        fit_static(table.assign(size=np.nan), ["a"])
    with pytest.raises(DataError, match="mapping such as"):
        fit_static([1.0], ["a"])


def test_static_features_reach_the_network(tmp_path):
    y = make_cyclic(70, noise=0.3)["y"]
    two = pd.DataFrame({"a": y, "b": y})  # the same, but for what is said of them
    static = {"a": {"size": 1.0}, "b": {"size": 2.0}, "c": {"size": 2.0}}
    config = NetworkConfig(**SMALL, epochs=2)
    model = ReCycleForecaster(**OPTIONS, network=config, static=static, gate="none").fit(two)
    torch.manual_seed(0)
    torch.nn.init.normal_(model.model_.network.module.body.read.weight)
    forecast = model.predict()
    assert np.abs(forecast["a"] - forecast["b"]).max() > 1e-4
    assert "static" in repr(model)
    model.save(tmp_path / "m.recycle")
    again = ReCycleForecaster.load(tmp_path / "m.recycle")
    pd.testing.assert_frame_equal(again.predict(history=two), forecast)
    tokens = model.grid_.calendar(two.index, model.step_, ["a", "c"]).tokens
    assert tokens(0, [24], 0, 1)[0, 0, -1] == -1 and tokens(1, [24], 0, 1)[0, 0, -1] == 1
    graph, about = forecast_graph(model, "b", ())
    inputs = graph_inputs(about, read_panel(two["b"]))
    with torch.no_grad():
        found = graph(*(torch.from_numpy(np.asarray(array)) for array in inputs.values()))
    assert found[0].numpy() == pytest.approx(forecast["b"].to_numpy(), abs=1e-4)


def test_small_types_of_weights():
    y = make_cyclic(70, noise=0.3)["y"]
    model = ReCycleForecaster(**{**OPTIONS, "horizon": "3c", "head": "ridge"}).fit(y)
    table = compare_weights(model, y).set_index("weights")
    assert table["mean"]["single"] == 0 and 0 < table["largest"]["half"] < 5e-3
    assert table["largest"]["half"] < table["largest"]["int8"] < 5e-2
    single, half, small = table["kB"]
    numbers = 7 * 24 * 72 / 1000  # of the ridge, in thousands
    assert single - half == pytest.approx(2 * numbers, abs=1.0)
    assert half - small == pytest.approx(numbers, abs=1.0)
    with pytest.raises(ValueError, match="weights must be"):
        model.export("m.onnx", weights="int4")
