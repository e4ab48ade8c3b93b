"""Cray's pm_counters: energies of node, CPU, memory and accelerators, at 10 Hz."""

from __future__ import annotations

import re
from collections.abc import Sequence

from energymeter.backends.files import FileReader
from energymeter.environment import Environment
from energymeter.sensors import Kind, Probe, RawReading, Sensor, Unavailable

__all__ = ["CrayBackend"]

FOLDER = "/sys/cray/pm_counters"
ENERGY = re.compile(r"(?:(cpu|memory|accel)(\d*)_)?energy")
VALUE = re.compile(rb"\s*(\d+)\s*[JW]\s+(\d+)\s*us")
PLACES = {"cpu": "cpu", "memory": "mem", "accel": "gpu"}
FRESH = 1_000_000_000


class CrayBackend:
    """``/sys/cray/pm_counters/*energy``; the node's counter contains all others."""

    name = "cray"

    def discover(self, env: Environment) -> list[Probe]:
        """All energy counters."""
        found: list[Probe] = []
        for match in filter(None, map(ENERGY.fullmatch, env.listdir(FOLDER))):
            component = "node" if match[1] is None else f"node/{PLACES[match[1]]}{match[2] or 0}"
            path = f"{FOLDER}/{match[0]}"
            try:
                _parse(env.read_text(path).encode())
            except (OSError, ValueError) as error:
                found.append(Unavailable(f"cray:{match[0]}", component, f"{path}: {error}"))
                continue
            found.append(
                Sensor(
                    id=f"cray:{match[0]}",
                    component=component,
                    kind=Kind.ENERGY_COUNTER,
                    update_period=0.1,
                    contains=("node/*",) if component == "node" else (),
                    source=path,
                )
            )
        return found

    def open(self, sensors: Sequence[Sensor], env: Environment) -> _SnapshotReader:
        """Open the counters."""
        return _SnapshotReader([sensor.source for sensor in sensors], env)


def _parse(text: bytes) -> tuple[int, int]:
    match = VALUE.match(text)
    if match is None:
        raise ValueError(f"{text[:40]!r} is not '<value> J <time> us'")
    return int(match[1]), int(match[2]) * 1000


class _SnapshotReader(FileReader):
    """Reads all files between two equal values of ``freshness``, so that they belong together."""

    def __init__(self, paths: Sequence[str], env: Environment) -> None:
        super().__init__(paths, env, _parse)

    def read(self) -> list[RawReading]:
        """One snapshot, with the counters' own stamps on the node's monotonic clock."""
        for _ in range(3):
            before = self.env.read_text(f"{FOLDER}/freshness", "")
            readings = [self.read_one(index) for index in range(len(self.fds))]
            if self.env.read_text(f"{FOLDER}/freshness", "") == before:
                break
        now, monotonic = self.env.realtime_ns(), self.env.monotonic_ns()
        return [(raw, s, _own_time(stamp, now, monotonic)) for raw, s, stamp in readings]


def _own_time(stamp: int, realtime: int, monotonic: int) -> int:
    """The embedded time of day as monotonic time, or 0 if it is not plausible."""
    age = realtime - stamp
    return monotonic - age if 0 <= age <= FRESH else 0
