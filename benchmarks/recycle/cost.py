"""What a window costs to train on and to forecast, and how long the best model takes.

``python benchmarks/recycle/cost.py [--quick] [--data FOLDER] [--json FILE]``. One thread, CPU time,
models in turns, medians of the turns; histories of 21 days, forecasts of 7, hourly. The peers are
those of parts/peers.py. With the folder of ETTh1.csv (default: RECYCLE_DATA) also: CPU seconds of
whole fits on ETTh1, 96 steps ahead, and of the small PatchTST until its best validation score. At
last, one forecast of the ONNX file on one core.
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
from torch import Tensor, nn

from recycle import ReCycleForecaster
from recycle.cyclic import Windows
from recycle.datasets import make_cyclic
from recycle.edge import EdgeForecaster, graph_inputs
from recycle.network import NetworkConfig, ReCycleNet
from recycle.panels import read_panel

L, H = 504, 168


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
        n = len(x)
        out: Tensor = self.net(
            e, d, self.calendar_e.expand(n, -1, -1), self.calendar_d.expand(n, -1, -1)
        )
        return out.flatten(1) + level


MODELS: dict[str, Callable[[], nn.Module]] = {
    "ridge + net": RidgeAndNet,
    "DLinear": lambda: DLinear(L, H),
    "iTransformer": lambda: ITransformer(L, H),
    "PatchTST d=16": lambda: PatchTST(L, H, d=16, heads=4, ff=128),
    "PatchTST d=128": lambda: PatchTST(L, H, d=128, heads=16, ff=256),
    "Informer d=512": lambda: Informer(L, H),
}


def step_costs(turns: int) -> list[dict[str, Any]]:
    """CPU milliseconds a window, at two batch sizes, in training and in forecasting."""
    rows = []
    models = {name: make() for name, make in MODELS.items()}
    optimizers = {name: torch.optim.AdamW(m.parameters()) for name, m in models.items()}
    for batch in (8, 32):
        found: dict[tuple[str, str], list[float]] = {}
        for turn in range(turns + 1):
            for name, model in models.items():
                # a window has one series; iTransformer's has seven, which are counted
                x = torch.randn(batch // 8 * 7 if name == "iTransformer" else batch, L)
                y = torch.randn(len(x), H)
                repeats = 1 if name == "Informer d=512" else 2
                for mode, work in (("train", _train), ("forecast", _forecast)):
                    start = time.process_time()
                    for _ in range(repeats):
                        work(model, optimizers[name], x, y)
                    cost = (time.process_time() - start) / repeats / len(x) * 1e3
                    if turn:  # the first warms up
                        found.setdefault((name, mode), []).append(cost)
        for (name, mode), costs in found.items():
            weights = sum(w.numel() for w in models[name].parameters())
            rows.append({
                "model": name, "weights": weights, "batch": batch, "mode": mode,
                "ms": statistics.median(costs),
            })  # fmt: skip
    return rows


def _train(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> None:
    optimizer.zero_grad()
    (model(x) - y).abs().mean().backward()
    optimizer.step()


def _forecast(model: nn.Module, _: torch.optim.Optimizer, x: Tensor, __: Tensor) -> None:
    with torch.no_grad():
        model(x)


def fits(folder: Path, epochs: int) -> list[dict[str, Any]]:
    """CPU seconds on ETTh1, 96 steps ahead, until the model with the best validation score."""
    data = load(folder, "ETTh1")
    rows = []
    for head in ("ridge", "transformer"):
        start = time.process_time()
        model = fit(data, 96, head, 0, False)
        seconds = time.process_time() - start
        label = f"head={head}, gate and all"
        rows.append({"fit": label, "cpu_s": seconds, "val_mse": gate_loss(model)})
    windows = Windows(data, model.settings.profile)
    rows.append(train_peer(windows, epochs))
    return rows


def gate_loss(model: Any) -> float:
    """Validation error of the model's mixture, over the blocks of the horizon."""
    gate = model.gate
    best = np.nanmin(gate.losses, axis=1)
    lengths = np.diff([0, *gate.blocks])
    return float((best * lengths).sum() / lengths.sum())


def train_peer(windows: Windows, epochs: int) -> dict[str, Any]:
    """The small PatchTST, lookback 336, batch 128, Adam, until validation stops falling."""
    torch.manual_seed(0)
    model = PatchTST(336, 96, d=16, heads=4, ff=128)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    train, held_out = (_tensors(windows, span) for span in (TRAIN, VALIDATION))
    best, best_s, since = float("inf"), 0.0, 0
    start = time.process_time()
    validated = 0.0
    for _ in range(epochs):
        for rows in torch.randperm(len(train[0])).split(128):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(train[0][rows]), train[1][rows]).backward()
            optimizer.step()
        pause = time.process_time()
        with torch.no_grad():
            parts = [
                ((model(x) - y) ** 2).sum()
                for x, y in zip(held_out[0].split(512), held_out[1].split(512), strict=True)
            ]
            loss = float(sum(parts)) / held_out[1].numel()
        validated += time.process_time() - pause
        since = 0 if loss < best else since + 1
        if loss < best:
            best, best_s = loss, time.process_time() - start - validated
        if since == 3:
            break
    return {"fit": "PatchTST d=16, to its best epoch", "cpu_s": best_s, "val_mse": best}


def _tensors(windows: Windows, span: tuple[int, int]) -> tuple[Tensor, Tensor]:
    origins = np.arange(max(span[0], 336), span[1] - 96 + 1)
    parts = [
        (windows.history(s, origins, 336), windows.target(s, origins, 96))
        for s in range(windows.data.n_series)
    ]
    x, y = (np.concatenate(side).astype(np.float32) for side in zip(*parts, strict=True))
    return torch.from_numpy(x), torch.from_numpy(y)


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
    modes = [f"{mode} {batch}" for batch in (8, 32) for mode in ("train", "forecast")]
    print(f"{'':16}{'weights':>11}" + "".join(f"{mode:>24}" for mode in modes))
    ours = {(r["batch"], r["mode"]): r["ms"] for r in rows if r["model"] == "ridge + net"}
    for name in MODELS:
        here = [r for r in rows if r["model"] == name]
        cells = [f"{r['ms']:12.4f} ms {r['ms'] / ours[r['batch'], r['mode']]:7.1f}x" for r in here]
        print(f"{name:16}{here[0]['weights']:11,}{''.join(cells)}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer turns, no whole fits")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--data", type=Path, default=os.environ.get("RECYCLE_DATA"))
    parser.add_argument("--epochs", type=int, default=30, help="most epochs of the peer")
    options = parser.parse_args()
    torch.set_num_threads(1)
    result: dict[str, Any] = {"steps": step_costs(1 if options.quick else 3)}
    print_steps(result["steps"])
    result["edge"] = edge(3 if options.quick else 10)
    words = "one ONNX forecast: {onnx_ms:.3f} ms CPU (best {best_ms:.3f}), {kB:.0f} kB"
    print(words.format(**result["edge"]), flush=True)
    found = options.data is not None and (Path(options.data) / "ETTh1.csv").exists()
    if not options.quick and found:
        result["fits"] = fits(Path(options.data), options.epochs)
        for row in result["fits"]:
            print(f"{row['fit']:36}{row['cpu_s']:9.1f} CPU s   validation MSE {row['val_mse']:.4f}")
    elif not options.quick:
        print("whole fits skipped: give the folder of ETTh1.csv by --data or RECYCLE_DATA")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
