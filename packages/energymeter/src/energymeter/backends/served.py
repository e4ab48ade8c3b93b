"""What an administrator's agent publishes for all users of a node: ``energymeter agent --serve``.

One small file: magic, u32 length and a JSON header (period, sensors), then one record that is
written again and again: time (ns), raw values, status codes, CRC-32. Readers need no lock: a record
that was caught in the middle has a wrong checksum, and is read once more.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from energymeter.environment import Environment
from energymeter.journal import CODE, STATUS
from energymeter.sensors import Probe, RawReading, Sensor, Status, Unavailable

__all__ = ["SERVED", "Publisher", "ServedBackend"]

SERVED = "/run/energymeter/values"
MAGIC = b"EMV\x01\r\n\x1a\n"
LENGTH = struct.Struct("<I")
CRC = struct.Struct("<I")
TRIES = 5
RETRY = 1_000_000_000
STALE = 5  # periods without a record, after which the server is taken to be gone
HINT = "start energymeter agent --serve again, as an administrator"


def _record(count: int) -> struct.Struct:
    return struct.Struct(f"<q{count}Q{count}B")


class Publisher:
    """Writes the latest values of sensors where everybody can read them.

    Parameters
    ----------
    path : Path
    sensors : sequence of Sensor
    period : float
        s between records.
    """

    def __init__(self, path: Path, sensors: Sequence[Sensor], period: float) -> None:
        self.path, self.record = path, _record(len(sensors))
        values = {"period": period, "sensors": [sensor.to_dict() for sensor in sensors]}
        text = json.dumps(values, separators=(",", ":")).encode()
        header = MAGIC + LENGTH.pack(len(text)) + text
        self.offset = len(header)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        self.fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        os.fchmod(self.fd, 0o644)  # for everybody, whatever the umask
        os.write(self.fd, header)
        temporary.replace(path)

    def publish(self, time: int, readings: Sequence[tuple[int | None, Status]]) -> None:
        """Write a record: (raw value or None, status) of each sensor, at a time in ns."""
        raws = [raw or 0 for raw, _ in readings]
        body = self.record.pack(time, *raws, *(CODE[status] for _, status in readings))
        os.pwrite(self.fd, body + CRC.pack(zlib.crc32(body)), self.offset)

    def close(self) -> None:
        """Take the file away."""
        self.path.unlink(missing_ok=True)
        os.close(self.fd)


class _Published:
    """A published file, opened for reading. Raises OSError, or ValueError if it is none."""

    def __init__(self, env: Environment) -> None:
        self.fd = env.open_fd(SERVED)
        try:
            values, self.offset = _header(self.fd)
            self.period = float(values["period"])
            self.sensors = [Sensor.from_dict(entry) for entry in values["sensors"]]
        except (ValueError, KeyError, TypeError, struct.error) as error:
            os.close(self.fd)
            raise ValueError("it was not written by energymeter agent --serve") from error
        self.record = _record(len(self.sensors))

    def latest(self) -> tuple[int, dict[str, RawReading]] | None:
        """Time (ns) and readings by sensor id; None without a complete record."""
        count, size = len(self.sensors), self.record.size
        for _ in range(TRIES):
            data = os.pread(self.fd, size + CRC.size, self.offset)
            if len(data) < size + CRC.size or CRC.unpack(data[size:])[0] != zlib.crc32(data[:size]):
                continue
            time, *values = self.record.unpack(data[:size])
            readings: dict[str, RawReading] = {}
            for sensor, raw, code in zip(self.sensors, values[:count], values[count:], strict=True):
                status = STATUS[code]
                readings[sensor.id] = (raw if status.has_value else None), status, 0
            return time, readings
        return None

    def is_current(self, time: int, now: int) -> bool:
        """Whether a record is not older than a server that works would leave it."""
        return now - time <= STALE * max(self.period, 0.1) * 1e9

    def close(self) -> None:
        os.close(self.fd)


def _header(fd: int) -> tuple[dict[str, Any], int]:
    """The header of a published file, and where its record begins."""
    start = os.pread(fd, len(MAGIC) + LENGTH.size, 0)
    if start[: len(MAGIC)] != MAGIC:
        raise ValueError("no magic number")
    (length,) = LENGTH.unpack(start[len(MAGIC) :])
    return json.loads(os.pread(fd, length, len(start))), len(start) + length


class ServedBackend:
    """Sensors that this user may not read, from a process that may."""

    name = "served"

    def discover(self, env: Environment) -> list[Probe]:
        """What is published; nothing if nobody serves here."""
        if not env.exists(SERVED):
            return []
        try:
            published = _Published(env)
        except (OSError, ValueError) as error:
            return [Unavailable("served", "node", f"{SERVED}: {error}", HINT)]
        found = published.latest()
        published.close()
        if found is None or not published.is_current(found[0], env.monotonic_ns()):
            return [Unavailable("served", "node", f"{SERVED} is not written any more", HINT)]
        return [
            replace(
                sensor,
                id=f"served:{sensor.id}",
                update_period=max(sensor.update_period, published.period),
                slow=False,
            )
            for sensor in published.sensors
        ]

    def open(self, sensors: Sequence[Sensor], env: Environment) -> _ServedReader:
        """Open the file."""
        return _ServedReader(sensors, env)


class _ServedReader:
    """Reads the file; when the server is gone, looks for a new one each second."""

    def __init__(self, sensors: Sequence[Sensor], env: Environment) -> None:
        self.ids = [sensor.id.removeprefix("served:") for sensor in sensors]
        self.env = env
        self.published: _Published | None = None
        self.retry_at = 0

    def read(self) -> list[RawReading]:
        """One reading for each sensor, of the last record."""
        readings = self._latest() or {}
        return [readings.get(name, (None, Status.MISSING, 0)) for name in self.ids]

    def _latest(self) -> dict[str, RawReading] | None:
        now = self.env.monotonic_ns()
        if self.published is None:
            if now < self.retry_at:
                return None
            self.retry_at = now + RETRY
            try:
                self.published = _Published(self.env)
            except (OSError, ValueError):
                return None
        found = self.published.latest()
        if found is None or not self.published.is_current(found[0], now):
            self.close()
            return None
        return found[1]

    def close(self) -> None:
        """Close the file."""
        if self.published is not None:
            self.published.close()
            self.published = None
