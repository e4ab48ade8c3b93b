"""``energymeter sensors``."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["sensors_command"]


def sensors_command(
    backends: Annotated[str, typer.Option(help="a,b or +a,-b.")] = "",
) -> None:
    """List the sensors of this node, and what is in the way of others."""
    from energymeter.backends.registry import discover
    from energymeter.config import MeterConfig
    from energymeter.environment import Environment
    from energymeter.report.tables import Table, as_text
    from energymeter.sensors import Sensor

    config = MeterConfig(backends=backends) if backends else MeterConfig()
    probes = discover(config, Environment())
    rows = [
        (probe.id, probe.component, probe.kind.value.replace("_", " "), probe.provenance.value)
        for probe in probes
        if isinstance(probe, Sensor)
    ]
    table = Table("Sensors", ("sensor", "component", "what it reads", "provenance"), tuple(rows))
    typer.echo(as_text(table))
    for probe in probes:
        if not isinstance(probe, Sensor):
            remedy = f"; {probe.hint}" if probe.hint else ""
            typer.echo(f"not available: {probe.id}: {probe.reason}{remedy}")
