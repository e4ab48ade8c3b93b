"""``energymeter sensors``."""

from __future__ import annotations

import json
import math
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from energymeter.launcher import detect

if TYPE_CHECKING:
    from energymeter.probing import NodeProbe

__all__ = ["sensors_command"]

NO_MEASUREMENT = 4
Option = typer.Option


def sensors_command(
    backends: Annotated[str, Option(help="a,b or +a,-b.")] = "",
    everything: Annotated[bool, Option("--all", help="Gauges and event counters, too.")] = False,
    probe: Annotated[float, Option(help="s to watch how often values are refreshed.")] = 0.0,
    as_json: Annotated[bool, Option("--json", help="As JSON.")] = False,
    check: Annotated[bool, Option(help="Exit status 4 if no energy can be measured.")] = False,
) -> None:
    """List the sensors of this node, and what is in the way of others.

    Under mpirun, rank 0 prints one table for each type of node.
    """
    from energymeter.config import MeterConfig
    from energymeter.environment import Environment
    from energymeter.probing import probe_node

    config = MeterConfig(backends=backends) if backends else MeterConfig()
    found = _of_all_ranks(probe_node(config, Environment(), probe))
    for node in found:
        shown = [s for s in node.sensors if everything or s["energy"]]
        if as_json:
            typer.echo(json.dumps({**node.values(), "sensors": shown}))
        else:
            _print(node, shown, bool(probe))
    if check and not all(node.measures for node in found):
        raise typer.Exit(NO_MEASUREMENT)


def _of_all_ranks(node: NodeProbe) -> list[NodeProbe]:
    """One node of each type, on rank 0 of a job; elsewhere none."""
    if detect(os.environ).size == 1:
        return [node]
    from mpi_utils import world

    comm = world()
    everywhere = comm.handle.gather(node)
    if everywhere is None:
        return []
    return list({entry.node_type: entry for entry in reversed(everywhere)}.values())[::-1]


def _print(node: NodeProbe, sensors: list[dict[str, Any]], probed: bool) -> None:
    from energymeter.report import units
    from energymeter.report.tables import Table, as_text

    header: tuple[str, ...] = ("sensor", "component", "what it reads", "now", "status")
    rows = []
    for sensor in sensors:
        power = math.nan if sensor["power"] is None else sensor["power"]
        cells = [sensor["id"], sensor["component"], sensor["kind"].replace("_", " ")]
        cells += [units.power(power), sensor["status"]]
        if probed:
            refresh = sensor["refresh_s"]
            cells.append("not seen" if refresh is None else units.duration(refresh))
        rows.append(tuple(cells))
    table = Table(node.node_type, (*header, *(("refreshed",) if probed else ())), tuple(rows))
    typer.echo(as_text(table))
    for entry in node.unavailable:
        remedy = f"; {entry['hint']}" if entry["hint"] else ""
        typer.echo(f"not available: {entry['id']}: {entry['reason']}{remedy}")
    if node.redirected:
        typer.echo(f"sensor source redirected ({', '.join(node.redirected)})")
    if not node.measures:
        typer.echo("no energy can be measured here: reports give an estimate")
