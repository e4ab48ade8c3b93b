"""Sensor files that follow a wave in real time, for tests of the whole chain.

``python -m energymeter.testing.wave_server --root DIR --wave square:0.7:50:250 [--kind counter]
[--hz 1000] [--seconds S]`` writes below DIR what a node would have in /sys; point
``ENERGYMETER_SYSROOT`` there. At its end (after S seconds, or on SIGINT or SIGTERM) it prints the
true energy of the time that it served.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from energymeter.errors import ConfigurationError
from energymeter.testing.machines import FakeNode
from energymeter.testing.waves import parse_wave

__all__ = ["WaveServer"]

MICRO = 1_000_000
WIDTH = 20  # digits: the text is replaced by one write of always the same length


class WaveServer:
    """Writes a RAPL counter or the power of a node into files, until it is closed.

    Parameters
    ----------
    root : Path
        Folder in place of the root of the file system.
    wave : str
        See `parse_wave`; a function of the monotonic clock.
    kind : {"counter", "power"}
    hz : float
        Writes in a second.

    Examples
    --------
    >>> import tempfile
    >>> with WaveServer(Path(tempfile.mkdtemp()), "const:100") as server:
    ...     sorted(server.environ())
    ['ENERGYMETER_SYSROOT']
    """

    def __init__(self, root: Path, wave: str, kind: str = "counter", hz: float = 1000.0) -> None:
        if kind not in ("counter", "power") or not hz > 0:
            raise ConfigurationError(f"kind={kind!r}, hz={hz}: counter or power, more than 0 Hz")
        self.wave, self.kind, self.hz = parse_wave(wave), kind, hz
        self.node = FakeNode(root)
        if kind == "counter":
            self.node.rapl({"0": "package-0"})
            path = "/sys/class/powercap/intel-rapl:0/energy_uj"
        else:
            self.node.hwmon(0, "acpi_power_meter", {"power1_input": 0})
            path = "/sys/class/hwmon/hwmon0/power1_input"
        self.fd = os.open(self.node.root / path.lstrip("/"), os.O_WRONLY)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._write(time.monotonic())

    def environ(self) -> dict[str, str]:
        """The variables that redirect sensors to these files."""
        return self.node.environ()

    def energy(self, start: int, stop: int) -> float:
        """The true energy in J between two times of the monotonic clock in ns."""
        return self.wave.energy(stop / 1e9) - self.wave.energy(start / 1e9)

    def __enter__(self) -> WaveServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        os.close(self.fd)

    def _serve(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            now = time.monotonic()
            self._write(now)
            due = max(due + 1 / self.hz, now)

    def _write(self, now: float) -> None:
        value = self.wave.energy(now) if self.kind == "counter" else self.wave.power(now)
        os.pwrite(self.fd, f"{round(value * MICRO):0{WIDTH}d}\n".encode(), 0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until the end."""
    parser = argparse.ArgumentParser(prog="python -m energymeter.testing.wave_server")
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--wave", required=True)
    parser.add_argument("--kind", choices=("counter", "power"), default="counter")
    parser.add_argument("--hz", type=float, default=1000.0)
    parser.add_argument("--seconds", type=float, help="default: until a signal")
    given = parser.parse_args(arguments)
    ending = (signal.SIGINT, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    with WaveServer(given.root, given.wave, given.kind, given.hz) as server:
        start = time.monotonic_ns()
        sys.stdout.write(f"serving below {given.root}\n")
        sys.stdout.flush()
        if given.seconds is None:
            signal.sigwait(ending)
        else:
            signal.sigtimedwait(ending, given.seconds)
        stop = time.monotonic_ns()
    joules = server.energy(start, stop)
    sys.stdout.write(f"{joules:.9g} J from {start} to {stop} ns of the monotonic clock\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
