"""Whether a process is still there, without being its parent."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

__all__ = ["Watch", "allowed_cpus", "cpu_time", "peak_memory", "start_time"]


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None if it is gone or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the name before may contain anything
    return None if fields[0] in "ZX" else int(fields[19])


def cpu_time(pid: int) -> float | None:
    """CPU-seconds of a process and of the children that it has waited for; None if it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    ticks = sum(map(int, text.rpartition(")")[2].split()[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def allowed_cpus(pid: int) -> str:
    """The CPUs that a process may use, as a hexadecimal mask; empty where that is not known."""
    try:
        return f"{sum(1 << cpu for cpu in os.sched_getaffinity(pid)):x}"
    except (OSError, AttributeError):
        return ""


def peak_memory() -> int:
    """The most memory that this process has had, in KiB; 0 where that is not known.

    The system's ``getrusage`` would count what its parent had before it became this program.
    """
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return 0


class Watch:
    """Follows one process: by a descriptor that becomes readable at its end, or by its start time.

    Attributes
    ----------
    fd : int
        The descriptor; -1 where there is none (Linux before 5.3, or the process is gone).
    """

    def __init__(self, pid: int) -> None:
        self.pid, self.fd, self.started = pid, -1, start_time(pid)
        self._cpu_before = self._cpu = cpu_time(pid) or 0.0
        with contextlib.suppress(OSError, AttributeError):
            self.fd = os.pidfd_open(pid)

    def has_ended(self) -> bool:
        """Whether the process is gone, or another one has its number."""
        return self.started is None or start_time(self.pid) != self.started

    def cpu_seconds(self) -> float:
        """CPU time since the start of this watch, of the process and of children it waited for.

        As far as it is known: the system forgets it with the process.
        """
        self._cpu = cpu_time(self.pid) or self._cpu
        return self._cpu - self._cpu_before

    def close(self) -> None:
        """Release the descriptor."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
