"""What training and inference cost, on nodes of known power."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import energymeter as em
from tools.demo.figures import COLOURS, figure, to_svg
from tools.demo.stage import Checked, Context, Plot, Row, Stage

__all__ = ["Energymeter"]

CPU_WATTS, BOARDS, BOARD_WATTS = 90, 2, 55
ONLY_CPU, IDLE_BOARDS = "CPU only", "CPU and idle accelerators"
N_TRAIN, EPOCHS, BATCH, PASSES = 1500, 4, 100, 10
REFRESH = 0.001  # s between changes of an emulated counter: so late may both ends of a phase be


@dataclass(frozen=True)
class _Found:
    """Run directories, and the share of test digits that were recognised."""

    here: Path
    emulated: Mapping[str, Path]
    accuracy: float


class Energymeter(Stage):
    """Energy of a small network, against powers that are known."""

    name = "energy"
    shows = (
        "the energy of training and inference on digits: here, and on emulated nodes of known "
        "power, one of them with accelerators that nobody uses"
    )
    package = "energymeter"

    def run(self, context: Context) -> _Found:
        """Train and classify under three meters; each node has one agent for all its ranks."""
        out = context.output.resolve() / "energy"
        here, accuracy = _measured(context, out, em.MeterConfig())
        runs = {}
        for name, boards in ((ONLY_CPU, 0), (IDLE_BOARDS, BOARDS)):
            config = em.MeterConfig(
                period=0.05, backends="wave,nvml", model="never", node_type=name
            )
            with _emulated(context, out / "emulated", boards):
                runs[name], _ = _measured(context, out, config)
        return _Found(here, runs, accuracy)

    def check(self, context: Context, found: _Found) -> Checked:
        """Known powers; the reports are written beside the demo's."""
        from energymeter.report.comparison import comparison_page
        from energymeter.report.html import html_report
        from energymeter.report.text import total_line

        here = em.load(found.here)
        runs = {name: em.load(path) for name, path in found.emulated.items()}
        comparison = em.compare(list(runs.values()))
        pages = {"energy.html": html_report(here)}
        pages["energy-comparison.html"] = comparison_page(comparison)
        for file, page in pages.items():
            (context.output / file).write_text(page, encoding="utf-8")
        rows = [*_energies(runs), *_phases(runs[ONLY_CPU])]
        idle = BOARDS * BOARD_WATTS
        error, known = comparison.groups[1].proxy_error, -idle / (CPU_WATTS + idle)
        what = "error of time as a proxy for energy"
        rows.append(
            Row(what, f"{error:.0%}", "known power", f"{known:.0%}", abs(error - known), 0.005)
        )
        remark = f"{found.accuracy:.1%} of the test digits were recognised. On this machine: "
        remark += f"{total_line(here.result)}; {_per_sample(here)}. Reports: {' and '.join(pages)}."
        return Checked(tuple(rows), (_powers(runs[IDLE_BOARDS]),), remark)


def _measured(context: Context, out: Path, config: em.MeterConfig) -> tuple[Path, float]:
    """Run directory and accuracy; all ranks have left the meter afterwards. Collective."""
    context.comm.handle.barrier()
    with em.Meter(label="digits", out=out, config=config) as meter:
        accuracy = _train_and_classify(context.comm)
    context.comm.handle.barrier()
    return meter.path, accuracy


