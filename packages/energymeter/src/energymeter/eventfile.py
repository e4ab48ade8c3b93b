"""The file into which an application's regions are written: mapped memory, complete at any moment.

A stamp is one store into a mapped page, which the kernel keeps when the process is killed. Space is
allocated before it is used, so that a full disk is an error here and not a signal in the
application. Records have 32 bytes; a name is a record with its length, followed by its JSON.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import threading
from pathlib import Path
from typing import Any

__all__ = ["ENTER", "EXIT", "MAGIC", "MARK", "NAME", "RECORD", "STEP", "EventFile", "read_events"]

MAGIC = b"EME\x01\r\n\x1a\n"
RECORD = struct.Struct("<BBHIqqq")  # type, failed, -, name or count, instance, time, value
ENTER, EXIT, STEP, MARK, NAME = 1, 2, 3, 4, 5
GROWTH = 2**18


class EventFile:
    """Appends records; after an error (such as a full disk) it silently takes no more."""

    def __init__(self, path: Path, header: dict[str, Any]) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        self.base = self.end = self.position = 0
        self.map: mmap.mmap | None = None
        self.failed = False
        self.lock = threading.Lock()
        try:
            self._grow()
        except OSError:
            os.close(self.fd)
            raise
        self.name(header)

    def _grow(self) -> None:
        if self.map is not None:
            self.map.close()
        self.map = None
        os.posix_fallocate(self.fd, self.end, GROWTH)
        self.map = mmap.mmap(self.fd, GROWTH, offset=self.end)
        self.base, self.end = self.end, self.end + GROWTH
        if self.base == 0:
            self.map[: len(MAGIC)] = MAGIC
            self.position = RECORD.size

    def write(self, kind: int, number: int, instance: int, time: int, value: int = 0) -> None:
        """Add a record; `value` and `instance` are int64, `number` is uint32."""
        with self.lock:
            if self.position + RECORD.size > self.end and not self._ready():
                return
            if self.map is not None:
                offset = self.position - self.base
                RECORD.pack_into(self.map, offset, kind, 0, 0, number, instance, time, value)
                self.position += RECORD.size

    def name(self, values: dict[str, Any]) -> None:
        """Add a JSON record, padded to whole records."""
        with self.lock:
            self._name(values)

    def _name(self, values: dict[str, Any]) -> None:
        text = json.dumps(values).encode()[: GROWTH // 2]
        size = RECORD.size * (1 + -(-len(text) // RECORD.size))
        if self.position + size > self.end:
            # the rest of this stretch stays empty: records of type 0 are skipped
            self.position = self.end
            if not self._ready():
                return
        if self.map is not None:
            offset = self.position - self.base
            RECORD.pack_into(self.map, offset, NAME, 0, 0, len(text), 0, 0, 0)
            start = offset + RECORD.size
            self.map[start : start + len(text)] = text
            self.position += size

    def _ready(self) -> bool:
        if self.failed:
            return False
        try:
            self._grow()
        except OSError:
            self.failed = True
        return not self.failed

    def close(self) -> None:
        """Cut off what was allocated and not used."""
        if self.map is not None:
            self.map.close()
            self.map = None
            os.ftruncate(self.fd, self.position)
            os.close(self.fd)
        self.failed = True
        self.end = self.position


def read_events(
    path: Path,
) -> tuple[dict[str, Any], dict[int, dict[str, Any]], list[tuple[int, ...]]]:
    """Read back a file, finished or not.

    Returns
    -------
    header : dict
    names : dict
        From number to name record.
    records : list of (type, number, instance, time, value)

    Raises
    ------
    ValueError
        If it is no such file.
    """
    data = path.read_bytes()
    if data[: len(MAGIC)] != MAGIC:
        raise ValueError(f"{path} is no event file of energymeter")
    names: list[dict[str, Any]] = []
    records: list[tuple[int, ...]] = []
    position = RECORD.size
    while position + RECORD.size <= len(data):
        kind, _, _, number, instance, time, value = RECORD.unpack_from(data, position)
        position += RECORD.size
        if kind == NAME:
            names.append(json.loads(data[position : position + number]))
            position += RECORD.size * -(-number // RECORD.size)
        elif kind:
            records.append((kind, number, instance, time, value))
    header = names[0] if names else {}
    return header, dict(enumerate(names[1:])), records
