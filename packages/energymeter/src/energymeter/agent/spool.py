"""A journal on a disk of the node itself, for run directories on a slow shared file system."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from energymeter.journal import FULL, JournalWriter

__all__ = ["SpooledJournal"]


class SpooledJournal(JournalWriter):
    """Appends to a file in `spool`; `share` copies what is new into the run's directory.

    At the end everything is copied, and the local file removed. If the node is lost, the run has
    what was copied last.
    """

    def __init__(self, spool: str | Path, path: Path, header: dict[str, Any]) -> None:
        self.local = Path(spool) / f"{header['run_id']}-{header['node']}-{os.getpid()}.emj"
        super().__init__(self.local, {**header, "spool": str(self.local)})
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self.source = os.open(self.local, os.O_RDONLY | os.O_CLOEXEC)
        self.target = os.open(path, flags, 0o644)
        self.copied = 0

    def share(self) -> None:
        """Copy what is new."""
        self.flush()
        try:
            while data := os.pread(self.source, 2**20, self.copied):
                self.copied += os.write(self.target, data)
        except OSError as error:
            if error.errno not in FULL:
                raise
            self.disk_is_full = True

    def close(self) -> None:
        """Copy the rest; the local file remains if there is no space for it."""
        self.share()
        complete = self.copied == os.fstat(self.source).st_size
        with contextlib.suppress(OSError):
            os.fsync(self.target)
        os.close(self.target)
        super().close()
        os.close(self.source)
        if complete and not self.pending:
            self.local.unlink()
