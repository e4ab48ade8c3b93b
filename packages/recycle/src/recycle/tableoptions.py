"""Options of all commands that read tables, declared once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from recycle.files import TableFormat, read_table, split_inputs

__all__ = ["Table", "reads_tables"]


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name)


def _format(
    time: Annotated[str | None, typer.Option(help="column of stamps; default: the first")] = None,
    target: Annotated[
        str, typer.Option(help="columns to forecast, with commas; default: all numbers")
    ] = "",
    unique_id: Annotated[
        str | None, typer.Option("--id", help="column that names the series")
    ] = None,
    sep: Annotated[str | None, typer.Option(help="between columns of CSV; default: seen")] = None,
    decimal: Annotated[str | None, typer.Option(help="decimal sign; default: seen")] = None,
    dayfirst: Annotated[
        bool | None, typer.Option("--dayfirst/--monthfirst", help="1/2/2024; default: seen")
    ] = None,
    encoding: Annotated[str, typer.Option(help="of CSV")] = "utf-8",
) -> TableFormat:
    return TableFormat(time, _names(target), unique_id, (), sep, decimal, dayfirst, encoding)


@dataclass(frozen=True)
class Table:
    """How the tables of a command look."""

    layout: TableFormat

    def read(self, path: Path, inputs: str | tuple[str, ...] = ()) -> tuple[Any, Any]:
        """Series, and the table of inputs if there are any."""
        known = _names(inputs) if isinstance(inputs, str) else tuple(map(str, inputs))
        return split_inputs(read_table(path, replace(self.layout, inputs=known)), known)

    def read_inputs(self, path: Path, inputs: tuple[str, ...]) -> Any:
        """A table of inputs alone."""
        names = tuple(map(str, inputs))
        layout = replace(self.layout, target=names, inputs=())
        if layout.unique_id is None:
            return read_table(path, layout)
        first, *rest = names
        found = read_table(path, replace(layout, target=(first,), inputs=tuple(rest)))
        return found.rename(columns={"y": first})

    def write(self, forecast: Any, path: Path) -> None:
        """A forecast as CSV, with stamps and names as in the table that was read."""
        layout = self.layout
        if layout.unique_id is not None:
            target = layout.target[0] if layout.target else "y"
            names = {"unique_id": layout.unique_id, "ds": layout.time or "ds"}
            forecast = forecast.rename(
                columns=lambda name: names.get(name, target + name.removeprefix("y"))
            )
        alone = layout.unique_id is None
        label = layout.time or "time"
        forecast.to_csv(path, index=alone, index_label=label, float_format="%.7g")


def reads_tables(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command, whose parameter `table` is a `Table`, the options of its format."""
    own = inspect.signature(command, eval_str=True)
    options = inspect.signature(_format, eval_str=True).parameters
    names = [name for name in own.parameters if name != "table"]

    @functools.wraps(command)
    def wrapped(**given: Any) -> Any:
        layout = _format(**{name: given.pop(name) for name in options})
        return command(table=Table(layout), **given)

    parameters = [own.parameters[name] for name in names] + list(options.values())
    keyword = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    wrapped.__signature__ = own.replace(parameters=keyword)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {p.name: p.annotation for p in keyword}
    return wrapped
