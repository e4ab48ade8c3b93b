"""``energymeter config``."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated

import typer

from energymeter.settings import AllSettings, load_settings

__all__ = ["config_app"]

config_app = typer.Typer(help="Settings, and where they come from.", no_args_is_help=True)


@config_app.callback()
def _group() -> None:
    """Keep ``show`` a command of its own."""


@config_app.command("show")
def show_command(
    config: Annotated[Path | None, typer.Option(help="A TOML file of settings.")] = None,
) -> None:
    """Print each setting with its origin: environment, file or default."""
    from energymeter.report.tables import Table, as_text

    settings = load_settings({}, config)
    rows = []
    for name in (field.name for field in fields(AllSettings)):
        place = settings if hasattr(settings, name) else settings.meter
        value = getattr(place, name)
        text = "" if value in ("", ()) else str(value)
        rows.append((name, text, settings.origins.get(name, "default")))
    typer.echo(as_text(Table("", ("setting", "value", "origin"), tuple(rows))))
