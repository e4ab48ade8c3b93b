"""``energymeter run``."""

from __future__ import annotations

import sys
import time
from dataclasses import fields
from pathlib import Path
from typing import Annotated

import typer

from energymeter.errors import ConfigurationError
from energymeter.settings import AllSettings, Settings, load_settings
from energymeter.wrapper import NOT_FOUND, Launch, command_of, launch, missing_command

__all__ = ["run_command"]

Option = typer.Option
SETTINGS = {field.name for field in fields(AllSettings)}
REPORTS = ("text", "none", "html", "json")


def run_command(
    command: Annotated[list[str] | None, typer.Argument(metavar="CMD [ARGS]...")] = None,
    module: Annotated[str, Option("-m", help="Run a module; ARGS follow.")] = "",
    out: Annotated[Path | None, Option("-o", "--out", help="Root of the run directories.")] = None,
    label: Annotated[str, Option("-l", "--label", help="Name of the workload.")] = "",
    run_id: Annotated[str, Option(help="Name of the run.")] = "",
    period: Annotated[float | None, Option(help="s between readings.")] = None,
    slow_period: Annotated[float | None, Option(help="s, of commands and controllers.")] = None,
    backends: Annotated[str | None, Option(help="a,b or +a,-b.")] = None,
    sensors: Annotated[list[str] | None, Option(help="Shell pattern on sensor ids.")] = None,
    exclude: Annotated[list[str] | None, Option(help="Shell pattern on sensor ids.")] = None,
    model: Annotated[str | None, Option(help="Estimates: auto, always or never.")] = None,
    require: Annotated[str | None, Option(help="measured[:cpu,gpu]: or do not start.")] = None,
    prefer: Annotated[str | None, Option(help="psys: the platform counts.")] = None,
    other_power: Annotated[float | None, Option(help="W of parts without a sensor.")] = None,
    node_type: Annotated[str | None, Option(help="Name of this kind of node.")] = None,
    openmetrics: Annotated[str | None, Option(help="File of live metrics.")] = None,
    rounds: Annotated[int, Option(min=1, help="Measured runs.")] = 1,
    warmup: Annotated[int, Option(min=0, help="Runs before them, not stored.")] = 0,
    cooldown: Annotated[float, Option(min=0, help="s between runs.")] = 0.0,
    report: Annotated[str, Option(help="text, none, html or json, on stderr.")] = "text",
    mode: Annotated[str, Option(help="auto, supervise or exec.")] = "auto",
    config: Annotated[Path | None, Option(help="A TOML file of settings.")] = None,
    pue: Annotated[float | None, Option(help="Power usage effectiveness.")] = None,
    carbon: Annotated[str | None, Option(help="g/kWh, or a CSV file of times.")] = None,
    price: Annotated[str | None, Option(help="0.30[:EUR] per kWh, or a CSV file.")] = None,
    quiet: Annotated[bool, Option("-q", "--quiet", help="No messages.")] = False,
) -> None:
    """Measure a command. Options come before it; all that follows is the command's own.

    The exit status is the command's; 128 + the signal that ended it; 125 if it could not be
    measured as asked; 126 and 127 if it could not be run.
    """
    given = {name: value for name, value in locals().items() if name in SETTINGS}
    given |= {"include": sensors, "out": str(out) if out else None}
    if report not in REPORTS:
        raise ConfigurationError(f"--report {report}: use one of {', '.join(REPORTS)}")
    settings = load_settings(given, config)
    settings.rates()  # a tariff that cannot be read is found before the run
    words = [*([module] if module else []), *(command or [])]
    argv, name = command_of(words, bool(module))
    problem = missing_command(argv)
    if problem is not None:
        what = "not found" if problem == NOT_FOUND else "cannot be executed"
        typer.echo(f"energymeter: {words[0]}: {what}", err=True)
        raise typer.Exit(problem)
    order = Launch(argv, label or name, settings.meter, Path(settings.out), run_id, mode)
    status = 0
    for number in range(warmup + rounds):
        status = _round(order, number < warmup, report, quiet, settings)
        if status or number + 1 == warmup + rounds:
            break
        time.sleep(cooldown)
    raise typer.Exit(status)


def _round(order: Launch, warmup: bool, report: str, quiet: bool, settings: Settings) -> int:
    if warmup:
        import subprocess

        code = subprocess.run(order.command, check=False).returncode  # noqa: S603 - the user's own
        return 128 - code if code < 0 else code
    status, folder = launch(order)
    if quiet or report == "none":
        return status
    try:
        _report(folder, report, settings)
    except (OSError, ValueError, ImportError) as error:
        typer.echo(f"energymeter: no report of {folder}: {error}", err=True)
    return status


def _report(folder: Path, report: str, settings: Settings) -> None:
    from energymeter.cli.runs import render
    from energymeter.run import load

    text = render(load(folder), report, settings.rates())
    name = {"text": "report.txt", "html": "report.html", "json": "result.json"}[report]
    temporary = folder / f".{name}"
    temporary.write_text(text)
    temporary.replace(folder / name)
    sys.stderr.write(text if report == "text" else "")
    sys.stderr.write(f"energymeter: {folder / name}\n")
