"""The table at the end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tools.demo.stage import Timed

__all__ = ["print_summary"]

WIDTH = 110  # where no terminal says it


def print_summary(stages: Sequence[Timed], report: Path) -> None:
    """Print what every stage found, whether its checks held, and where the report is."""
    table = Table(title="what was computed, and what an oracle says")
    for heading in ("stage", "what", "result", "oracle"):
        table.add_column(heading, overflow="fold")
    table.add_column("difference", justify="right", no_wrap=True)
    table.add_column("ok", justify="center", no_wrap=True)
    table.add_column("seconds", justify="right", no_wrap=True)
    table.add_column("energy", justify="right", no_wrap=True)
    if any(timed.energy.startswith("~") for timed in stages):
        table.caption = "~: an estimate of the energy; there is no sensor"
    for timed in stages:
        for number, row in enumerate(timed.checked.rows):
            first = number == 0
            table.add_row(
                timed.stage.name if first else "",
                row.what,
                row.result,
                row.oracle,
                f"{row.difference:.1e}" if row.difference else "0",
                "[green]yes[/]" if row.ok else "[bold red]NO[/]",
                f"{timed.seconds:.2f}" if first else "",
                timed.energy if first else "",
                end_section=number == len(timed.checked.rows) - 1,
            )
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, WIDTH)
    console.print(table)
    failed = [timed.stage.name for timed in stages if not timed.ok]
    if failed:
        console.print(f"checks failed in: {', '.join(failed)}", style="bold red")
    else:
        console.print(f"all checks of {len(stages)} stages held", style="green")
    print(f"report: {report}", flush=True)
