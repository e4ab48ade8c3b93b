"""All commands but ``run``, which is in `energymeter.cli.measure`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from energymeter.cli import node, runs, stored
from energymeter.cli.config import config_app
from energymeter.cli.measure import run_main
from energymeter.cli.sensors import sensors_command
from energymeter.cli.serve import agent_command

__all__ = ["app"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Measure the energy of a command, by node, component and phase.",
    rich_markup_mode=None,
)


@app.command("run", add_help_option=False, context_settings={"ignore_unknown_options": True})
def run_command(words: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    """Measure a command."""
    raise typer.Exit(run_main(words or []))


COMMANDS: dict[str, Callable[..., None]] = {
    "report": runs.report_command,
    "compare": runs.compare_command,
    "export": stored.export_command,
    "watch": stored.watch_command,
    "merge": stored.merge_command,
    "sensors": sensors_command,
    "baseline": node.baseline_command,
    "calibrate": node.calibrate_command,
    "overhead": node.overhead_command,
    "agent": agent_command,
}
for name, command in COMMANDS.items():
    app.command(name)(command)
app.add_typer(config_app, name="config")
