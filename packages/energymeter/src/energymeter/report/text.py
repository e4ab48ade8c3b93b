"""The text and the Markdown report."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

from energymeter.analysis.summary import Result
from energymeter.cost import Rates, cost_lines
from energymeter.report import units
from energymeter.report.tables import Table, as_markdown, as_text, component_rows, tables_of
from energymeter.run import Run

__all__ = ["component_table", "extra_lines", "markdown_report", "text_report", "total_line"]


def total_line(result: Result) -> str:
    """The total energy, with its interval; measured and modelled parts if both are there."""
    total = result.total
    if not result.rows:
        return "total energy: n/a (nothing could be measured or estimated)"
    value = units.with_interval(total.joules, total.low, total.high, total.is_estimate)
    line = f"total energy: {value} = {units.kwh(total.joules)}"
    if result.measured and result.modelled:
        parts = (
            f"measured {units.energy(result.measured)}, estimate {units.energy(result.modelled)}"
        )
        line += f"; {parts}"
    return line


def component_table(result: Result) -> str:
    """The total and the component table."""
    return f"{total_line(result)}\n\n{as_text(component_rows(result))}"


def header_lines(run: Run) -> list[str]:
    """What was run, where, and how it ended."""
    result = run.result
    started = dt.datetime.fromtimestamp(run.manifest["started"] / 1e9, dt.UTC)
    nodes = f"{_count(len(run.nodes), 'node')} of type {run.node_type}"
    ranks = _count(int(run.manifest["ranks"]), "rank")
    return [
        f"energymeter: {run.label}, run {run.run_id}",
        f"command: {' '.join(run.manifest['command']) or '(Python API)'}",
        f"status: {run.status}; {ranks} on {nodes}",
        f"started {started:%Y-%m-%d %H:%M:%S} UTC, {units.duration(result.seconds)}",
    ]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"


def text_report(run: Run, extra: Sequence[str] = ()) -> str:
    """The report for a terminal; `extra` lines (cost, carbon) stand before the warnings."""
    return _report(run, extra, as_text, "")


def markdown_report(run: Run, extra: Sequence[str] = ()) -> str:
    """The report in Markdown."""
    return _report(run, extra, as_markdown, "- ")


def extra_lines(run: Run, rates: Rates | None, attribution: str | None = None) -> list[str]:
    """Cost, carbon, and the job's part of nodes that others share; where they are asked for."""
    lines = cost_lines(run, rates) if rates is not None else []
    part = run.job_part(attribution)
    if part.mode != "exclusive":
        value = "n/a" if part.joules is None else units.energy(part.joules)
        lines.append(f"of this, this job's part ({part.mode}): {value} (derived: {part.text})")
    return lines


def _report(run: Run, extra: Sequence[str], form: Callable[[Table], str], bullet: str) -> str:
    parts = ["\n".join(bullet + line for line in header_lines(run)), total_line(run.result)]
    parts += [form(table) for table in tables_of(run.result)]
    if extra:
        parts.append("\n".join(bullet + line for line in extra))
    if run.result.warnings:
        lines = [f"{bullet or '  '}{warning}" for warning in run.result.warnings]
        parts.append("\n".join(["Warnings", *lines]))
    return "\n\n".join(parts) + "\n"
