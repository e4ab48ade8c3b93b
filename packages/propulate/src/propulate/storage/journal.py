"""The journal: one file a worker, to which frames are only ever appended.

A file starts with a line of JSON. A frame is ``u32 length | u8 kind | payload | u32 CRC-32``; what
a killed process has half written is recognised by its checksum and cut off.
"""

from __future__ import annotations

import json
import logging
import os
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["Journal", "parse_journal", "read_journal"]

logger = logging.getLogger(__name__)
_FRAME = struct.Struct("<IB")
_CRC = struct.Struct("<I")
_LARGEST = 1 << 28


def read_journal(path: Path) -> tuple[dict[str, Any], list[tuple[int, bytes]], int]:
    """Header, intact frames as (kind, payload), and the length in bytes of what is intact."""
    return parse_journal(path.read_bytes(), path)


def parse_journal(
    data: bytes, path: Path | str = "journal"
) -> tuple[dict[str, Any], list[tuple[int, bytes]], int]:
    """As `read_journal`, of the bytes of a file."""
    head = data.find(b"\n") + 1
    try:
        header = json.loads(data[:head])
    except ValueError:
        header = None
    if not isinstance(header, dict):
        if data:
            logger.warning("%s has no readable header; nothing of it is used", path)
        return {}, [], 0
    frames, end = [], head
    for kind, payload, position in _frames(data, head):
        frames.append((kind, payload))
        end = position
    if end < len(data):
        logger.warning("%s: the last %d bytes are damaged and left out", path, len(data) - end)
    return header, frames, end


def _frames(data: bytes, position: int) -> Iterator[tuple[int, bytes, int]]:
    head, tail, total = _FRAME.size, _CRC.size, len(data)
    unpack, unpack_crc, crc32 = _FRAME.unpack_from, _CRC.unpack_from, zlib.crc32
    while position + head <= total:
        length, kind = unpack(data, position)
        end = position + head + length
        if length > _LARGEST or end + tail > total:
            return
        if unpack_crc(data, end)[0] != crc32(data[position:end]):
            return
        payload = data[position + head : end]
        position = end + tail
        yield kind, payload, position


class Journal:
    """Appends frames to a file.

    If the disk is full the search goes on: the frames are kept, and written as soon as it works
    again.

    Parameters
    ----------
    path : Path
    header : dict
        Written if the file is new.
    durability : {"flush", "fsync", "none"}
        "flush" survives the end of the process, "fsync" that of the machine.
    required : bool
        Raise if the file can't be written.
    intact : int, optional
        Bytes of the file that are intact, if it was read already.
    """

    def __init__(
        self,
        path: Path,
        header: dict[str, Any],
        durability: str = "flush",
        *,
        required: bool = False,
        intact: int | None = None,
    ) -> None:
        if durability not in {"flush", "fsync", "none"}:
            raise ValueError(f"durability must be flush, fsync or none, got {durability!r}")
        self.path, self.durability, self.required = path, durability, required
        self._waiting = bytearray()
        self._failed_at = -60.0
        path.parent.mkdir(parents=True, exist_ok=True)
        if intact is None:
            intact = read_journal(path)[2] if path.exists() else 0
        self._file = os.open(path, os.O_CREAT | os.O_WRONLY)
        os.ftruncate(self._file, intact)
        os.lseek(self._file, intact, os.SEEK_SET)
        self._intact = intact
        if not intact:
            self._put(json.dumps(header).encode() + b"\n")

    def write(self, kind: int, payload: bytes) -> None:
        """Append a frame."""
        body = _FRAME.pack(len(payload), kind) + payload
        self._put(body + _CRC.pack(zlib.crc32(body)))

    def _put(self, data: bytes) -> None:
        self._waiting += data
        if self.durability == "none" and len(self._waiting) < 1 << 16:
            return
        if self._failed_at > -60.0 and time.monotonic() - self._failed_at < 60:
            return
        self.flush()

    def flush(self) -> None:
        """Hand everything to the operating system."""
        if not self._waiting:
            return
        try:
            self._write_all()
        except OSError as error:
            if self.required:
                raise
            if self._failed_at == -60.0:
                logger.error("can't write %s (%s); the search goes on in memory", self.path, error)  # noqa: TRY400
            self._failed_at = time.monotonic()
            self._undo()
            return
        self._intact += len(self._waiting)
        self._waiting.clear()
        self._failed_at = -60.0

    def _write_all(self) -> None:
        if os.write(self._file, self._waiting) < len(self._waiting):
            raise OSError("the disk took only a part")
        if self.durability == "fsync":
            os.fsync(self._file)

    def _undo(self) -> None:
        """Leave no half-written frame behind."""
        try:
            os.ftruncate(self._file, self._intact)
            os.lseek(self._file, self._intact, os.SEEK_SET)
        except OSError as error:
            logger.warning("can't shorten %s: %s", self.path, error)

    def close(self) -> None:
        """Write what is left, and close the file."""
        if self._file >= 0:
            self.flush()
            os.close(self._file)
            self._file = -1
