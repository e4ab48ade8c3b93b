"""The HTML report: one file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from energymeter.report import svg
from energymeter.report.tables import Table, tables_of
from energymeter.report.text import header_lines, total_line
from energymeter.report.timeline import phase_bands, power_layers
from energymeter.run import Run

__all__ = ["html_report", "html_table", "page"]

STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; display: block; overflow-x: auto; }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #8884; }
th:first-child, td:first-child { text-align: left; white-space: pre; }
.total { font-size: 1.3rem; font-weight: 600; }
svg { width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: currentColor; }
svg .g { stroke: #8885; stroke-width: 1; }
li { margin: .2rem 0; }
@media print { body { max-width: none; } table { display: table; } }
"""


def html_report(run: Run, extra: Sequence[str] = ()) -> str:
    """The report as HTML; `extra` lines (cost, carbon) stand below the total."""
    parts = [f"<h1>{escape(run.label)}</h1>"]
    parts += [f"<p>{escape(line)}</p>" for line in header_lines(run)]
    parts.append(f'<p class="total">{escape(total_line(run.result))}</p>')
    parts += [f"<p>{escape(line)}</p>" for line in extra]
    for result in run.result.nodes:
        edges, layers = power_layers(result)
        if layers:
            bands = phase_bands(run, result)
            names = ", ".join(dict.fromkeys(band.name for band in bands))
            parts.append(f"<h2>Power of {escape(result.key)}</h2>")
            parts.append(svg.stacked_power(edges, layers, bands))
            parts.append(f"<p>bands: {escape(names)}</p>" if names else "")
    rows = [row for row in run.result.rows if row.counted]
    if rows:
        labels = [f"{row.component} ({row.provenance.value})" for row in rows]
        parts.append("<h2>Energy by component</h2>")
        parts.append(svg.bars(labels, [row.joules for row in rows], "J"))
    parts += [html_table(table) for table in tables_of(run.result)]
    if run.result.warnings:
        items = "".join(f"<li>{escape(warning)}</li>" for warning in run.result.warnings)
        parts.append(f"<h2>Warnings</h2><ul>{items}</ul>")
    return page(f"{run.label}: energy", "\n".join(parts))


def page(title: str, body: str) -> str:
    """A whole page."""
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
    return f"<!doctype html>\n<html lang=en><head>{head}</head>\n<body>{body}</body></html>\n"


def html_table(table: Table) -> str:
    """A table with its title and notes."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.header)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows
    )
    notes = "".join(f"<p>{escape(note)}</p>" for note in table.notes)
    title = f"<h2>{escape(table.title)}</h2>" if table.title else ""
    return f"{title}<table><tr>{head}</tr>{body}</table>{notes}"
