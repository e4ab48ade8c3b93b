"""``energymeter export``, ``merge`` and ``watch``: what else is done with stored runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from energymeter.errors import ConfigurationError
from energymeter.settings import load_settings

__all__ = ["export_command", "merge_command", "watch_command"]

Option = typer.Option
# s after which an agent that writes nothing is taken to be gone; with a spool it writes seldom
SILENT, SILENT_SPOOL = 10.0, 100.0


def export_command(
    run: Annotated[Path | None, typer.Argument(help="Default: the latest.")] = None,
    form: Annotated[
        str, Option("--to", help="csv, parquet, hdf5, json, openmetrics, bench or trace.")
    ] = "csv",
    table: Annotated[
        str, Option(help="csv, parquet: ledger, regions, phases, steps or samples.")
    ] = "ledger",
    output: Annotated[Path | None, Option("-O", "--output", help="Write to this file.")] = None,
) -> None:
    """Write a run in the format of another tool; trace is for Perfetto and chrome://tracing."""
    from energymeter.report.export import export
    from energymeter.run import latest_run, load

    found = export(load(run or latest_run(load_settings({}).out)), form, table, output)
    typer.echo(found, nl=isinstance(found, Path))


def merge_command(
    runs: Annotated[list[Path], typer.Argument(help="Directories of one run, by node.")],
    output: Annotated[Path, Option("-o", "--output", help="The new run directory.")],
) -> None:
    """Put together what the nodes of one run have stored in different places."""
    from energymeter.merging import merge

    merged = merge(runs, output)
    typer.echo(f"{output}: {len(merged.nodes)} nodes, {merged.manifest['ranks']} ranks")


def watch_command(
    run: Annotated[Path | None, typer.Argument(help="Default: the latest.")] = None,
    interval: Annotated[float, Option(help="s between lines.")] = 1.0,
) -> None:
    """Follow a run that goes on, until it ends: energy so far, and power by component."""
    from energymeter.report.live import live_line
    from energymeter.run import latest_run, load

    if not interval > 0:
        raise ConfigurationError(f"interval={interval} s must be positive")
    folder = run or latest_run(load_settings({}).out)
    while True:
        found = load(folder)
        ended = bool(found.nodes) and all(node.complete for node in found.nodes)
        typer.echo(live_line(found, max(interval, 1.0)))
        if ended:
            typer.echo(found.status)
            return
        spooled = any(node.header.get("spool") for node in found.nodes)
        patience = SILENT_SPOOL if spooled else SILENT
        if _age(folder) > patience + interval:
            typer.echo(f"nothing was written for {patience:g} s: the agent is gone")
            return
        time.sleep(interval)


def _age(folder: Path) -> float:
    """Seconds since the newest journal of a run was written to."""
    times = [path.stat().st_mtime for path in folder.glob("nodes/*/journal.emj")]
    return time.time() - max(times, default=0.0)
