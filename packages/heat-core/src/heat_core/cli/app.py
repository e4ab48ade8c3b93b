"""``heat-core info|selftest|bench``, alone or under mpirun."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

from mpi_utils import MPIUnavailableError, abort_on_exception

if TYPE_CHECKING:
    import typer

__all__ = ["main"]


def main() -> None:
    """Run the command of the command line."""
    try:
        import typer  # noqa: F401
    except ImportError:
        sys.exit("the command needs typer and rich: pip install 'heat-core[cli]'")
    abort_on_exception()
    try:
        _app()()
    except MPIUnavailableError as error:
        sys.exit(str(error))


def _app() -> typer.Typer:
    import typer

    app = typer.Typer(
        help="Distributed arrays: what is installed, whether it works, and how fast it is.",
        no_args_is_help=True,
        add_completion=False,
    )
    app.command()(info)
    app.command()(selftest)
    app.command()(bench)
    return app


def info() -> None:
    """Show versions, MPI library, devices and optional libraries."""
    from heat_core.diagnostics import info as describe

    _show(["what", "value"], [[what, value] for what, value in describe().items()])


def selftest(device: Annotated[str, "where the arrays are: cpu or gpu"] = "cpu") -> None:
    """Compare functions with NumPy on this job's ranks, in all layouts."""
    import typer

    from heat_core.cli.selftest import run_checks
    from heat_core.devices import use_device

    try:
        use_device(device)
    except ValueError as error:
        sys.exit(str(error))
    results = run_checks()
    _show(["check", "result", "seconds"], [result.row() for result in results])
    if any(result.error for result in results):
        raise typer.Exit(1)


def bench(elements: Annotated[int, "numbers in the arrays"] = 4_000_000) -> None:
    """Time a few operations on this job's ranks."""
    from heat_core.cli.bench import measure

    _show(["operation", "milliseconds", "GB/s"], [timing.row() for timing in measure(elements)])


def _show(header: list[str], rows: list[list[str]]) -> None:
    """A table, on rank 0."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from heat_core.comm import get_comm

    if get_comm().rank:
        return
    table = Table(*header, box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*row)
    Console(highlight=False).print(table)
