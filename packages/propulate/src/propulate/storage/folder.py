"""The folder of a run: one job at a time, and only the same problem again."""

from __future__ import annotations

import fcntl
import logging
import os
from pathlib import Path
from typing import Any

from propulate.storage.history import History, read_history

__all__ = ["RunFolder"]

logger = logging.getLogger("propulate")


class RunFolder:
    """Opens, checks and locks the folder of a run; for one rank of a job.

    Parameters
    ----------
    folder : Path
    resume : {"auto", "must", "never"}
    """

    def __init__(self, folder: Path, resume: str) -> None:
        self.folder, self.resume = folder, resume
        self._lock = -1

    def peek(self, header: dict[str, Any]) -> History:
        """What earlier sessions did, without a lock; nothing if they are not to be continued."""
        history = History() if self.resume == "never" else read_history(self.folder)
        self._check(history.header, header)
        return history

    def open(self, header: dict[str, Any]) -> History:
        """What earlier sessions did.

        Raises
        ------
        RuntimeError
            If another job is at work here.
        ValueError
            If the earlier sessions had another problem than `header` describes.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self.folder / "lock", os.O_CREAT | os.O_WRONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.close()
            raise RuntimeError(
                f"another job is searching in {self.folder}; give this one another name= or "
                "checkpoint_path="
            ) from None
        try:
            if self.resume == "never":
                self._set_aside()
            history = read_history(self.folder)
            self._check(history.header, header)
        except BaseException:
            self.close()
            raise
        return history

    def close(self) -> None:
        """Let other jobs in."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _check(self, there: dict[str, Any], here: dict[str, Any]) -> None:
        if not there:
            if self.resume == "must":
                raise FileNotFoundError(f"there is no run to continue in {self.folder}")
            return
        for key in ("space", "signs", "problem_id"):
            if there[key] != here[key]:
                raise ValueError(
                    f"the run in {self.folder} has another {key}; choose another name=, or "
                    "resume='never' with initial=load_result(folder) to begin with what was found:"
                    f"\n  there: {there[key]}\n  here:  {here[key]}"
                )
        if there["loss_fn"] != here["loss_fn"]:
            names = there["loss_fn"], here["loss_fn"]
            logger.warning(
                "the run in %s was made with %s, it goes on with %s", self.folder, *names
            )

    def _set_aside(self) -> None:
        """Keep the files of an earlier run under another name."""
        journal = self.folder / "journal"
        if journal.exists():
            number = sum(1 for _ in self.folder.glob("journal-*"))
            journal.rename(self.folder / f"journal-{number}")
