"""``energymeter baseline``, ``calibrate`` and ``overhead``: what is measured of a node itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from energymeter.errors import ConfigurationError
from energymeter.settings import load_settings

__all__ = ["baseline_command", "calibrate_command", "overhead_command"]

Option = typer.Option
LEAST = 0.5  # s
REST = 0.1  # utilisation of CPUs above which a node is not at rest


def baseline_command(
    duration: Annotated[float, Option(help="s.")] = 60.0,
    save: Annotated[bool, Option("--save", help="Store it for this type of node.")] = False,
    backends: Annotated[str | None, Option(help="a,b or +a,-b.")] = None,
) -> None:
    """Measure the power of this node at rest, by component.

    Once stored, it is part of every run on this type of node: reports then tell what was used
    beyond that, and recognise accelerators that nobody used.
    """
    from energymeter.baseline import save_baseline
    from energymeter.calibration import measure_baseline
    from energymeter.environment import Environment
    from energymeter.report import units
    from energymeter.report.tables import Table, as_text

    _check_length("duration", duration)
    found = measure_baseline(duration, load_settings({"backends": backends}).meter)
    rows = tuple((component, units.power(watts)) for component, watts in found.watts.items())
    typer.echo(as_text(Table(found.node_type, ("component", "at rest"), rows)))
    for warning in found.warnings:
        typer.echo(f"warning: {warning}", err=True)
    if save:
        typer.echo(f"stored in {save_baseline(found.node_type, found.watts, Environment())}")


def calibrate_command(
    points: Annotated[
        str | None, Option(help="From a meter of your own: 0:20,0.5:60,1:110 (utilisation:W).")
    ] = None,
    seconds: Annotated[float, Option(help="s of each of five loads, if they are measured.")] = 10.0,
    output: Annotated[Path | None, Option("-O", "--output", help="A new TOML file.")] = None,
) -> None:
    """Make the points from which the power of CPUs without sensors is estimated.

    Without --points, this node is put under load; it needs sensors. Nodes of the same kind without
    them can then use the points in their configuration.
    """
    from energymeter.calibration import calibration_points, parse_points, points_toml

    if output is not None and output.exists():
        raise ConfigurationError(f"{output} exists already: print the lines, and put them into it")
    if points is not None:
        found = parse_points(points)
    else:
        _check_length("seconds", seconds)
        found = calibration_points(load_settings({}).meter, seconds)
        if found[0][0] > REST:
            typer.echo(f"warning: the CPUs were busy ({found[0][0]:.0%}) without a load", err=True)
    text = points_toml(found)
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.write_text(text)
        typer.echo(output)


def overhead_command(
    seconds: Annotated[float, Option(help="s for which the agent is watched.")] = 10.0,
) -> None:
    """Measure what measuring costs here."""
    from energymeter.overhead import measure_overhead

    _check_length("seconds", seconds)
    found = measure_overhead(seconds)
    agent = found.agent
    typer.echo(f"import energymeter      {found.import_cpu * 1e3:9.1f} ms of CPU")
    typer.echo(f"energymeter run -- true {found.run_cpu * 1e3:9.1f} ms of CPU")
    typer.echo(f"                        {found.run_wall * 1e3:9.1f} ms of time")
    typer.echo(f"a region                {found.region * 1e6:9.2f} µs")
    typer.echo(f"a region without agent  {found.region_without_agent * 1e6:9.2f} µs")
    typer.echo(f"agent, {agent.sensors:2} sensors      {agent.share:9.2%} of a core")
    typer.echo(f"                        {agent.mib:9.1f} MiB of memory")
    typer.echo(f"                        {agent.bytes_per_hour / 1e6:9.2f} MB stored in an hour")


def _check_length(name: str, seconds: float) -> None:
    if not seconds >= LEAST:
        raise ConfigurationError(f"{name}={seconds} s: it must be at least {LEAST} s")
