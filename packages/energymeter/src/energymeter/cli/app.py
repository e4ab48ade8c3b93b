"""The commands ``report``, ``compare`` and ``sensors``; ``run`` is in `energymeter.cli.measure`."""

from __future__ import annotations

from typing import Annotated

import typer

from energymeter.cli import runs
from energymeter.cli.measure import run_main
from energymeter.cli.sensors import sensors_command

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


app.command("report")(runs.report_command)
app.command("compare")(runs.compare_command)
app.command("sensors")(sensors_command)
