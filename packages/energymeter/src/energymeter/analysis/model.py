"""Estimates of power where nothing can be measured: always with an interval, never a measurement.

CPU: P = idle + (full - idle)·u^a with u the busy fraction from /proc/stat, or through calibration
points; from the thermal design power (TDP) 0.10·TDP + 0.65·TDP·u; with nothing known, 3.5 W for
each logical CPU stand for the TDP. Published load tables of five machines show TDP models off by
about 40 % on average; hence the intervals.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from energymeter.analysis.curves import EnergyCurve, Floats
from energymeter.config import CpuModel
from energymeter.sensors import Kind, Provenance, Sensor

__all__ = ["Estimate", "cpu_estimate", "gpu_estimate", "memory_estimate", "table_tdp"]

WATTS_PER_LOGICAL_CPU = 3.5
WATTS_PER_GIB = 0.375
# factors on an estimate that give its interval, by what is known
CALIBRATED, TWO_POINTS, TDP_ONLY, NOTHING = (0.85, 1.15), (0.75, 1.25), (0.65, 2.3), (0.3, 3.0)
MEMORY, GPU = (0.4, 2.5), (0.5, 1.6)
# W of one socket, from the vendors' data sheets; a processor that is not here is not guessed
TDP = {
    "AMD EPYC 7402": 180.0,
    "AMD EPYC 7452": 155.0,
    "AMD EPYC 7543": 225.0,
    "AMD EPYC 7742": 225.0,
    "AMD EPYC 7763": 280.0,
    "AMD EPYC 9654": 360.0,
    "Intel Xeon Gold 6148": 150.0,
    "Intel Xeon Gold 6230": 125.0,
    "Intel Xeon Gold 6248": 150.0,
    "Intel Xeon Platinum 8358": 250.0,
    "Intel Xeon Platinum 8368": 270.0,
    "Intel Xeon Platinum 8480+": 350.0,
}


@dataclass(frozen=True)
class Estimate:
    """A modelled energy curve, with factors for its interval, and how it was made."""

    curve: EnergyCurve
    factors: tuple[float, float]
    method: str


def table_tdp(model: str) -> float:
    """TDP in W of a processor that is in the table by its full name; 0 otherwise."""
    name = re.sub(r"\((R|TM|r|tm)\)", "", model)
    name = re.sub(r"\s+(CPU|Processor|\d+-Core)\b|@.*$", " ", name)
    return TDP.get(" ".join(name.split()), 0.0)


def cpu_estimate(
    busy: EnergyCurve, cpus: int, node: Mapping[str, Any], known: CpuModel
) -> Estimate:
    """Energy of all CPUs of a node.

    Parameters
    ----------
    busy : EnergyCurve
        Busy CPU-seconds (its joules are CPU-seconds).
    cpus : int
        Logical CPUs.
    node : mapping
        The node's description.
    known : CpuModel
    """
    seconds = np.diff(busy.times) / 1e9
    used = np.clip(np.diff(busy.joules) / (cpus * np.where(seconds > 0, seconds, 1)), 0, 1)
    tdp = known.tdp or table_tdp(str(node["cpu_model"])) * int(node["sockets"])
    if known.points:
        points = np.array(sorted(known.points))
        watts = np.interp(used, points[:, 0], points[:, 1])
        factors, method = CALIBRATED, f"{len(points)} calibration points"
    elif known.full:
        watts = known.idle + (known.full - known.idle) * used**known.exponent
        factors, method = TWO_POINTS, "idle and full power"
    else:
        factors, method = (TDP_ONLY, f"TDP {tdp:g} W") if tdp else (NOTHING, "3.5 W per CPU")
        tdp = tdp or WATTS_PER_LOGICAL_CPU * cpus
        watts = 0.10 * tdp + 0.65 * tdp * used
    return Estimate(_curve("node/cpu", busy, watts), factors, f"estimate from {method}")


def memory_estimate(busy: EnergyCurve, gib: float) -> Estimate:
    """Energy of the memory: 3 W for 8 GiB, whatever it does."""
    watts = np.full(max(0, len(busy.times) - 1), WATTS_PER_GIB * gib)
    return Estimate(_curve("node/mem", busy, watts), MEMORY, f"estimate from {gib:g} GiB")


def gpu_estimate(utilisation: EnergyCurve, tdp: float) -> Estimate:
    """Energy of an accelerator of which only the utilisation (0...1) is known."""
    assert utilisation.watts is not None
    used = np.clip((utilisation.watts[1:] + utilisation.watts[:-1]) / 2, 0, 1)
    watts = tdp * (0.15 + 0.85 * used)
    component = utilisation.sensor.component
    return Estimate(_curve(component, utilisation, watts), GPU, f"estimate from TDP {tdp:g} W")


def _curve(component: str, source: EnergyCurve, watts: Floats) -> EnergyCurve:
    sensor = Sensor(
        id=f"model:{component.rpartition('/')[2]}",
        component=component,
        kind=Kind.POWER_AVERAGE,
        provenance=Provenance.MODELLED,
        update_period=source.sensor.update_period,
    )
    seconds = np.diff(source.times) / 1e9
    joules = np.concatenate([[0.0], np.cumsum(watts * seconds)])[: len(source.times)]
    return EnergyCurve(sensor, source.times, joules, lost=source.lost)
