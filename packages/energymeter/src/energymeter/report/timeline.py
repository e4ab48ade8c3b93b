"""Mean power in time bins, and the bands of phases, for plots and traces."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from energymeter.analysis.attribution import merged
from energymeter.analysis.summary import NodeResult
from energymeter.report.svg import Band, Layer
from energymeter.run import Run

__all__ = ["phase_bands", "power_layers"]

MANY = 50


def power_layers(
    result: NodeResult, bins: int = 300
) -> tuple[npt.NDArray[np.float64], list[Layer]]:
    """Edges in s since the start (n + 1,), and the mean power of each component that counts.

    What a node sensor measures beyond its parts is not split in time: it is one layer.
    """
    start, stop = result.window
    period = max((c.period for c, _ in result.ledger.curves), default=0.1) or 0.1
    number = max(1, min(bins, int((stop - start) / 1e9 / period)))
    times = np.linspace(start, stop, number + 1).astype(np.int64)
    seconds = np.maximum(np.diff(times) / 1e9, 1e-9)
    layers = [
        Layer(curve.sensor.component, np.maximum(np.diff(curve.at(times)) / seconds, 0.0))
        for curve, _ in result.ledger.curves
    ]
    if result.ledger.constant:
        layers.append(Layer("node/other", np.full(number, result.ledger.constant)))
    return (times - start) / 1e9, layers


def phase_bands(run: Run, result: NodeResult) -> list[Band]:
    """Stretches of the phases on a node, in s since its start."""
    start = result.window[0]
    stretches: dict[str, list[tuple[int, int]]] = {}
    for process in run.processes:
        if process.node != result.key:
            continue
        for instance in process.instances:
            if instance.phase:
                span = (instance.start, min(instance.stop, result.window[1]))
                stretches.setdefault(instance.phase, []).append(span)
    bands = [
        Band(name, (a - start) / 1e9, (b - start) / 1e9)
        for name, spans in stretches.items()
        for a, b in merged(spans)
    ]
    return sorted(bands, key=lambda band: band.start)[:MANY]
