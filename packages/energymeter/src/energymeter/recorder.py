"""Recording regions in the application: which file, which region is open, what a fork changes."""

from __future__ import annotations

import atexit
import contextlib
import functools
import itertools
import os
import threading
import time
import weakref
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from energymeter.eventfile import ENTER, EXIT, MARK, STEP, EventFile
from energymeter.launcher import detect

__all__ = [
    "Frame",
    "Recorder",
    "current_recorder",
    "open_frame",
    "restore_target",
    "set_target",
]

FAILED = 1


@dataclass(slots=True)
class Frame:
    """An open region."""

    instance: int
    number: int  # of its path
    path: str
    phase: str
    parent: Frame | None
    start: int = 0
    stop: int = 0


open_frame: ContextVar[Frame | None] = ContextVar("energymeter_region", default=None)


class Recorder:
    """Writes the regions of this process into an event file of its own."""

    def __init__(self, run_dir: str, node: str, offset: int) -> None:
        self.run_dir, self.offset = run_dir, offset
        rank = detect(os.environ).rank
        pid = os.getpid()
        stem = f"{rank}-{pid}-{node}"
        header = {"rank": rank, "pid": pid, "node": node}
        for attempt in itertools.count():
            path = Path(run_dir) / "events" / f"{stem}{f'-{attempt}' if attempt else ''}.eme"
            try:
                self.file = EventFile(path, header)
                break
            except FileExistsError:
                continue
        self.numbers: dict[tuple[str, str], int] = {}
        self.counter = itertools.count(1)
        self.lock, self.named = threading.Lock(), 0

    def now(self) -> int:
        """Time of this node in ns."""
        return time.monotonic_ns() + self.offset

    def number(self, path: str, phase: str) -> int:
        """The number of a path and phase, named in the file at first use."""
        found = self.numbers.get((path, phase))
        if found is None:
            with self.lock:
                found = self.numbers.setdefault((path, phase), len(self.numbers))
                if found == self.named:
                    self.file.name({"path": path, "phase": phase})
                    self.named += 1
        return found

    def enter(self, name: str, phase: str | None) -> Frame:
        """Open a region inside the current one; recursion stays on the outermost path."""
        parent = open_frame.get()
        path, inherited = name, ""
        if parent is not None:
            inherited = parent.phase
            path = _nested(parent.path, name)
        resolved = inherited if phase is None else phase
        number = self.number(path, resolved)
        frame = Frame(next(self.counter), number, path, resolved, parent, self.now())
        value = parent.instance if parent is not None else 0
        self.file.write(ENTER, number, frame.instance, frame.start, value)
        return frame

    def exit(self, frame: Frame, failed: bool) -> None:
        """Close a region."""
        frame.stop = self.now()
        self.file.write(EXIT, frame.number, frame.instance, frame.stop, FAILED * failed)

    def step(self, frame: Frame, samples: int) -> None:
        """Count a step of a region."""
        self.file.write(STEP, frame.number, frame.instance, self.now(), samples)

    def mark(self, name: str, value: float) -> None:
        """Write a point event."""
        import struct

        bits = struct.unpack("<q", struct.pack("<d", value))[0]
        self.file.write(MARK, self.number(name, ""), 0, self.now(), bits)


def _nested(parent: str, name: str) -> str:
    parts = parent.split("/")
    if name in parts:
        return "/".join(parts[: parts.index(name) + 1])
    return f"{parent}/{name}"


class _Target:
    """Where this process records, if anywhere. One at a time: so are its agent and clock."""

    def __init__(self, place: tuple[str, str] | None = None) -> None:
        self.place = place
        self.recorder: Recorder | None = None
        self.decided = False
        self.lock = threading.Lock()
        _targets.add(self)

    def decide(self) -> Recorder | None:
        with self.lock:  # threads that start together share one recorder
            if not self.decided:
                self._open()
                self.decided = True
            return self.recorder

    def _open(self) -> None:
        if self.place is None:
            run_dir, node = (os.environ.get(f"ENERGYMETER_{n}", "") for n in ("RUN_DIR", "NODE"))
            self.place = (run_dir, node) if run_dir and node else None
        if self.place is None:
            return
        offset = int(os.environ.get("ENERGYMETER_TEST_CLOCK_OFFSET_NS", "0"))
        # a run that cannot be written is the agent's to report: the application goes on
        with contextlib.suppress(OSError):
            self.recorder = Recorder(*self.place, offset)
        _hook()

    def forget(self) -> None:
        """In a forked child: a new file at the first event; the parent's regions are not ours."""
        self.recorder, self.decided = None, False
        self.lock = threading.Lock()  # another thread of the parent may have held it

    def close(self) -> None:
        if self.recorder is not None:
            self.recorder.file.close()
        self.recorder, self.decided = None, False


_targets: weakref.WeakSet[_Target] = weakref.WeakSet()
_target = _Target()


@functools.cache
def _hook() -> None:
    """Once in a process: what happens at a fork and at the end."""

    def forget_all() -> None:
        for target in _targets:
            target.forget()
        open_frame.set(None)

    def close_all() -> None:
        for target in _targets:
            target.close()

    os.register_at_fork(after_in_child=forget_all)
    atexit.register(close_all)


def current_recorder() -> Recorder | None:
    """The recorder of this process, or None if nothing measures it."""
    if _target.decided:
        return _target.recorder
    return _target.decide()


def set_target(place: tuple[str, str] | None) -> _Target:
    """Record into (run directory, node) from now on; returns what `restore_target` takes back."""
    global _target
    before, _target = _target, _Target(place)
    return before


def restore_target(before: _Target) -> None:
    """Close what is recorded into now, and go on where it was before."""
    global _target  # noqa: PLW0603
    _target.close()
    _target = before
