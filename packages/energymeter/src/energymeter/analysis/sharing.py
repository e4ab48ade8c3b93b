"""A job's part of nodes that other jobs share.

``allocated``: CPUs, memory and all the rest by the share of the CPUs that the job may use; of the
accelerators, those that its launcher gave it. ``cpu-time``: power at rest by the share of CPUs, and
what is above it by the share of CPU time; without a baseline, all by CPU time. These are derived
figures: reports show them beside the energy of the whole nodes, never instead of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from energymeter.analysis.ledger import Row
from energymeter.analysis.nodes import BUSY, NodeData
from energymeter.analysis.summary import NodeResult
from energymeter.config import ATTRIBUTIONS
from energymeter.errors import ConfigurationError

__all__ = ["JobPart", "NodePart", "job_part", "node_part"]


@dataclass(frozen=True)
class NodePart:
    """What a job had of a node.

    Attributes
    ----------
    cpus, all_cpus : int
        Logical CPUs that it could use, and that there are.
    cpu_seconds, busy_seconds : float or None
        CPU time of the job, and of all processes; None if not known.
    gpus : tuple of str, or None
        Components of its accelerators; None: all of the node.
    """

    cpus: int
    all_cpus: int
    cpu_seconds: float | None
    busy_seconds: float | None
    gpus: tuple[str, ...] | None

    @property
    def cpu_share(self) -> float:
        """Of the CPUs."""
        return min(1.0, self.cpus / self.all_cpus)

    @property
    def time_share(self) -> float | None:
        """Of the CPU time; None if not known."""
        if self.cpu_seconds is None or not self.busy_seconds:
            return None
        return min(1.0, self.cpu_seconds / self.busy_seconds)

    def share_of(self, row: Row, mode: str) -> float | None:
        """Energy in J of one row that belongs to the job; None if not known."""
        if row.kind == "gpu":
            board = "/".join(row.component.split("/")[:2])
            return row.joules if self.gpus is None or board in self.gpus else 0.0
        if mode == "allocated":
            return row.joules * self.cpu_share
        if self.time_share is None:
            return None
        idle = min(row.idle or 0.0, row.joules)
        return idle * self.cpu_share + (row.joules - idle) * self.time_share


@dataclass(frozen=True)
class JobPart:
    """The energy of a job in J, None if it is not known, and in words how it came about."""

    mode: str
    joules: float | None
    text: str


def node_part(node: NodeData, window: tuple[int, int]) -> NodePart:
    """What the registered processes had of a node in a window (ns)."""
    ranks = [e for e in node.events if e["event"] == "register" and e.get("role") == "rank"]
    mask = 0
    for event in ranks:
        mask |= int(event.get("cpus") or "0", 16)
    all_cpus = int(node.description["logical_cpus"])
    busy = next((c for c in node.curves if c.sensor.id == BUSY and len(c.times) > 1), None)
    return NodePart(
        mask.bit_count() or all_cpus,
        all_cpus,
        _cpu_seconds(node, {int(event["pid"]) for event in ranks}),
        float(busy.between(*window)) if busy is not None else None,
        _bound(node, [event.get("gpus") for event in ranks]),
    )


def job_part(nodes: Sequence[NodeData], results: Sequence[NodeResult], mode: str) -> JobPart:
    """The part of a job in the energy of its nodes.

    Parameters
    ----------
    mode : {"exclusive", "allocated", "cpu-time"}

    Raises
    ------
    ConfigurationError
        If there is no such mode.
    """
    if mode not in ATTRIBUTIONS:
        raise ConfigurationError(f"attribution={mode!r}: use one of {', '.join(ATTRIBUTIONS)}")
    if mode == "exclusive":
        return JobPart(mode, sum(result.total.joules for result in results), "whole nodes")
    joules: float | None = 0.0
    texts = []
    for node, result in zip(nodes, results, strict=True):
        part = node_part(node, result.window)
        shares = [part.share_of(row, mode) for row in result.ledger.counted]
        known = [share for share in shares if share is not None]
        joules = None if joules is None or len(known) < len(shares) else joules + sum(known)
        texts.append(_text(part, mode, bool(node.idle_watts)))
    return JobPart(mode, joules, "; ".join(dict.fromkeys(texts)))


def _text(part: NodePart, mode: str, has_baseline: bool) -> str:
    gpus = "all accelerators" if part.gpus is None else ", ".join(part.gpus) or "no accelerator"
    cpus = f"{part.cpus} of {part.all_cpus} CPUs, {gpus}"
    if mode == "allocated":
        return cpus
    if part.time_share is None:
        return f"{cpus}, CPU time is not known"
    idle = "" if has_baseline else ", idle power not known: all by CPU time"
    return f"{cpus}, {part.time_share:.1%} of the CPU time{idle}"


def _cpu_seconds(node: NodeData, pids: set[int]) -> float | None:
    """From the wrapper, which knows it exactly, or as the agent saw it last."""
    found: dict[int, float] = {}
    for name in ("gone", "end"):
        for event in node.events:
            if event["event"] == name and event["pid"] in pids and "cpu_s" in event:
                found[event["pid"]] = float(event["cpu_s"])
    return sum(found.values()) if pids and pids <= set(found) else None


def _bound(node: NodeData, visible: Sequence[str | None]) -> tuple[str, ...] | None:
    """Components of the accelerators that launchers named, by number or by UUID."""
    if not visible or any(text is None for text in visible):
        return None
    places: Mapping[str, str] = {s.id: s.component for s in node.sensors}
    found: set[str] = set()
    for word in (w.strip() for text in visible if text for w in text.split(",")):
        if word.isdigit():
            found.add(f"node/gpu{word}")
        elif word:
            found |= {c for sensor, c in places.items() if f":{word}" in sensor}
    return tuple(sorted(found))
