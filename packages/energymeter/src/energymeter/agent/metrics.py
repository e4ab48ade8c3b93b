"""Live metrics as an OpenMetrics text file, for a node exporter's textfile collector."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from energymeter.agent.sampler import Sampler
from energymeter.sensors import Sensor, component_class
from energymeter.textformat import Family, document

__all__ = ["write_openmetrics"]


def write_openmetrics(path: str, sampler: Sampler, labels: Mapping[str, str]) -> None:
    """Replace the file at once, so that a reader never sees half of it."""
    energy = Family("energymeter_energy_joules", "counter", "joules")
    power = Family("energymeter_power_watts", "gauge", "watts")
    missed = Family("energymeter_samples_missed", "counter")
    for sensor, total in zip(sampler.sensors, sampler.totals, strict=True):
        if sensor.is_energy:
            energy.add(total.joules, _labels(sensor, labels))
            power.add(total.last, _labels(sensor, labels))
    missed.add(sampler.missed, labels)
    temporary = Path(f"{path}.new")
    temporary.write_text(document([energy, power, missed]))
    temporary.replace(path)


def _labels(sensor: Sensor, labels: Mapping[str, str]) -> dict[str, str]:
    component, provenance = sensor.component, sensor.provenance.value
    kind = component_class(component)
    return {**labels, "component": component, "class": kind, "provenance": provenance}
