"""RAPL energies through perf_event_open: 64-bit counters, readable where perf allows it."""

from __future__ import annotations

import os
import platform
import re
import struct
import time
from collections.abc import Sequence

from energymeter.environment import Environment
from energymeter.sensors import Kind, Probe, RawReading, Sensor, Status, Unavailable

__all__ = ["PerfBackend"]

FOLDER = "/sys/bus/event_source/devices/power"
SYSCALL = {"x86_64": 298, "aarch64": 241}
ATTRIBUTE_SIZE = 112
CLOSE_ON_EXEC = 8
PLACES = {
    "energy-pkg": ("node/cpu{}", ("node/cpu{}/cores", "node/cpu{}/uncore")),
    "energy-cores": ("node/cpu{}/cores", ()),
    "energy-gpu": ("node/cpu{}/uncore", ()),
    "energy-ram": ("node/mem{}", ()),
    "energy-psys": ("node/platform", ("node/cpu*", "node/mem*")),
}
HINT = "ask the administrator for sysctl kernel.perf_event_paranoid=0, or CAP_PERFMON"
NANO = 10**12
LOOK = 0.01


class PerfBackend:
    """Events of the ``power`` unit, one for each package."""

    name = "perf"

    def discover(self, env: Environment) -> list[Probe]:
        """All events of all packages; nothing if the kernel has no such unit."""
        events = [name for name in env.listdir(f"{FOLDER}/events") if name in PLACES]
        if not events:
            return []
        if platform.machine() not in SYSCALL:
            return [Unavailable("perf", "node/cpu0", f"unknown on {platform.machine()}")]
        found: list[Probe] = []
        for package, cpu in enumerate(_cpus(env.read_text(f"{FOLDER}/cpumask", "0"))):
            found += [_probe(event, package, cpu, env) for event in events]
        return found

    def open(self, sensors: Sequence[Sensor], env: Environment) -> _PerfReader:
        """Open the counters."""
        return _PerfReader([_descriptor(sensor.source, env) for sensor in sensors])


def _probe(event: str, package: int, cpu: int, env: Environment) -> Probe:
    component, contains = PLACES[event]
    sensor_id = f"perf:{event}-{package}"
    source = f"{event}@{cpu}"
    try:
        fd = _descriptor(source, env)
        first, _, _ = _read(fd)
        time.sleep(LOOK)
        second, _, _ = _read(fd)
        os.close(fd)
        if first == second:  # virtual machines offer the event, and do not count
            return Unavailable(sensor_id, component.format(package), "the counter stands still")
    except OSError as error:
        reason = f"perf_event_open: {error.strerror}"
        return Unavailable(sensor_id, component.format(package), reason, HINT)
    joules = float(env.read_text(f"{FOLDER}/events/{event}.scale", "2.3283064365386962890625e-10"))
    return Sensor(
        sensor_id,
        component.format(package),
        Kind.ENERGY_COUNTER,
        (round(joules * 2**32 * NANO), NANO * 2**32),
        resolution=61e-6,
        update_period=0.001,
        contains=tuple(place.format(package) for place in contains),
        source=source,
    )


def _cpus(mask: str) -> list[int]:
    """CPUs of a mask such as ``0,18`` or ``0-1``."""
    cpus: list[int] = []
    for part in filter(None, mask.split(",")):
        first, _, last = part.partition("-")
        cpus += range(int(first), int(last or first) + 1)
    return cpus


def _descriptor(source: str, env: Environment) -> int:
    """Open an event on a CPU, for all processes. Raises OSError."""
    import ctypes

    event, _, cpu = source.partition("@")
    config = re.search(r"event=(0x[0-9a-fA-F]+|\d+)", env.read_text(f"{FOLDER}/events/{event}"))
    if config is None:
        raise OSError(22, f"{event} has no number")
    kind = int(env.read_text(f"{FOLDER}/type"))
    attribute = struct.pack("<IIQ", kind, ATTRIBUTE_SIZE, int(config[1], 0))
    buffer = ctypes.create_string_buffer(attribute.ljust(ATTRIBUTE_SIZE, b"\0"), ATTRIBUTE_SIZE)
    library = ctypes.CDLL(None, use_errno=True)
    fd = library.syscall(
        SYSCALL[platform.machine()], buffer, -1, int(cpu), -1, ctypes.c_ulong(CLOSE_ON_EXEC)
    )
    if fd < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(fd)


class _PerfReader:
    def __init__(self, fds: Sequence[int]) -> None:
        self.fds = fds

    def read(self) -> list[RawReading]:
        """The counters."""
        return [_read(fd) for fd in self.fds]

    def close(self) -> None:
        """Close the events."""
        for fd in self.fds:
            os.close(fd)


def _read(fd: int) -> RawReading:
    try:
        (value,) = struct.unpack("<q", os.read(fd, 8))
    except (OSError, struct.error):
        return None, Status.MISSING, 0
    return value, Status.OK, 0
