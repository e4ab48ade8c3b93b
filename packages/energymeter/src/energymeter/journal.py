"""The journal of an agent: an append-only file that is complete up to its last second at any time.

Layout (little-endian): magic, u32 length and a JSON header; then blocks of u32 length, u32 CRC-32
and a payload. A payload is one byte, ``E`` and a JSON event, or ``S`` and zlib-compressed samples:
for each sensor its index, count, first time (ns) and first raw value, then time offsets (u32) and
raw offsets (i32, or i64 where they are large), and statuses if not all are OK. Raw integers are
kept; energies are computed when a run is read.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import struct
import zlib
from array import array
from pathlib import Path
from typing import Any

from energymeter.sensors import Status

__all__ = [
    "CODE",
    "FULL",
    "MAGIC",
    "STATUS",
    "WITH_VALUE",
    "Chunk",
    "JournalReader",
    "JournalWriter",
]

MAGIC = b"EMJ\x01\r\n\x1a\n"
BLOCK = struct.Struct("<II")
CHUNK = struct.Struct("<HHBqq")  # sensor, count, flags, first time, first raw
STATUS = list(Status)
CODE = {status: code for code, status in enumerate(STATUS)}
WITH_VALUE = tuple(code for status, code in CODE.items() if status.has_value)
WIDE, WITH_STATUS = 1, 2
MAX_SPAN = 3 * 10**9  # ns; offsets have 32 bits
MEMORY = 64 * 2**20
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


class JournalWriter:
    """Appends readings and events to a journal.

    When the disk is full, up to 64 MiB are kept in memory and written when there is space again.
    """

    def __init__(self, path: str | Path, header: dict[str, Any]) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self.fd = os.open(path, flags, 0o644)
        text = json.dumps(header, separators=(",", ":")).encode()
        self.pending = bytearray(MAGIC + struct.pack("<I", len(text)) + text)
        self.times: dict[int, list[int]] = {}
        self.raws: dict[int, list[int]] = {}
        self.statuses: dict[int, list[int]] = {}
        self.lost_bytes = 0
        self.disk_is_full = False

    def sample(self, index: int, time: int, raw: int | None, status: Status) -> None:
        """Add one reading of a sensor."""
        times = self.times.get(index)
        if times and (time - times[0] > MAX_SPAN or len(times) > 60000):
            self._samples()  # the agent was suspended: offsets must fit
            times = None
        if times is None:
            times = self.times[index] = []
            self.raws[index], self.statuses[index] = [], []
        times.append(time)
        self.raws[index].append(0 if raw is None else raw)
        self.statuses[index].append(CODE[status])

    def event(self, name: str, time: int, **values: Any) -> None:
        """Add an event; it is written with the next flush, after the samples before it."""
        self._samples()
        record = {"event": name, "t": time, **values}
        self._block(b"E" + json.dumps(record, separators=(",", ":")).encode())

    def flush(self, sync: bool = False) -> None:
        """Write everything that was added."""
        self._samples()
        try:
            while self.pending:
                written = os.write(self.fd, self.pending)
                del self.pending[:written]
            self.disk_is_full = False
            if sync:
                os.fsync(self.fd)
        except OSError as error:
            if error.errno not in FULL:
                raise
            self.disk_is_full = True
            if len(self.pending) > MEMORY:
                self.lost_bytes += len(self.pending)
                self.pending.clear()

    def share(self) -> None:
        """Have everything where reports look for it."""
        self.flush()

    def close(self) -> None:
        """Write the rest and close."""
        self.flush()
        with contextlib.suppress(OSError):
            os.fsync(self.fd)
        os.close(self.fd)

    def _samples(self) -> None:
        if self.times:
            body = b"".join(self._chunk(index) for index in self.times)
            self.times, self.raws, self.statuses = {}, {}, {}
            self._block(b"S" + zlib.compress(body, 1))

    def _chunk(self, index: int) -> bytes:
        times, raws, statuses = self.times[index], self.raws[index], self.statuses[index]
        good = [raw for raw, code in zip(raws, statuses, strict=True) if code in WITH_VALUE]
        first = good[0] if good else 0
        offsets = [r - first if s in WITH_VALUE else 0 for r, s in zip(raws, statuses, strict=True)]
        wide = max(offsets) >= 2**31 or min(offsets) < -(2**31)
        # readings with stamps of their own may lie a little before the first one
        start = min(times)
        flags = WIDE * wide | WITH_STATUS * any(statuses)
        parts = [CHUNK.pack(index, len(times), flags, start, _signed(first))]
        parts.append(array("I", [t - start for t in times]).tobytes())
        parts.append(array("q" if wide else "i", [_signed(o) for o in offsets]).tobytes())
        if any(statuses):
            parts.append(bytes(statuses))
        return b"".join(parts)

    def _block(self, payload: bytes) -> None:
        self.pending += BLOCK.pack(len(payload), zlib.crc32(payload)) + payload


def _signed(value: int) -> int:
    """As two's complement of 64 bits: differences of unsigned counters stay right."""
    return (value + 2**63) % 2**64 - 2**63


class Chunk:
    """Readings of one sensor: times (ns), raw values, status codes; array.array of equal length."""

    __slots__ = ("raws", "sensor", "statuses", "times")

    def __init__(self, sensor: int, times: array[int], raws: array[int], statuses: bytes) -> None:
        self.sensor, self.times, self.raws, self.statuses = sensor, times, raws, statuses


class JournalReader:
    """Reads a journal, also one that ends in the middle of a block or has damaged blocks.

    Attributes
    ----------
    header : dict
    chunks : list of Chunk
        In the order of time.
    events : list of dict
    damaged_blocks : int
        Blocks whose checksum was wrong: gaps.
    torn : bool
        Whether the last block is incomplete.
    """

    def __init__(self, path: str | Path) -> None:
        data = memoryview(Path(path).read_bytes())
        if bytes(data[:8]) != MAGIC or len(data) < 12:
            raise ValueError(f"{path} is no journal of energymeter, or it has no header yet")
        (length,) = struct.unpack_from("<I", data, 8)
        self.header: dict[str, Any] = json.loads(bytes(data[12 : 12 + length]))
        self.chunks: list[Chunk] = []
        self.events: list[dict[str, Any]] = []
        self.damaged_blocks, self.torn = 0, False
        position = 12 + length
        while position < len(data):
            if position + BLOCK.size > len(data):
                self.torn = True
                break
            size, crc = BLOCK.unpack_from(data, position)
            payload = data[position + BLOCK.size : position + BLOCK.size + size]
            position += BLOCK.size + size
            if len(payload) < size:
                self.torn = True
            elif zlib.crc32(payload) != crc:
                self.damaged_blocks += 1
            elif payload[0] == ord("E"):
                self.events.append(json.loads(bytes(payload[1:])))
            else:
                self._samples(memoryview(zlib.decompress(payload[1:])))

    def _samples(self, body: memoryview) -> None:
        position = 0
        while position < len(body):
            sensor, count, flags, start, first = CHUNK.unpack_from(body, position)
            position += CHUNK.size
            offsets = array("I")
            offsets.frombytes(body[position : position + 4 * count])
            position += 4 * count
            width = 8 if flags & WIDE else 4
            values = array("q" if flags & WIDE else "i")
            values.frombytes(body[position : position + width * count])
            position += width * count
            statuses = bytes(count)
            if flags & WITH_STATUS:
                statuses = bytes(body[position : position + count])
                position += count
            times = array("q", [start + offset for offset in offsets])
            raws = array("q", [_signed(first + value) for value in values])
            self.chunks.append(Chunk(sensor, times, raws, statuses))
