"""The commands: their options and help; what they do is elsewhere."""

from __future__ import annotations

import sys

import typer

from energymeter.cli import runs
from energymeter.cli.measure import run_command
from energymeter.cli.sensors import sensors_command

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
app.command("compare")(runs.compare_command)
app.command("sensors")(sensors_command)


FLAGS = ("-q", "--quiet", "--help")


def verbatim_after_module(words: list[str]) -> list[str]:
    """The words, with ``--`` after ``run ... -m MODULE``: what follows is the module's own."""
    place = 1
    while words[:1] == ["run"] and place < len(words) and words[place].startswith("-"):
        if words[place] == "-m":
            return [*words[: place + 2], "--", *words[place + 2 :]]
        if words[place] == "--":
            break
        place += 1 if words[place] in FLAGS or "=" in words[place] else 2
    return words


def main() -> None:
    """Run the command; failures of its own have status 125."""
    from energymeter.errors import EnergymeterError

    try:
        app(verbatim_after_module(sys.argv[1:]), prog_name="energymeter")
    except EnergymeterError as error:
        print(f"energymeter: {error}", file=sys.stderr)  # noqa: T201 - this is the command line
        sys.exit(OWN_FAILURE)
