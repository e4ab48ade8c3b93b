"""The commands: their options and help; what they do is elsewhere."""

from __future__ import annotations

import sys

import typer

from energymeter.cli import runs
from energymeter.cli.measure import run_command

__all__ = ["app", "main"]

OWN_FAILURE = 125

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Measure the energy of a command, by node, component and phase.",
    rich_markup_mode=None,
)
# everything after the first word that is no option belongs to the application
VERBATIM = {"allow_interspersed_args": False, "ignore_unknown_options": False}
app.command("run", context_settings=VERBATIM)(run_command)
app.command("report")(runs.report_command)


def main() -> None:
    """Run the command; failures of its own have status 125."""
    from energymeter.errors import EnergymeterError

    try:
        app(prog_name="energymeter")
    except EnergymeterError as error:
        print(f"energymeter: {error}", file=sys.stderr)  # noqa: T201 - this is the command line
        sys.exit(OWN_FAILURE)
