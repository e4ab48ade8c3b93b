"""Measuring a node itself: its power at rest, and under known loads."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from energymeter.baseline import stored_baseline
from energymeter.config import CpuModel, MeterConfig
from energymeter.environment import Environment
from energymeter.errors import ConfigurationError, NotMeasuredError
from energymeter.meter import Meter
from energymeter.sensors import Provenance

if TYPE_CHECKING:
    from energymeter.analysis.nodes import NodeData

__all__ = [
    "Baseline",
    "calibration_points",
    "measure_baseline",
    "parse_points",
    "points_toml",
    "wait_for_rest",
]

LOADS = (0.0, 0.25, 0.5, 0.75, 1.0)
REST_LOAD = 0.1  # load average per CPU above which a node is not at rest
REST_UTILISATION = 0.01
AT_REST = 1.05  # of the stored power
SETTLING = 0.2  # share of each stretch of load that is left out at its start
SPIN = """import sys, time
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    pass
"""
Point = tuple[float, float]


@dataclass(frozen=True)
class Baseline:
    """Power at rest in W by component, and what speaks against it."""

    node_type: str
    watts: dict[str, float]
    warnings: tuple[str, ...] = ()


def measure_baseline(seconds: float, config: MeterConfig) -> Baseline:
    """Measure this node while nothing runs.

    Raises
    ------
    NotMeasuredError
        If there is no measured source of energy: estimates are no baseline.
    """
    with tempfile.TemporaryDirectory() as folder:
        with Meter(label="baseline", out=folder, config=config) as meter:
            time.sleep(seconds)
        node, result = _own_node(meter), meter.result
    rows = [row for row in result.rows if row.provenance is Provenance.MEASURED]
    if not rows:
        raise NotMeasuredError("there is no measured source of energy: see energymeter sensors")
    watts = {row.component: row.joules / result.seconds for row in rows}
    return Baseline(node.node_type, watts, tuple(_unrest(node)))


def wait_for_rest(config: MeterConfig, patience: float = 600.0, each: float = 1.0) -> bool:
    """Wait until every component draws no more than 5 % above its stored power at rest.

    Parameters
    ----------
    patience : float
        s after which it gives up, and returns False.
    each : float
        s over which powers are averaged.

    Raises
    ------
    ConfigurationError
        If no baseline is stored for this type of node.
    NotMeasuredError
        If there is no measured source of energy.
    """
    deadline = time.monotonic() + patience
    while True:
        found = measure_baseline(each, config)
        rest = stored_baseline(found.node_type, Environment())
        if not rest:
            raise ConfigurationError(
                f"the power at rest of {found.node_type} is not known: energymeter baseline --save"
            )
        if all(watts <= AT_REST * rest.get(name, math.inf) for name, watts in found.watts.items()):
            return True
        if time.monotonic() >= deadline:
            return False


def calibration_points(
    config: MeterConfig, seconds: float, loads: Sequence[float] = LOADS
) -> tuple[Point, ...]:
    """Utilisation (0...1) and power of the CPUs in W under loads of all cores, measured here.

    Parameters
    ----------
    seconds : float
        Length of each load.
    loads : sequence of float
        Shares of the CPUs that are kept busy.

    Raises
    ------
    NotMeasuredError
        If the power of the CPUs cannot be measured.
    """
    cpus = len(os.sched_getaffinity(0))
    config = replace(config, require="measured:cpu")
    with tempfile.TemporaryDirectory() as folder:
        with Meter(label="calibration", out=folder, config=config) as meter:
            spans = [_under_load(round(load * cpus), seconds) for load in loads]
        node = _own_node(meter)
    return tuple(sorted(_point(node, start, stop) for start, stop in spans))


def parse_points(text: str) -> tuple[Point, ...]:
    """Points that a user read from a meter: ``0:20,0.5:60,1:110``.

    Raises
    ------
    ConfigurationError
        If they are no such pairs, fewer than three, or not in 0...1.
    """
    try:
        pairs = [entry.split(":") for entry in text.split(",")]
        points = tuple(sorted((float(u), float(w)) for u, w in pairs))
    except ValueError:
        raise ConfigurationError(
            f"points {text!r}: give utilisation:W pairs such as 0:20,0.5:60,1:110"
        ) from None
    return CpuModel(points=points).points


def points_toml(points: Sequence[Point]) -> str:
    """The lines of a configuration file that hold the points."""
    pairs = ", ".join(f"[{u:.4g}, {w:.4g}]" for u, w in points)
    return f"[cpu]\npoints = [{pairs}]  # utilisation, W\n"


def _under_load(number: int, seconds: float) -> tuple[int, int]:
    """Keep CPUs busy for a while; when that was, in ns, without the time of settling."""
    command = [sys.executable, "-I", "-S", "-c", SPIN, str(seconds)]
    spinning = [subprocess.Popen(command) for _ in range(number)]  # noqa: S603 - our own
    env = Environment()
    start = env.monotonic_ns()
    time.sleep(seconds)
    span = start + int(SETTLING * seconds * 1e9), env.monotonic_ns()
    for process in spinning:
        process.wait()
    return span


def _own_node(meter: Meter) -> NodeData:
    return next(node for node in meter.run.nodes if node.key == meter.node)


def _point(node: NodeData, start: int, stop: int) -> Point:
    from energymeter.analysis.nodes import BUSY

    seconds = (stop - start) / 1e9
    busy = next(curve for curve in node.curves if curve.sensor.id == BUSY)
    used = float(busy.between(start, stop)) / seconds / int(node.description["logical_cpus"])
    rows = node.ledger(start, stop).counted
    return min(1.0, used), sum(row.joules for row in rows if row.kind == "cpu") / seconds


def _unrest(node: NodeData) -> Iterator[str]:
    words = str(node.description["load"]).split()
    load = float(words[0]) / int(node.description["logical_cpus"]) if words else 0.0
    if load > REST_LOAD:
        yield f"the load average was {load:.2f} per CPU: the node was not at rest"
    start, stop = node.window
    for curve in node.curves:
        if curve.sensor.id.endswith(":utilisation") and len(curve.times) and stop > start:
            mean = float(curve.between(start, stop)) / ((stop - start) / 1e9)
            if mean > REST_UTILISATION:
                yield f"{curve.sensor.component} was used ({mean:.1%}): it was not at rest"
