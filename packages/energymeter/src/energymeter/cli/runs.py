"""``energymeter report`` and what else looks at stored runs."""

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


def render(run: Run, form: str, rates: Rates | None = None) -> str:
    """A report of a run in one of `FORMATS`.

    Raises
    ------
    ConfigurationError
        If there is no such format.
    """
    from energymeter.cost import cost_lines

    extra = cost_lines(run, rates) if rates is not None else []
    if form == "text":
        from energymeter.report.text import text_report

        return text_report(run, extra)
    if form == "md":
        from energymeter.report.text import markdown_report

        return markdown_report(run, extra)
    if form == "json":
        from energymeter.report.jsonform import json_report

        return json_report(run, rates)
    if form == "csv":
        from energymeter.report.jsonform import csv_report

        return csv_report(run)
    if form == "html":
        from energymeter.report.html import html_report

        return html_report(run, extra)
    raise ConfigurationError(f"format {form!r}: use one of {', '.join(FORMATS)}")


def report_command(
    runs: Annotated[list[Path] | None, typer.Argument(help="Default: the latest.")] = None,
    form: Annotated[str, Option("-f", "--format", help="text, md, json, csv or html.")] = "text",
    output: Annotated[Path | None, Option("-O", "--output", help="Write to this file.")] = None,
    pue: Annotated[float | None, Option(help="Power usage effectiveness.")] = None,
    carbon: Annotated[str | None, Option(help="g/kWh, or a CSV file of times.")] = None,
    price: Annotated[str | None, Option(help="0.30[:EUR] per kWh, or a CSV file.")] = None,
) -> None:
    """Report on runs, also on unfinished and killed ones. Changes nothing in them."""
    from energymeter.run import latest_run, load

    settings = load_settings({"pue": pue, "carbon": carbon, "price": price})
    for path in runs or [latest_run(settings.out)]:
        text = render(load(path), form, settings.rates())
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
    html: Annotated[Path | None, Option(help="Write a page to this file.")] = None,
) -> None:
    """Compare runs by the kind of node, their label, or one by one."""
    from energymeter.comparing import compare

    comparison = compare(runs, by=by, reference=reference)
    typer.echo(comparison.table(), nl=False)
    if html is not None:
        from energymeter.report.comparison import comparison_page

        html.write_text(comparison_page(comparison))
