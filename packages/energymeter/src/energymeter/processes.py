"""Whether a process is still there, without being its parent."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

__all__ = ["Watch", "start_time"]


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None if it is gone or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the name before may contain anything
    return None if fields[0] in "ZX" else int(fields[19])


class Watch:
    """Follows one process: by a descriptor that becomes readable at its end, or by its start time.

    Attributes
    ----------
    fd : int
        The descriptor; -1 where there is none (Linux before 5.3, or the process is gone).
    """

    def __init__(self, pid: int) -> None:
        self.pid, self.fd, self.started = pid, -1, start_time(pid)
        with contextlib.suppress(OSError, AttributeError):
            self.fd = os.pidfd_open(pid)

    def has_ended(self) -> bool:
        """Whether the process is gone, or another one has its number."""
        return self.started is None or start_time(self.pid) != self.started

    def close(self) -> None:
        """Release the descriptor."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
