"""What one rank does, written as JSON lines by the rank and read by the runner."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["RankLog", "Recorder", "Report", "has_ended"]


class Recorder:
    """Appends events to a rank's file, flushed at once: the process may die at any moment."""

    def __init__(self, folder: Path, rank: int) -> None:
        self.path = folder / f"rank{rank}.jsonl"
        self._file = self.path.open("a", buffering=1)

    def write(self, event: str, **details: Any) -> None:
        """Append one event; the clock is the machine's, so that ranks can be compared."""
        self._file.write(json.dumps({"event": event, "time": time.monotonic(), **details}) + "\n")


def has_ended(path: Path) -> bool:
    """Whether the pytest session of this record ran to its end."""
    return any(json.loads(line)["event"] == "ended" for line in path.read_text().splitlines())


@dataclass(frozen=True)
class Report:
    """The outcome of one phase (collect, setup, call, teardown) of a test."""

    phase: str
    outcome: str
    text: str
    time: float


@dataclass
class RankLog:
    """What is known of one rank."""

    rank: int
    latest: float
    pids: tuple[int, ...] = ()
    exit_status: int | None = None
    exit_time: float = 0.0
    ended: bool = False
    selected: list[str] = field(default_factory=list)
    ranks_wanted: set[int] = field(default_factory=set)
    current: str | None = None
    since: float = 0.0
    limit: float = 0.0
    reports: dict[str, list[Report]] = field(default_factory=dict)
    finished: set[str] = field(default_factory=set)
    seconds: dict[str, float] = field(default_factory=dict)
    _read: int = 0

    def update(self, folder: Path) -> None:
        """Read the events that were appended since the last call."""
        path = folder / f"rank{self.rank}.jsonl"
        if not path.exists():
            return
        with path.open("rb") as file:
            file.seek(self._read)
            complete = file.read().rpartition(b"\n")[0]
        if complete:
            self._read += len(complete) + 1
            for line in complete.splitlines():
                self.feed(json.loads(line))

    def feed(self, event: dict[str, Any]) -> None:
        """Take one event into account."""
        self.latest = event["time"]
        match event["event"]:
            case "spawned":
                self.pids = (event["pid"], event["wrapper"])
            case "collected":
                self.selected, self.ranks_wanted = event["selected"], set(event["ranks_wanted"])
            case "started":
                self.current, self.since = event["test"], self.latest
            case "limit":
                self.limit = event["seconds"]
            case "report":
                report = Report(event["phase"], event["outcome"], event["text"], self.latest)
                self.reports.setdefault(event["test"], []).append(report)
            case "finished":
                self.finished.add(event["test"])
                self.seconds[event["test"]] = self.latest - self.since
                self.current, self.limit = None, 0.0
            case "ended":
                self.ended = True
            case "exited":
                self.exit_status, self.exit_time = event["status"], self.latest

    @property
    def crashed(self) -> bool:
        """Whether pytest ended before its session did, or not with one of its own verdicts."""
        # 0: passed, 1: some failed, 5: nothing collected
        return self.exit_status is not None and not (self.ended and self.exit_status in (0, 1, 5))

    def failure(self, test: str) -> Report | None:
        """The first failed phase of a test."""
        return next((r for r in self.reports.get(test, []) if r.outcome == "failed"), None)

    def skipped(self, test: str) -> bool:
        """Whether a phase of a test was skipped."""
        return any(report.outcome == "skipped" for report in self.reports.get(test, []))

    def waits(self, test: str) -> bool:
        """Whether the test's own part is over and the rank waits for the others or tears down."""
        phases = {report.phase: report.outcome for report in self.reports.get(test, [])}
        return "call" in phases or phases.get("setup", "passed") != "passed"
