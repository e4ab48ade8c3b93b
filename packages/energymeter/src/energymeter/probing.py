"""Looking at the sensors of this node: what they read now, and how often they are refreshed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from energymeter.agent.totals import Total
from energymeter.backends.registry import discover, get_backend
from energymeter.config import MeterConfig
from energymeter.environment import Environment
from energymeter.node import describe_node
from energymeter.sensors import Kind, RawReading, Sensor, Status, Unavailable

__all__ = ["NodeProbe", "probe_node"]

APART = 0.5  # s between two readings, from which the power of counters comes
FAST = 0.001  # s between readings that look for refreshes


@dataclass(frozen=True)
class NodeProbe:
    """Sensors with their readings, and what is unavailable; plain values, so that ranks send it."""

    node_type: str
    sensors: tuple[dict[str, Any], ...]
    unavailable: tuple[dict[str, str], ...]
    redirected: tuple[str, ...]

    @property
    def measures(self) -> bool:
        """Whether there is a measured source of energy that gives a value."""
        return any(s["counts"] and s["status"] == Status.OK for s in self.sensors)

    def values(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "node_type": self.node_type,
            "measures": self.measures,
            "unavailable": list(self.unavailable),
            "redirected": list(self.redirected),
        }


def probe_node(config: MeterConfig, env: Environment, seconds: float = 0.0) -> NodeProbe:
    """Discover all sensors, read each at least twice, and close them again.

    Parameters
    ----------
    seconds : float
        How long to look for refreshes; 0: not at all.
    """
    probes = discover(config, env)
    sensors = [probe for probe in probes if isinstance(probe, Sensor)]
    readings: dict[str, list[tuple[int, RawReading]]] = {sensor.id: [] for sensor in sensors}
    by_backend: dict[str, list[Sensor]] = {}
    for sensor in sensors:
        by_backend.setdefault(sensor.backend, []).append(sensor)
    readers = [(get_backend(name, config).open(m, env), m) for name, m in by_backend.items()]

    def read(which: Sequence[Any]) -> None:
        for reader, members in which:
            now = env.monotonic_ns()
            for sensor, reading in zip(members, reader.read(), strict=True):
                readings[sensor.id].append((reading[2] or now, reading))

    read(readers)
    fast = [(reader, members) for reader, members in readers if not members[0].slow]
    stop = env.monotonic_ns() + int(seconds * 1e9)
    while env.monotonic_ns() < stop:
        env.sleep(FAST)
        read(fast)
    env.sleep(max(0.0, APART - seconds))
    read(readers)
    for reader, _ in readers:
        reader.close()
    return NodeProbe(
        describe_node(env, sensors, config.node_type)["node_type"],
        tuple(_values(sensor, readings[sensor.id], bool(seconds)) for sensor in sensors),
        tuple(probe.to_dict() for probe in probes if isinstance(probe, Unavailable)),
        env.redirected,
    )


def _values(
    sensor: Sensor, readings: Sequence[tuple[int, RawReading]], probed: bool
) -> dict[str, Any]:
    total = Total(sensor)
    for time, (raw, status, _) in readings:
        if raw is not None and status is Status.OK:
            total.add(time, raw)
    status = readings[-1][1][1]
    known = sensor.is_energy and total.raw >= 0
    seconds = (readings[-1][0] - readings[0][0]) / 1e9
    counts = sensor.kind is Kind.ENERGY_COUNTER
    power = total.joules / seconds if counts and seconds else total.last
    return {
        "id": sensor.id,
        "component": sensor.component,
        "kind": sensor.kind.value,
        "provenance": sensor.provenance.value,
        "counts": sensor.is_energy and sensor.assigned and not sensor.cross_check,
        "status": status.value,
        "energy": sensor.is_energy,
        "power": power if known else None,
        "refresh_s": _refresh(readings) if probed else None,
    }


def _refresh(readings: Sequence[tuple[int, RawReading]]) -> float | None:
    """Median time between changes of the value in s; None if it changed less than three times."""
    values = [(time, raw) for time, (raw, _, _) in readings if raw is not None]
    changes = [b[0] for a, b in pairwise(values) if a[1] != b[1]]
    if len(changes) < 3:
        return None
    return median(b - a for a, b in pairwise(changes)) / 1e9
