"""``energymeter agent --serve``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from energymeter.errors import ConfigurationError, EnergymeterError
from energymeter.settings import load_settings

__all__ = ["agent_command"]

Option = typer.Option


def agent_command(
    serve: Annotated[
        bool, Option("--serve", help="Publish this node's values for all its users.")
    ] = False,
    file: Annotated[
        Path | None, Option(help="Where; agents of users look at /run/energymeter/values only.")
    ] = None,
    period: Annotated[
        float | None, Option(help="s. Fast readings of counters can give away secrets of others.")
    ] = None,
    backends: Annotated[str | None, Option(help="a,b or +a,-b.")] = None,
) -> None:
    """Read sensors that users may not read, until SIGTERM; run it as an administrator."""
    import signal
    import threading

    from energymeter.backends.served import SERVED
    from energymeter.environment import Environment
    from energymeter.serving import serve as serve_until
    from energymeter.serving import served_sensors

    if not serve:
        raise ConfigurationError("agents of runs start by themselves; say --serve for a node's")
    env = Environment()
    config = load_settings({"period": period, "backends": backends}).meter
    path = file or Path(env.path(SERVED))
    sensors = served_sensors(config, env)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    typer.echo(f"{path}: {', '.join(sensor.id for sensor in sensors)}")
    try:
        serve_until(sensors, config, env, path, stop)
    except OSError as error:
        raise EnergymeterError(f"cannot write {path}: {error.strerror}; use --file") from error
