import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from recycle import ReCycleForecaster
from recycle.datasets import make_cyclic
from recycle.edge import EdgeForecaster, graph_inputs
from recycle.export import forecast_graph
from recycle.network import NetworkConfig
from recycle.panels import read_panel

NET = NetworkConfig(epochs=1, history=7, d_model=8, d_ff=16, windows_per_epoch=256)
OPTIONS = {"cycle": 24, "history": "7c", "network": NET}
Y = make_cyclic(70, noise=0.3)["y"].rename("load")
LEVELS = [0.1, 0.9]


def agree(model, history, x=None, bands=True):
    """The graph, run by torch, forecasts what the model does."""
    graph, about = forecast_graph(model, None, LEVELS)
    panel = read_panel(history, tz=model.tz)
    inputs = graph_inputs(about, panel, x)
    assert {name: array.shape[1:] for name, array in inputs.items()} == graph.inputs()
    with torch.no_grad():
        found = graph(*(torch.from_numpy(np.asarray(array)) for array in inputs.values()))
    expected = model.predict(history=history, X=x, quantiles=LEVELS)
    places = panel.future(model.horizon_)[1] - 1
    assert found[0][0, places].numpy() == pytest.approx(expected["load"], rel=1e-4, abs=1e-4)
    quantiles = expected[["load_q0.1", "load_q0.9"]].to_numpy().T
    if bands:
        assert found[1][0][:, places].numpy() == pytest.approx(quantiles, rel=1e-4, abs=1e-4)
    return inputs, [part.numpy() for part in found]


@pytest.mark.parametrize("head", ["ridge", "transformer", "paper", "mlp"])
def test_graphs_forecast_like_the_model(head):
    model = ReCycleForecaster(horizon="2c", head=head, gate="none", country="DE", **OPTIONS).fit(Y)
    agree(model, Y)
    agree(model, Y[: 24 * 60])


def test_every_candidate_profile_and_zone():
    for kind in ("rhp", "ewm", "tenday", "persistence", "seasonal", "none"):
        agree(ReCycleForecaster(horizon=30, head="ridge", profile=kind, **OPTIONS).fit(Y), Y)
    y = Y.tz_localize("UTC")
    model = ReCycleForecaster(horizon=30, head="ridge", tz="Europe/Berlin", **OPTIONS).fit(y[:1200])
    agree(model, y[: 24 * 68], bands=False)  # the model's follow errors, the graph's don't
    model = ReCycleForecaster(horizon=30, head="profile", cycle=24, scaler="log1p+standard")
    agree(model.fit(Y), Y, bands=False)
    model = ReCycleForecaster(horizon=30, head="ridge", **OPTIONS).fit(Y)
    wild = Y.copy()
    wild.iloc[-3:] = 1e6  # unlike all in training: the profile
    agree(model, wild)


def test_covariates_are_in_the_graph():
    x = pd.DataFrame({"wind": np.random.default_rng(0).normal(size=len(Y))}, index=Y.index)
    y = (Y + 0.8 * x["wind"]).rename("load")
    model = ReCycleForecaster(horizon="1c", head="ridge", **OPTIONS).fit(y[:-24], x[:-24])
    assert model.effect_ is not None and model.effect_.weights.any()
    agree(model, y[:-24], x)


def test_onnx_runs_without_torch(tmp_path):
    model = ReCycleForecaster(horizon="2c", head="transformer", gate="none", **OPTIONS).fit(Y)
    inputs, ours = agree(model, Y)
    model.export(tmp_path / "m.onnx", quantiles=LEVELS, weights="single")
    edge = EdgeForecaster(tmp_path / "m.onnx")
    for torchs, onnx in zip(ours, edge.session.run(None, inputs), strict=True):
        assert torchs == pytest.approx(onnx, abs=1e-5)
    batch = {name: np.repeat(array, 5, axis=0) for name, array in inputs.items()}
    assert edge.session.run(None, batch)[0] == pytest.approx(np.repeat(ours[0], 5, 0), abs=1e-5)
    Y.to_csv(tmp_path / "y.csv", index_label="time")
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "import pandas as pd\n"
        "from recycle.edge import EdgeForecaster\n"
        "y = pd.read_csv('y.csv', index_col=0, parse_dates=True)['load']\n"
        "print(EdgeForecaster('m.onnx').predict(y)['load'].sum())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert float(done.stdout) == pytest.approx(model.predict().sum(), rel=1e-5)


def test_several_series_half_precision_and_torch(tmp_path):
    two = pd.DataFrame({"a": Y, "b": 3 * Y + 1})
    model = ReCycleForecaster(horizon="7c", head="ridge", **OPTIONS).fit(two)
    expected = model.predict()["b"].to_numpy()
    path = model.export(tmp_path / "b.onnx", series="b")
    assert path.stat().st_size < 24 * 7 * 24 * 7 * 2 + 60_000  # two bytes a weight
    edge = EdgeForecaster(path)
    assert edge.predict(two["b"]).to_numpy() == pytest.approx(expected, rel=2e-3)
    model.export(tmp_path / "b.pt2", series="b")
    program = torch.export.load(tmp_path / "b.pt2").module()
    inputs = graph_inputs(edge.about, read_panel(two[["b"]]))
    found = program(*(torch.from_numpy(np.asarray(array)) for array in inputs.values()))
    assert found.numpy()[0] == pytest.approx(expected, rel=1e-4)


def test_bad_exports_are_refused(tmp_path):
    model = ReCycleForecaster(horizon="1c", head="ridge", **OPTIONS).fit(Y)
    with pytest.raises(ValueError, match="suffix"):
        model.export(tmp_path / "m.h5")
    with pytest.raises(ValueError, match="series must be"):
        model.export(tmp_path / "m.onnx", series="other")
    median = ReCycleForecaster(horizon="1c", profile="median", head="profile", cycle=24).fit(Y)
    with pytest.raises(ValueError, match="profile='rhp'"):
        median.export(tmp_path / "m.onnx")
