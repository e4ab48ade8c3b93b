"""Tables, HTML and plots of a comparison."""

from __future__ import annotations

import math
from pathlib import Path

from energymeter.comparing import Comparison, Group
from energymeter.report import svg, units
from energymeter.report.html import html_table, page
from energymeter.report.tables import Table

__all__ = ["comparison_page", "comparison_tables", "plot"]


def comparison_tables(comparison: Comparison) -> list[Table]:
    """Groups, shares by class, and phases."""
    groups = comparison.groups
    marks = ["~" if group.estimate else "" for group in groups]
    rows = [_row(group, mark) for group, mark in zip(groups, marks, strict=True)]
    header: tuple[str, ...] = (
        comparison.by,
        "runs",
        "time",
        "energy",
        "mean power",
        "per sample",
        "energy x time",
    )
    header += ("ratio", "95 % interval", "runtime proxy error")
    per = "" if comparison.per == "run" else f" per {comparison.per}"
    notes = [f"ratio: energy{per} over that of the first line"]
    notes.append("runtime proxy error: what time x mean power of the first line is wrong by")
    if any(marks):
        notes.append("~: contains an estimate")
    kinds = list(dict.fromkeys(kind for group in groups for kind in group.classes))
    shares = tuple(
        (
            group.name,
            *(units.share(group.classes.get(kind, 0.0), group.joules) for kind in kinds),
            f"{units.energy(group.unused)} ({units.share(group.unused, group.joules)})",
        )
        for group in groups
    )
    found = [Table("Comparison", header, tuple(rows), tuple(notes))]
    found.append(Table("Shares", (comparison.by, *kinds, "unused accelerators"), shares))
    if comparison.phases:
        found.append(_phases(comparison))
    return found


def _row(group: Group, mark: str) -> tuple[str, ...]:
    low, high = group.interval
    interval = "n/a" if math.isnan(low) else f"{low:.3f} ... {high:.3f}"
    return (
        group.name,
        str(group.runs),
        units.duration(group.seconds),
        f"{mark}{units.energy(group.joules)} = {units.kwh(group.joules)}",
        units.power(group.watts),
        units.energy(group.per_sample),
        f"{group.delay_product:.4g} J s",
        f"{group.ratio:.3f}",
        interval,
        f"{group.proxy_error:+.1%}",
    )


def _phases(comparison: Comparison) -> Table:
    rows = []
    for entry in comparison.phases:
        best = [
            word for word, yes in (("time", entry.fastest), ("energy", entry.thriftiest)) if yes
        ]
        rows.append(
            (
                entry.group,
                entry.phase,
                units.duration(entry.seconds),
                units.energy(entry.joules),
                units.energy(entry.per_sample),
                f"least {' and '.join(best)}" if best else "",
            )
        )
    header = (comparison.by, "phase", "time", "energy", "per sample", "")
    return Table("Phases", header, tuple(rows))


def comparison_page(comparison: Comparison) -> str:
    """A self-contained HTML page."""
    names = [group.name for group in comparison.groups]
    parts = ["<h1>Comparison</h1>", "<h2>Energy</h2>"]
    parts.append(svg.bars(names, [group.joules for group in comparison.groups], "J"))
    parts.append("<h2>Time</h2>")
    parts.append(svg.bars(names, [group.seconds for group in comparison.groups], "s"))
    parts += [html_table(table) for table in comparison.tables()]
    return page("Energy comparison", "\n".join(parts))


def plot(comparison: Comparison, path: Path) -> None:
    """Runtime against energy, with lines of constant power (matplotlib); HTML without it."""
    if path.suffix == ".html":
        path.write_text(comparison_page(comparison))
        return
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    longest = max(group.seconds for group in comparison.groups) * 1.15
    for group in comparison.groups:
        axes.plot([0, longest], [0, longest * group.watts], lw=0.7, ls=":", color="0.6")
        axes.plot(group.seconds, group.joules, "o", label=f"{group.name}, {group.watts:.4g} W")
    axes.set(xlabel="runtime in s", ylabel="energy in J", xlim=(0, longest), ylim=(0, None))
    axes.legend()
    figure.savefig(path)
