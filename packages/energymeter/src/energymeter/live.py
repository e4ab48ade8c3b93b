"""Asking the agent while the application runs."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from energymeter.client import AgentClient, attach
from energymeter.environment import Environment

if TYPE_CHECKING:
    from energymeter.analysis.summary import EnergyEstimate
    from energymeter.recorder import Frame, Recorder

__all__ = ["CurrentRun", "current_run", "region_energy", "sample_now", "snapshot", "use_agent"]


@dataclass(frozen=True)
class CurrentRun:
    """The run that measures this process."""

    path: Path
    node: str

    @property
    def run_id(self) -> str:
        """Name of the run."""
        return self.path.name


class _Connection:
    """One connection for the process, made at first use, and made anew after a fork."""

    def __init__(self) -> None:
        self.client: AgentClient | None = None
        self.pid = 0
        self.place: CurrentRun | None = None
        self.address = ""

    def get(self) -> AgentClient | None:
        if self.client is not None and self.pid == os.getpid():
            return self.client
        if self.address:
            with contextlib.suppress(OSError):
                self.client = AgentClient(self.address)
        else:
            self.client = attach(os.environ)
        self.pid = os.getpid()
        return self.client


_connection = _Connection()


def use_agent(address: str, place: CurrentRun | None) -> tuple[str, CurrentRun | None]:
    """Talk to this agent from now on; returns what was before."""
    before = _connection.address, _connection.place
    if _connection.client is not None:
        _connection.client.close()
    _connection.client, _connection.address, _connection.place = None, address, place
    return before


def current_run() -> CurrentRun | None:
    """The run that measures this process: its directory and node key; None if there is none."""
    if _connection.place is not None:
        return _connection.place
    run_dir, node = os.environ.get("ENERGYMETER_RUN_DIR"), os.environ.get("ENERGYMETER_NODE")
    return CurrentRun(Path(run_dir), node) if run_dir and node else None


def sample_now() -> None:
    """Let the agent read all fast sensors, and write what it has."""
    client = _connection.get()
    if client is not None:
        try:
            client.ask("sample")
        except ConnectionError:
            _connection.client = None


def snapshot() -> dict[str, float] | None:
    """Energy in J of each sensor since the start of the run, at most a period old.

    None without an agent. It is a look at the running totals: estimates are not in it.
    """
    client = _connection.get()
    if client is None:
        return None
    try:
        return {name: float(value) for name, value in client.ask("snapshot").items()}
    except ConnectionError:
        _connection.client = None
        return None


def region_energy(recorder: Recorder, frame: Frame) -> EnergyEstimate | None:
    """Energy of the node between the start and the end of a region."""
    from energymeter.analysis.nodes import load_node
    from energymeter.analysis.summary import summarize

    if frame.stop <= frame.start:
        return None
    sample_now()
    place = current_run()
    node = place.node if place is not None else ""
    try:
        data = load_node(Path(recorder.run_dir) / "nodes" / node)
    except (OSError, ValueError):
        return None
    return summarize([data], [], {node: (frame.start, frame.stop)}).total


def now() -> int:
    """Time of this node in ns."""
    return Environment().monotonic_ns()
