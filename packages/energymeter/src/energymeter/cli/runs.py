"""``energymeter report`` and ``compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from energymeter.errors import ConfigurationError
from energymeter.settings import load_settings

if TYPE_CHECKING:
    from energymeter.cost import Rates
    from energymeter.run import Run

__all__ = ["compare_command", "render", "report_command"]

Option = typer.Option
FORMATS = ("text", "md", "json", "csv", "html")


def render(
    run: Run,
    form: str,
    rates: Rates | None = None,
    attribution: str | None = None,
    notes: tuple[str, ...] = (),
) -> str:
    """A report of a run in one of `FORMATS`.

    Parameters
    ----------
    attribution : str, optional
        How the job's part of shared nodes is found; default: as the run was configured.
    notes : tuple of str
        Lines that stand beside the cost.

    Raises
    ------
    ConfigurationError
        If there is no such format or attribution.
    """
    from energymeter.report.html import html_report
    from energymeter.report.jsonform import csv_report, json_report
    from energymeter.report.text import extra_lines, markdown_report, text_report

    if form == "json":
        return json_report(run, rates, attribution)
    if form == "csv":
        return csv_report(run)
    reports = {"text": text_report, "md": markdown_report, "html": html_report}
    if form not in reports:
        raise ConfigurationError(f"format {form!r}: use one of {', '.join(FORMATS)}")
    return reports[form](run, [*extra_lines(run, rates, attribution), *notes])


def report_command(
    runs: Annotated[list[Path] | None, typer.Argument(help="Default: the latest.")] = None,
    form: Annotated[str, Option("-f", "--format", help="text, md, json, csv or html.")] = "text",
    output: Annotated[Path | None, Option("-O", "--output", help="Write to this file.")] = None,
    pue: Annotated[float | None, Option(help="Power usage effectiveness.")] = None,
    carbon: Annotated[str | None, Option(help="g/kWh, or a CSV file of times.")] = None,
    price: Annotated[str | None, Option(help="0.30[:EUR] per kWh, or a CSV file.")] = None,
    attribution: Annotated[
        str | None, Option(help="Of shared nodes: exclusive, allocated or cpu-time.")
    ] = None,
    slurm_check: Annotated[
        bool, Option("--slurm-check", help="Ask Slurm's accounting (sacct), too.")
    ] = False,
) -> None:
    """Report on runs, also on unfinished and killed ones. Changes nothing in them."""
    from energymeter.environment import Environment
    from energymeter.run import latest_run, load
    from energymeter.slurm import slurm_line

    given = {"pue": pue, "carbon": carbon, "price": price, "attribution": attribution}
    settings = load_settings(given)
    for path in runs or [latest_run(settings.out)]:
        run = load(path)
        line = slurm_line(run, Environment()) if slurm_check else None
        notes = (line,) if line else ()
        text = render(run, form, settings.rates(), attribution, notes)
        if output is not None:
            output.write_text(text)
        else:
            typer.echo(text, nl=False)


def compare_command(
    runs: Annotated[
        list[Path], typer.Argument(help="Run directories; the first is the reference.")
    ],
    by: Annotated[str, Option(help="node-type, label or run.")] = "node-type",
    reference: Annotated[str | None, Option(help="Group that others are compared with.")] = None,
    per: Annotated[str, Option(help="Ratios of the energy per run, step or sample.")] = "run",
    html: Annotated[Path | None, Option(help="Write a page to this file.")] = None,
    plot: Annotated[
        Path | None, Option(help="Draw energy over time (.svg, .png, .pdf; needs matplotlib).")
    ] = None,
) -> None:
    """Compare runs by the kind of node, their label, or one by one."""
    from energymeter.comparing import compare
    from energymeter.report import comparison as pages

    comparison = compare(runs, by=by, reference=reference, per=per)
    typer.echo(comparison.table(), nl=False)
    if html is not None:
        html.write_text(pages.comparison_page(comparison))
    if plot is not None:
        pages.plot(comparison, plot)
