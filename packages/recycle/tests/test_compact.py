"""Exports to NumPy alone and to C."""

import ctypes
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recycle import ModelFileError, ReCycleForecaster, RidgeConfig, numpy_runtime
from recycle.datasets import make_cyclic
from recycle.edge import EdgeForecaster, graph_inputs
from recycle.export import forecast_graph
from recycle.panels import read_panel

OPTIONS = {"horizon": 30, "cycle": 24, "history": "7c", "head": "ridge"}
LEVELS = [0.1, 0.9]
Y = make_cyclic(70, noise=0.3)["y"].rename("load")
GAPS = Y.copy()
GAPS.iloc[-60:-50] = np.nan
WILD = Y.copy()
WILD.iloc[-3:] = 1e6
COMPILER = shutil.which("cc")


def special_days():
    hours = pd.date_range("2023-01-02", "2024-05-08 23:00", freq="h")
    y = make_cyclic(len(hours) // 24, noise=0.1, start="2023-01-02", country="DE")["y"]
    days = pd.Series(1.0, y.index)
    days[y.index.normalize().isin(pd.to_datetime(["2023-05-19", "2023-06-09", "2023-10-02"]))] = 0.5
    return y * days


CASES = {
    "ridge": ({}, Y, Y),
    "gaps": ({}, Y, GAPS),
    "wild": ({}, Y, WILD),
    "low rank": ({"ridge": RidgeConfig(rank=3)}, Y, Y),
    "with profile": ({"profile": "ewm", "gate": "select"}, Y, Y),
    "profile": ({"head": "profile"}, Y, Y),
    "logarithm": ({"scaler": "log1p+standard"}, Y, Y),
    "special days": ({"country": "DE"}, special_days(), special_days()),
}


def expected(model, history):
    """Forecast and quantiles of the graph, which follows the model; and its inputs."""
    import torch

    graph, about = forecast_graph(model, None, LEVELS)
    inputs = graph_inputs(about, read_panel(history))
    with torch.no_grad():
        found = graph(*(torch.from_numpy(np.asarray(array)) for array in inputs.values()))
    return inputs, found[0][0].numpy(), found[1][0].numpy()


def through_c(path, inputs, about):
    """Forecast and quantiles of the header, compiled."""
    folder = path.parent
    (folder / "m.c").write_text(
        f'#include "{path.name}"\n'
        "void run(const float *h, const unsigned char *k, const unsigned char *d, int slot,"
        " float *f, float *q) { recycle_forecast(h, k, d, slot, f, q); }\n"
    )
    options = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([COMPILER, *options, "m.c", "-o", "m.so", "-lm"], cwd=folder, check=True)
    kind = np.concatenate([inputs["kind_history"][0], inputs["kind_future"][0]]).astype(np.uint8)
    days = np.zeros(1, np.uint8)
    if "days_history" in inputs:
        days = np.concatenate([inputs["days_history"][0], inputs["days_future"][0]])
        days = np.ascontiguousarray(days, dtype=np.uint8)
    history = np.ascontiguousarray(inputs["history"][0], dtype=np.float32)
    found = np.zeros(about["horizon"], np.float32)
    bands = np.zeros((2, about["horizon"]), np.float32)
    pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (history, kind, days)]
    slot = int(inputs["slot"][0]) if "slot" in inputs else 0
    out = [array.ctypes.data_as(ctypes.c_void_p) for array in (found, bands)]
    ctypes.CDLL(str(folder / "m.so")).run(*pointers, slot, *out)
    return found, bands


@pytest.mark.parametrize("case", CASES)
def test_numpy_and_c_forecast_like_the_graph(case, tmp_path):
    options, y, history = CASES[case]
    model = ReCycleForecaster(**{**OPTIONS, **options}).fit(y)
    if case == "special days":
        assert model.days_ is not None
    inputs, point, bands = expected(model, history)
    path = model.export(tmp_path / "m.npz", quantiles=LEVELS)
    edge = EdgeForecaster(path)
    found = edge.predict(history)
    assert found.iloc[:, 0].to_numpy() == pytest.approx(point, rel=1e-4, abs=1e-4)
    between = found.iloc[:, 1:].to_numpy().T
    assert between == pytest.approx(bands, rel=1e-4, abs=1e-4)
    if case == "low rank":
        assert {"left", "right", "level"} <= set(edge.session.arrays)
    if COMPILER:
        header = model.export(tmp_path / "m.h", quantiles=LEVELS)
        found, c_bands = through_c(header, inputs, edge.about)
        assert found == pytest.approx(point, rel=1e-4, abs=1e-4)
        assert c_bands == pytest.approx(bands, rel=1e-4, abs=1e-4)


def test_the_runtime_is_a_file_that_needs_numpy_alone(tmp_path):
    model = ReCycleForecaster(**OPTIONS).fit(Y)
    inputs, point, _ = expected(model, Y)
    model.export(tmp_path / "m.npz")
    shutil.copy(Path(numpy_runtime.__file__), tmp_path / "numpy_runtime.py")
    kind = np.concatenate([inputs["kind_history"][0], inputs["kind_future"][0]])
    np.savez(tmp_path / "in.npz", history=inputs["history"][0], kind=kind)
    program = (
        "import sys\n"
        "for name in ('torch', 'pandas', 'recycle', 'holidays'): sys.modules[name] = None\n"
        "import numpy as np\n"
        "from numpy_runtime import NumpyForecaster\n"
        "given = np.load('in.npz')\n"
        "found, _ = NumpyForecaster('m.npz').forecast(given['history'], given['kind'])\n"
        "print(found.sum())\n"
    )
    command = [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{program}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert float(done.stdout) == pytest.approx(point.sum(), rel=1e-5)


def test_what_they_cannot_hold_is_named(tmp_path):
    from recycle.network import NetworkConfig

    config = NetworkConfig(epochs=1, history=7, d_model=8, d_ff=16, windows_per_epoch=256)
    options = {**OPTIONS, "head": "transformer", "gate": "none", "network": config}
    with pytest.raises(ValueError, match="head='ridge'"):
        ReCycleForecaster(**options).fit(Y).export(tmp_path / "m.npz")
    x = pd.DataFrame({"x": np.random.default_rng(0).normal(size=len(Y))}, Y.index)
    with pytest.raises(ValueError, match="no covariates"):
        ReCycleForecaster(**OPTIONS).fit(Y + x["x"], x).export(tmp_path / "m.h")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(ModelFileError, match="was not"):
        EdgeForecaster(tmp_path / "other.npz")
