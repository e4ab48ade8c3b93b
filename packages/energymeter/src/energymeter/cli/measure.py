"""``energymeter run``.

Its options are read by argparse: it starts once for each rank, and typer needs 0.15 s of CPU more.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import NoReturn

from energymeter.errors import ConfigurationError
from energymeter.settings import AllSettings, Settings, load_settings
from energymeter.wrapper import NOT_FOUND, Launch, command_of, launch, missing_command

__all__ = ["run_main"]

SETTINGS = {field.name for field in fields(AllSettings)}
IDLE = math.inf  # instead of s: wait until the node is at rest
HELP = """Measure a command. Options come before it; all that follows is the command's own.

The exit status is the command's; 128 + the signal that ended it; 125 if it could not be
measured as asked; 126 and 127 if it could not be run."""
# settings of the configuration, which can also be given in files and in the environment
OPTIONS: tuple[tuple[str, type, str], ...] = (
    ("period", float, "s between readings"),
    ("slow-period", float, "s, of commands and controllers"),
    ("backends", str, "a,b or +a,-b"),
    ("model", str, "estimates: auto, always or never"),
    ("require", str, "measured[:cpu,gpu]: or do not start"),
    ("prefer", str, "psys: the platform counts"),
    ("other-power", float, "W of parts without a sensor"),
    ("node-type", str, "name of this kind of node"),
    ("openmetrics", str, "file of live metrics"),
    ("store", str, "full, auto, or s between readings that are kept"),
    ("baseline", float, "s at rest before the start"),
    ("attribution", str, "of shared nodes: exclusive, allocated or cpu-time"),
    ("pue", float, "power usage effectiveness"),
    ("carbon", str, "g/kWh, or a CSV file of times"),
    ("price", str, "0.30[:EUR] per kWh, or a CSV file"),
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigurationError(f"{message}; see energymeter run --help")


def run_parser() -> argparse.ArgumentParser:
    """The parser: the first word that is no option ends the options."""
    form = argparse.RawDescriptionHelpFormatter
    parser = _Parser("energymeter run", None, HELP, formatter_class=form, allow_abbrev=False)
    add = parser.add_argument
    add("-m", dest="module", action="store_true", help="CMD is a Python module")
    add("-o", "--out", help="root of the run directories")
    add("-l", "--label", default="", help="name of the workload")
    add("--run-id", default="", help="name of the run")
    for name, kind, text in OPTIONS:
        add(f"--{name}", type=kind, help=text)
    add("--sensors", dest="include", action="append", help="shell pattern on sensor ids")
    add("--exclude", action="append", help="shell pattern on sensor ids")
    add("--rounds", type=int, default=1, help="measured runs")
    add("--warmup", type=int, default=0, help="runs before them, not stored")
    add("--cooldown", type=_cooldown, default=0.0, help="s between runs; idle: as at rest before")
    add("--report", choices=("text", "none", "html", "json"), default="text", help="on stderr")
    add("--mode", choices=("auto", "supervise", "exec"), default="auto", help="child, or replace")
    add("--config", type=Path, help="a TOML file of settings")
    add("--progress", action="store_true", help="a line of status, on a terminal")
    add("-v", "--verbose", action="store_true", help="tell what is measured, and where it goes")
    add("-q", "--quiet", action="store_true", help="no messages")
    add("command", nargs=argparse.REMAINDER, metavar="CMD [ARGS]...")
    return parser


def _cooldown(text: str) -> float:
    seconds = IDLE if text == "idle" else float(text)
    if not seconds >= 0:
        raise ValueError(text)
    return seconds


def run_main(words: Sequence[str]) -> int:
    """Run the command line after ``energymeter run``; the exit status.

    Raises
    ------
    EnergymeterError
        If the command cannot be measured as asked; it was not started.
    """
    options = run_parser().parse_args(words)
    if options.rounds < 1 or options.warmup < 0:
        raise ConfigurationError("--rounds is 1 or more, --warmup 0 or more")
    given = {name: value for name, value in vars(options).items() if name in SETTINGS}
    settings = load_settings(given, options.config)
    settings.rates()  # a tariff that cannot be read is found before the run
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    argv, name = command_of(command, options.module)
    problem = missing_command(argv)
    if problem is not None:
        what = "not found" if problem == NOT_FOUND else "cannot be executed"
        sys.stderr.write(f"energymeter: {command[0]}: {what}\n")
        return problem
    label, out = options.label or name, Path(settings.out)
    order = Launch(
        argv, label, settings.meter, out, options.run_id, options.mode,
        verbose=options.verbose and not options.quiet, progress=options.progress,
    )  # fmt: skip
    report = "none" if options.quiet else options.report
    for number in range(options.warmup + options.rounds):
        if options.cooldown == IDLE:
            _until_idle(settings)
        elif number:
            time.sleep(options.cooldown)
        status = _round(order, number < options.warmup, report, settings)
        if status:
            break
    return status


def _until_idle(settings: Settings) -> None:
    from energymeter.calibration import wait_for_rest

    if not wait_for_rest(settings.meter):
        sys.stderr.write("energymeter: the node did not come to rest; going on\n")


def _round(order: Launch, warmup: bool, report: str, settings: Settings) -> int:
    if warmup:
        import subprocess

        code = subprocess.run(order.command, check=False).returncode  # noqa: S603 - the user's own
        return 128 - code if code < 0 else code
    status, folder = launch(order)
    if report == "none":
        return status
    try:
        _report(folder, report, settings)
    except (OSError, ValueError, ImportError) as error:
        sys.stderr.write(f"energymeter: no report of {folder}: {error}\n")
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
