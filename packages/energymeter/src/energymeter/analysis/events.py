"""Regions, steps and marks from the event files of a run."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from energymeter.analysis.attribution import Instance
from energymeter.eventfile import ENTER, EXIT, MARK, STEP, read_events

__all__ = ["Mark", "ProcessEvents", "Step", "load_events", "parse_events"]

NEVER = 2**62


@dataclass(frozen=True, slots=True)
class Step:
    """A counted unit of work inside a region."""

    path: str
    phase: str
    time: int
    samples: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A point event."""

    name: str
    time: int
    value: float
    rank: int


@dataclass(frozen=True)
class ProcessEvents:
    """What one process recorded. Regions that never ended stop at `NEVER`."""

    node: str
    rank: int
    pid: int
    instances: tuple[Instance, ...] = ()
    steps: tuple[Step, ...] = ()
    marks: tuple[Mark, ...] = ()


def load_events(folder: Path) -> tuple[list[ProcessEvents], list[str]]:
    """All event files of a run, and warnings about those that cannot be read."""
    found, warnings = [], []
    for path in sorted(folder.glob("*.eme")):
        try:
            found.append(parse_events(path.stem, *read_events(path)))
        except (ValueError, KeyError, struct.error, OSError) as error:
            warnings.append(f"{path.name} cannot be read: {error}")
    return found, warnings


def parse_events(
    process: str,
    header: dict[str, Any],
    names: dict[int, dict[str, Any]],
    records: Sequence[tuple[int, ...]],
) -> ProcessEvents:
    """Pair the records of one process."""
    rank = int(header["rank"])
    opened: dict[int, tuple[int, int, int]] = {}
    closed: dict[int, tuple[int, int]] = {}
    steps, marks = [], []
    for kind, number, instance, time, value in records:
        if kind == ENTER:
            opened[instance] = (number, time, value)
        elif kind == EXIT:
            closed[instance] = (time, value)
        elif kind == STEP:
            name = names[number]
            steps.append(Step(name["path"], name["phase"], time, value))
        elif kind == MARK:
            (real,) = struct.unpack("<d", struct.pack("<q", value))
            marks.append(Mark(names[number]["path"], time, real, rank))
    instances = []
    for instance, (number, start, parent) in opened.items():
        stop, failed = closed.get(instance, (NEVER, 0))
        key = (process, parent) if parent else None
        name = names[number]
        instances.append(
            Instance(
                (process, instance),
                rank,
                name["path"],
                name["phase"],
                start,
                stop,
                key,
                bool(failed),
            )
        )
    return ProcessEvents(
        header["node"], rank, int(header["pid"]), tuple(instances), tuple(steps), tuple(marks)
    )
