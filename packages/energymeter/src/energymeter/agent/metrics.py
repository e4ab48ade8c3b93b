"""Live metrics as an OpenMetrics text file, for a node exporter's textfile collector."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from energymeter.agent.sampler import Sampler
from energymeter.sensors import Sensor, component_class
from energymeter.textformat import metric

__all__ = ["write_openmetrics"]


def write_openmetrics(path: str, sampler: Sampler, labels: Mapping[str, str]) -> None:
    """Replace the file at once, so that a reader never sees half of it."""
    pairs = [
        (sensor, total)
        for sensor, total in zip(sampler.sensors, sampler.totals, strict=True)
        if sensor.is_energy
    ]
    lines = ["# TYPE energymeter_energy_joules counter", "# UNIT energymeter_energy_joules joules"]
    lines += [
        metric("energymeter_energy_joules_total", total.joules, _labels(sensor, labels))
        for sensor, total in pairs
    ]
    lines += ["# TYPE energymeter_power_watts gauge", "# UNIT energymeter_power_watts watts"]
    lines += [
        metric("energymeter_power_watts", total.last, _labels(sensor, labels))
        for sensor, total in pairs
    ]
    lines += ["# TYPE energymeter_samples_missed counter"]
    lines += [metric("energymeter_samples_missed_total", sampler.missed, labels), "# EOF"]
    temporary = Path(f"{path}.new")
    temporary.write_text("\n".join(lines) + "\n")
    temporary.replace(path)


def _labels(sensor: Sensor, labels: Mapping[str, str]) -> dict[str, str]:
    component, provenance = sensor.component, sensor.provenance.value
    kind = component_class(component)
    return {**labels, "component": component, "class": kind, "provenance": provenance}
