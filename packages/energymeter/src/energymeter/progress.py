"""What a wrapper tells while the application runs: a line of status, on terminals only."""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
from collections.abc import Mapping

from energymeter.client import AgentClient

__all__ = ["Progress", "status_line"]

CLEAR = "\r\x1b[K"


def status_line(
    seconds: float, joules: Mapping[str, float], before: Mapping[str, float], interval: float
) -> str:
    """Time since the start, and of each sensor its power in the last `interval` and its energy.

    Parameters
    ----------
    seconds, interval : float
        s.
    joules, before : mapping
        Energy in J by sensor now, and an `interval` ago.
    """
    from energymeter.report import units

    parts = [f"energymeter {units.duration(seconds)}"]
    for name, value in joules.items():
        watts = (value - before.get(name, 0.0)) / interval
        parts.append(f"{name} {units.power(watts)} {units.energy(value)}")
    if not joules:
        parts.append("no sensor: there will be an estimate")
    return " | ".join(parts)


class Progress:
    """Writes a line on stderr again and again, as wide as the terminal."""

    def __init__(self, client: AgentClient) -> None:
        self.client = client
        self.start = self.time = time.monotonic()
        self.before: dict[str, float] = {}

    def __call__(self) -> None:
        """Write the line anew."""
        with contextlib.suppress(ConnectionError):  # an agent that died has no news
            joules = {name: float(value) for name, value in self.client.ask("snapshot").items()}
            now = time.monotonic()
            line = status_line(now - self.start, joules, self.before, now - self.time)
            self.time, self.before = now, joules
            sys.stderr.write(CLEAR + line[: shutil.get_terminal_size().columns - 1])
            sys.stderr.flush()

    def close(self) -> None:
        """Take the line away."""
        sys.stderr.write(CLEAR)
        sys.stderr.flush()