@contextmanager
def _emulated(context: Context, folder: Path, boards: int) -> Iterator[None]:
    """A node of `CPU_WATTS`, and of boards that use `BOARD_WATTS` each and do nothing."""
    from energymeter.testing import FakeNode

    board = {"name": "emulated", "energy": 0, "watts": BOARD_WATTS, "architecture": 9}
    board |= {"utilisation": 0, "processes": 0}
    variables = {"ENERGYMETER_WAVES": f"node/cpu0,counter,const:{CPU_WATTS}"}
    if context.comm.rank == 0 and boards:
        node = FakeNode(folder)
        node.gpus([{**board, "uuid": f"GPU-{number}"} for number in range(boards)])
        variables |= {k: v for k, v in node.environ().items() if k != "ENERGYMETER_SYSROOT"}
    variables = context.comm.handle.bcast(variables)
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _train_and_classify(comm: Any) -> float:
    """Data-parallel training of two layers, then all test digits; the accuracy. Collective."""
    import torch
    from sklearn.datasets import load_digits
    from torch import nn
    from torch.nn.utils import parameters_to_vector, vector_to_parameters

    torch.manual_seed(0)
    images, labels = load_digits(return_X_y=True)
    x, y = torch.tensor(images, dtype=torch.float32) / 16, torch.tensor(labels)
    model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    with em.phase("training"):
        for _ in range(EPOCHS):
            for batch in torch.randperm(N_TRAIN).split(BATCH):
                mine = batch[comm.rank :: comm.size]
                with em.region("step") as step:
                    optimizer.zero_grad()
                    loss = nn.functional.cross_entropy(model(x[mine]), y[mine], reduction="sum")
                    (loss / len(batch)).backward()
                    gradients = [w.grad for w in model.parameters() if w.grad is not None]
                    mean = comm.allreduce(parameters_to_vector(gradients).numpy())
                    vector_to_parameters(torch.from_numpy(mean), gradients)
                    optimizer.step()
                    step.step(samples=len(mine))
    mine = torch.arange(N_TRAIN, len(x))[comm.rank :: comm.size]
    with em.phase("inference") as phase, torch.no_grad():
        for _ in range(PASSES):  # one at a time, as requests come
            right = sum(int((model(x[i : i + 1]).argmax(1) == y[i]).sum()) for i in mine.tolist())
            phase.step(samples=len(mine))
    return float(comm.handle.allreduce(right)) / (len(x) - N_TRAIN)


def _row(what: str, joules: float, seconds: float, watts: float) -> Row:
    """Mean power in a stretch of time: energies differ with the length of a run, powers do not."""
    tolerance = max(0.005, 2 * REFRESH / seconds)
    error = abs(joules / seconds / watts - 1)
    return Row(what, f"{joules / seconds:.0f} W", "known power", f"{watts} W", error, tolerance)


def _energies(runs: Mapping[str, em.Run]) -> Iterator[Row]:
    idle = BOARDS * BOARD_WATTS
    for name, run in runs.items():
        result, boards = run.result, name == IDLE_BOARDS
        watts = CPU_WATTS + idle * boards
        yield _row(f"{name}: energy / time", result.total.joules, result.seconds, watts)
        if boards:
            unused = result.unused_accelerators
            yield _row(f"{name}: of this, unused", unused, result.seconds, idle)


def _phases(run: em.Run) -> Iterator[Row]:
    result = run.result
    for phase in result.phases:
        if phase.samples:
            yield _row(f"{ONLY_CPU}: {phase.name}", phase.joules, phase.seconds, CPU_WATTS)
    samples = {phase.name: phase.samples for phase in result.phases}
    counted = samples["training"] + samples["inference"]
    expected = EPOCHS * N_TRAIN + PASSES * (1797 - N_TRAIN)
    yield Row(
        "samples of all ranks", str(counted), "the loops", str(expected), abs(counted - expected)
    )
    parts = sum(region.exclusive for region in result.regions) + result.outside
    total = result.total.joules
    yield Row(
        "regions and what is outside of them",
        f"{parts / total:.1%}",
        "the total",
        "100.0%",
        abs(parts / total - 1),
        1e-9,
    )


def _per_sample(run: em.Run) -> str:
    phases = [phase for phase in run.result.phases if phase.samples]
    return ", ".join(f"{p.name} {1e3 * p.per_sample:.3g} mJ per sample" for p in phases)


def _powers(run: em.Run) -> Plot:
    """Stacked powers over time, with the phases below."""
    from energymeter.report.timeline import phase_bands, power_layers

    (node,) = run.result.nodes
    edges, layers = power_layers(node)
    drawn, (axes,) = figure(height=2.6)
    axes.stackplot(
        edges,
        *(np.append(layer.watts, layer.watts[-1:]) for layer in layers),
        step="post",
        labels=[layer.name for layer in layers],
        colors=COLOURS,
        alpha=0.8,
    )
    colours = {"training": COLOURS[3], "inference": COLOURS[4]}
    for band in phase_bands(run, node):
        axes.plot([band.start, band.stop], [-8, -8], lw=4, color=colours[band.name])
        axes.text((band.start + band.stop) / 2, -30, band.name, ha="center")
    axes.set(xlabel="s", ylabel="W", ylim=(-40, None))
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return Plot(to_svg(drawn, "energymeter"), f"Power of the node with {IDLE_BOARDS}.")
