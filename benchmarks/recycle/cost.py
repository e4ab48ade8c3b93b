"""What a window costs to train on and to forecast, and how long the best model takes.

``python benchmarks/recycle/cost.py [--quick] [--data FOLDER] [--json FILE]``. One thread, CPU time,
models in turns, medians of the turns; histories of 21 days, forecasts of 7, hourly. What is
compared is the package's whole path, ridge and network; "ridge" is the ridge alone, whose training
is its closed form on 10,000 windows. The peers are those of parts/peers.py. All models' optimizers
see one vector of weights. Forecasts are made by torch in evaluation mode, and by onnxruntime
("onnx"), to which each model is exported for the batch. At last, one forecast of the package's own
ONNX file, profile, gaps and scaling included. With the folder of ETTh1.csv (default: RECYCLE_DATA)
also: CPU seconds of whole fits on ETTh1, 96 steps ahead, and the best validation score that the
small PatchTST reaches within ``--budget`` CPU seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from parts.ett import TRAIN, VALIDATION, fit, load
from parts.peers import DLinear, Informer, ITransformer, PatchTST
from parts.training import WindowTensors, train
from torch import Tensor, nn

from recycle import ReCycleForecaster
from recycle.cyclic import CyclicData, Windows
from recycle.datasets import make_cyclic
from recycle.edge import EdgeForecaster, graph_inputs
from recycle.export import quiet
from recycle.model import CyclicModel, Settings
from recycle.moments import Moments, consecutive_moments
from recycle.network import NetworkConfig, ReCycleNet
from recycle.network.flat import FlatWeights
from recycle.panels import read_panel
from recycle.pooling import series_moments
from recycle.profiles import RecentHistoricProfile
from recycle.ridge import fit_ridge

L, H = 504, 168


class RidgeAlone(nn.Module):
    """Centring and one product."""

    ridge: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("ridge", 0.01 * torch.randn(L, H))

    def forward(self, x: Tensor) -> Tensor:
        """Histories to forecasts."""
        return x @ self.ridge


class RidgeAndNet(nn.Module):
    """The forecast path of the package: ridge, then the network with its default sizes."""

    ridge: Tensor
    calendar_e: Tensor
    calendar_d: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("ridge", 0.01 * torch.randn(L, H))
        self.net = ReCycleNet(NetworkConfig(), 24, 21, 7, 18)
        self.register_buffer("calendar_e", torch.rand(1, 21, 18))
        self.register_buffer("calendar_d", torch.rand(1, 7, 18))

    def forward(self, x: Tensor) -> Tensor:
        """Histories to forecasts."""
        level = x.mean(1, keepdim=True)
        e = (x - level).unflatten(1, (21, 24))
        d = ((x - level) @ self.ridge).unflatten(1, (7, 24))
        n = x.shape[0]
        out: Tensor = self.net(
            e, d, self.calendar_e.expand(n, -1, -1), self.calendar_d.expand(n, -1, -1)
        )
        return out.flatten(1) + level


MODELS: dict[str, Callable[[], nn.Module]] = {
    "ridge + net": RidgeAndNet,
    "ridge": RidgeAlone,
    "DLinear": lambda: DLinear(L, H),
    "iTransformer": lambda: ITransformer(L, H),
    "PatchTST d=16": lambda: small_patch(L, H),
    "PatchTST d=128": lambda: PatchTST(L, H, d=128, heads=16, ff=256),
    "Informer d=512": lambda: Informer(L, H),
}


def small_patch(lookback: int, horizon: int) -> nn.Module:
    """PatchTST as its authors use it on the ETT sets."""
    return PatchTST(lookback, horizon, d=16, heads=4, ff=128)


class Timed:
    """A model with its optimizer, and as onnxruntime runs it for one batch size."""

    def __init__(self, name: str) -> None:
        self.name, self.model = name, MODELS[name]()
        self.closed = name == "ridge"
        if not self.closed:
            self.weights = FlatWeights(self.model)
            self.optimizer = self.weights.adam(1e-3, 1e-2)
        self.slow = name == "Informer d=512"
        self.repeats = 1 if self.slow else 2 if "128" in name else 20

    @property
    def size(self) -> int:
        """Trained weights; those of the ridge are solved for."""
        found = sum(w.numel() for w in self.model.parameters())
        return found or sum(w.numel() for w in self.model.buffers())

    def batch(self, size: int) -> None:
        """Take random windows of one series; iTransformer's have seven, which are counted."""
        self.x = torch.randn(size // 8 * 7 if self.name == "iTransformer" else size, L)
        self.y = torch.randn(len(self.x), H)
        self.session = _session(self.model, self.x)

    def train(self) -> object:
        """One step."""
        self.model.train()
        self.weights.gradient.zero_()
        (self.model(self.x) - self.y).abs().mean().backward()
        return self.optimizer.step()

    def forecast(self) -> object:
        """By torch."""
        self.model.eval()
        with torch.inference_mode():
            return self.model(self.x)

    def onnx(self) -> object:
        """By onnxruntime."""
        return self.session(self.x.numpy())

    def costs(self) -> dict[str, float]:
        """CPU milliseconds a window, each way."""
        found = {"train": _closed_form()} if self.closed else {}
        for mode in ("forecast", "onnx") if self.closed else ("train", "forecast", "onnx"):
            start = time.process_time()
            for _ in range(self.repeats):
                getattr(self, mode)()
            found[mode] = (time.process_time() - start) / self.repeats / len(self.x) * 1e3
        return found


def step_costs(turns: int) -> list[dict[str, Any]]:
    """Medians over turns, in which the models alternate, at two batch sizes."""
    rows = []
    models = [Timed(name) for name in MODELS]
    for batch in (8, 32):
        for one in models:
            one.batch(batch)
        for one in models:
            if not one.slow:
                one.costs()  # warms up
        found = [[one.costs() for one in models] for _ in range(turns)]
        for number, one in enumerate(models):
            for mode in ("train", "forecast", "onnx"):
                cost = statistics.median(turn[number][mode] for turn in found)
                row = {"model": one.name, "weights": one.size, "batch": batch, "mode": mode}
                rows.append({**row, "ms": cost})
    return rows


def _session(model: nn.Module, x: Tensor) -> Callable[[np.ndarray], object]:
    """The model in onnxruntime, on one core, for batches of this size."""
    import onnxruntime

    model.eval()
    with quiet(), torch.no_grad():
        program = torch.export.export(model, (x,), strict=False)
        exported = torch.onnx.export(program, (x,), verbose=False)
    assert exported is not None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    stored = exported.model_proto.SerializeToString()
    session = onnxruntime.InferenceSession(stored, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda values: session.run(None, {name: values})


def _closed_form(count: int = 10_000) -> float:
    """CPU milliseconds a window of fitting a ridge."""
    values = np.random.default_rng(0).normal(size=count + L + H)
    start = time.process_time()
    sums = consecutive_moments(values, np.arange(L, L + count), L, H)
    fit_ridge(sums, sums, 0.0, (L,))
    return (time.process_time() - start) / count * 1e3


def fits(folder: Path, budget: float) -> list[dict[str, Any]]:
    """CPU seconds on ETTh1, 96 steps ahead, and errors on the same validation windows."""
    data = load(folder, "ETTh1")
    windows = WindowTensors.of(data, 96)
    rows = [ridge_alone(data)]
    for head in ("ridge", "transformer"):
        start = time.process_time()
        model = fit(data, 96, head, 0, False)
        rows.append({"fit": f"head={head}, gate and all", "cpu_s": time.process_time() - start})
        rows[-1]["val_mse"] = validation_mse(model, data)
    peer = train(small_patch, windows, budget=budget, rates=(1e-3,))
    label = f"PatchTST d=16, {peer.epochs:.1f} epochs, to its best"
    as_good = [row["cpu_s"] for row in rows if row["val_mse"] <= peer.val_mse]
    rows.append({"fit": label, "cpu_s": peer.best_s, "val_mse": peer.val_mse})
    if as_good:
        rows[-1]["ratio"] = peer.best_s / min(as_good)
    return rows


def ridge_alone(data: CyclicData) -> dict[str, Any]:
    """One ridge of lookback 336 in closed form, its penalty by validation."""
    profile = RecentHistoricProfile(24, data.calendar.n_categories)
    settings = Settings(96, profile, (336,))
    windows = Windows(data, profile)
    start = time.process_time()
    sums = [
        sum(
            (
                series_moments(windows, settings, one, np.arange(first, end - 95, step), 0.0)
                for one in range(data.n_series)
            ),
            Moments.zeros(336, 96),
        )
        for first, end, step in ((336, TRAIN[1], 1), (*VALIDATION, 5))
    ]
    ridge = fit_ridge(sums[0], sums[1], 0.0, (336,), settings.lambdas)
    seconds = time.process_time() - start
    return {"fit": "CycleRidge alone, lookback 336", "cpu_s": seconds, "val_mse": ridge.loss}


def validation_mse(model: CyclicModel, data: CyclicData) -> float:
    """The model's error on every fifth window of the validation months, as for the peer."""
    windows = Windows(data, model.settings.profile)
    origins = np.arange(VALIDATION[0], VALIDATION[1] - 95)[::5]
    errors = [
        model.predict(windows, one, origins).point - windows.target(one, origins, 96)
        for one in range(data.n_series)
    ]
    return float(np.mean(np.square(errors)))


def edge(repeats: int) -> dict[str, Any]:
    """One forecast of the default model, a week ahead, by onnxruntime on one core."""
    y = make_cyclic(500, noise=0.5)["y"]
    model = ReCycleForecaster(horizon="7c", gate="none", network=NetworkConfig(epochs=1)).fit(y)
    with tempfile.TemporaryDirectory() as folder:
        path = model.export(Path(folder) / "m.onnx", quantiles=(0.1, 0.9))
        graph = EdgeForecaster(path)
        size = path.stat().st_size
    inputs = graph_inputs(graph.about, read_panel(y))
    costs = []
    for _ in range(repeats):
        start = time.process_time()
        for _ in range(100):
            graph.session.run(None, inputs)
        costs.append((time.process_time() - start) / 100 * 1e3)
    return {"onnx_ms": statistics.median(costs), "best_ms": min(costs), "kB": size / 1000}


def print_steps(rows: list[dict[str, Any]]) -> None:
    """Costs, and how many times as much as ours."""
    modes = [(batch, mode) for batch in (8, 32) for mode in ("train", "forecast", "onnx")]
    titles = "".join(f"{f'{mode} {batch}':>22}" for batch, mode in modes)
    print(f"{'':16}{'weights':>11}{titles}")
    ours = {(r["batch"], r["mode"]): r["ms"] for r in rows if r["model"] == "ridge + net"}
    for name in MODELS:
        cost = {(r["batch"], r["mode"]): r["ms"] for r in rows if r["model"] == name}
        size = next(r["weights"] for r in rows if r["model"] == name)
        cells = [f"{cost[mode]:10.4f} ms {cost[mode] / ours[mode]:7.2f}x" for mode in modes]
        print(f"{name:16}{size:11,}{''.join(cells)}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer turns, no whole fits")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--data", type=Path, default=os.environ.get("RECYCLE_DATA"))
    parser.add_argument("--budget", type=float, default=60.0, help="CPU seconds of the peer")
    options = parser.parse_args()
    torch.set_num_threads(1)
    result: dict[str, Any] = {"steps": step_costs(1 if options.quick else 3)}
    print_steps(result["steps"])
    result["edge"] = edge(3 if options.quick else 10)
    words = "one ONNX forecast: {onnx_ms:.3f} ms CPU (best {best_ms:.3f}), {kB:.0f} kB"
    print(words.format(**result["edge"]), flush=True)
    found = options.data is not None and (Path(options.data) / "ETTh1.csv").exists()
    if not options.quick and found:
        result["fits"] = fits(Path(options.data), options.budget)
        for row in result["fits"]:
            more = f", {row['ratio']:.0f}x of ours as good" if "ratio" in row else ""
            score = f"validation MSE {row['val_mse']:.4f}{more}"
            print(f"{row['fit']:44}{row['cpu_s']:9.2f} CPU s   {score}")
    elif not options.quick:
        print("whole fits skipped: give the folder of ETTh1.csv by --data or RECYCLE_DATA")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
