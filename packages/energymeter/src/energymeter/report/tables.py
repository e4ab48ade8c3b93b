"""The tables of a report, independent of its format: header and rows of strings."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from energymeter.analysis.ledger import Row
from energymeter.analysis.summary import EnergyEstimate, Result
from energymeter.report import units
from energymeter.sensors import Provenance

__all__ = ["Table", "as_markdown", "as_text", "component_rows", "tables_of"]

MANY_NODES = 8


@dataclass(frozen=True)
class Table:
    """A titled table; the first `left` columns are aligned to the left."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = field(default=())


def as_text(table: Table) -> str:
    """With aligned columns."""
    lines = [table.header, *table.rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(table.header))]

    def form(cells: Sequence[str]) -> str:
        first = cells[0].ljust(widths[0])
        rest = (c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True))
        return "  ".join([first, *rest]).rstrip()

    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    body = [form(table.header), rule, *map(form, table.rows)]
    return "\n".join([*([table.title] if table.title else []), *body, *table.notes])


def as_markdown(table: Table) -> str:
    """As a Markdown table."""
    cells = [table.header, ("---", *("--:" for _ in table.header[1:])), *table.rows]
    lines = ["| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in cells]
    return "\n".join([*([f"**{table.title}**", ""] if table.title else []), *lines, *table.notes])


def component_rows(result: Result) -> Table:
    """Energy by component; what is not counted is indented, estimates are marked."""
    rows: list[tuple[str, ...]] = []
    total = result.total.joules
    for row in result.rows:
        estimate = row.provenance is Provenance.MODELLED
        name = row.component if row.counted else f"  {row.component}"
        name += " (not used by this job)" if row.unused else ""
        value = units.with_interval(row.joules, row.low, row.high, estimate)
        part = units.share(row.joules, total) if row.counted else "contained"
        watts = units.power(row.joules / result.seconds) if result.seconds else "n/a"
        cover = "" if row.coverage > 0.999 else f"{row.coverage:.1%} covered"
        idle = _idle(row) if any(other.idle is not None for other in result.rows) else ()
        rows.append((name, value, part, watts, *idle, row.provenance.value, row.method, cover))
    header: tuple[str, ...] = ("component", "energy", "share", "mean power")
    if rows and len(rows[0]) > 7:
        header += ("at rest", "above rest")
    header += ("provenance", "source", "coverage")
    if not rows:
        rows = [("node", "n/a", "", "", "", "nothing could be measured or estimated", "")]
    notes = []
    if any(row.unused for row in result.rows):
        joules = result.unused_accelerators
        notes.append(
            f"accelerators not used by this job: {units.energy(joules)} "
            f"({units.share(joules, total)} of the total)"
        )
    return Table("Components", header, tuple(rows), tuple(notes))


def _idle(row: Row) -> tuple[str, str]:
    """What the component would have used at rest, and what it used beyond that."""
    if row.idle is None:
        return "n/a", "n/a"
    above = row.joules - row.idle
    return units.energy(row.idle), units.energy(above if abs(above) > 1e-9 * row.joules else 0.0)


def tables_of(result: Result) -> list[Table]:
    """All tables that have rows, in the order of a report."""
    tables = [component_rows(result), _nodes(result), _phases(result), _regions(result)]
    return [table for table in [*tables, _checks(result)] if table.rows]


def _nodes(result: Result) -> Table:
    header = ("node", "type", "energy", "mean power")
    if len(result.nodes) < 2:
        return Table("Nodes", header, ())
    lines = []
    for node in result.nodes:
        seconds = (node.window[1] - node.window[0]) / 1e9
        watts = units.power(node.total.joules / seconds) if seconds else "n/a"
        lines.append((node.key, node.node_type, _estimate(node.total), watts))
    if len(lines) > MANY_NODES:
        values = [node.total.joules for node in result.nodes]
        parts = {"min": min(values), "median": statistics.median(values), "max": max(values)}
        lines = [(name, f"{len(values)} nodes", units.energy(v), "") for name, v in parts.items()]
    return Table("Nodes", header, tuple(lines))


def _estimate(total: EnergyEstimate) -> str:
    joules, low, high = total.joules, total.low, total.high
    return units.with_interval(joules, low, high, total.is_estimate)


def _mark(result: Result, joules: float) -> str:
    return f"{'~' if result.total.is_estimate else ''}{units.energy(joules)}"


def _phases(result: Result) -> Table:
    header = ("phase", "time", "energy", "share", "mean power", "steps", "samples", "per sample")
    if all(phase.name == "unphased" for phase in result.phases):
        return Table("Phases", header, ())
    rows = [
        (
            phase.name,
            units.duration(phase.seconds),
            _mark(result, phase.joules),
            units.share(phase.joules, result.total.joules),
            units.power(phase.joules / phase.seconds) if phase.seconds else "n/a",
            str(phase.steps),
            str(phase.samples),
            units.energy(phase.per_sample),
        )
        for phase in result.phases
    ]
    return Table("Phases", header, tuple(rows), _note(result))


def _regions(result: Result) -> Table:
    header = (
        "region",
        "calls",
        "time per call",
        "inclusive",
        "exclusive",
        "per call",
        "per sample",
    )
    rows = []
    for region in result.regions:
        calls = f"{region.calls} ({region.failed} failed)" if region.failed else str(region.calls)
        per_call = _mark(result, region.inclusive / region.calls)
        rows.append(
            (
                region.path,
                calls,
                f"{units.duration(region.mean_seconds)} ± {units.duration(region.sd_seconds)}",
                _mark(result, region.inclusive),
                _mark(result, region.exclusive),
                per_call if region.resolved else "unresolved",
                units.energy(region.per_sample),
            )
        )
    if rows:
        rows.append(("(outside)", "", "", "", _mark(result, result.outside), "", ""))
    return Table("Regions", header, tuple(rows), _note(result) if rows else ())


def _note(result: Result) -> tuple[str, ...]:
    return ("~: contains an estimate",) if result.total.is_estimate else ()


def _checks(result: Result) -> Table:
    rows = [
        (check.component, check.source, units.energy(check.joules), f"{check.ratio:.3f}")
        for node in result.nodes
        for check in node.ledger.cross_checks
    ]
    header = ("component", "second source", "energy", "ratio to the first")
    return Table("Cross-checks (never added)", header, tuple(rows))
