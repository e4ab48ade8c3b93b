"""The only door to the outside: files, commands, vendor modules, clocks.

Every backend reads through an `Environment`, so that each can be tested without its hardware: with
``ENERGYMETER_SYSROOT``, ``ENERGYMETER_COMMANDS`` and ``ENERGYMETER_PYMODULES`` files, commands and
Python modules come from other folders. Reports then say so.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

__all__ = ["REDIRECTIONS", "Environment"]

REDIRECTIONS = (
    "ENERGYMETER_SYSROOT",
    "ENERGYMETER_COMMANDS",
    "ENERGYMETER_PYMODULES",
    "ENERGYMETER_WAVES",
)


class Environment:
    """Files below a root, commands, modules and clocks.

    Parameters
    ----------
    environ : mapping, optional
        Environment variables; default: the process's.

    Examples
    --------
    >>> Environment({"ENERGYMETER_SYSROOT": "/tmp/fake"}).path("/proc/stat")
    '/tmp/fake/proc/stat'
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self.environ = os.environ if environ is None else environ
        self.sysroot = self.environ.get("ENERGYMETER_SYSROOT", "").rstrip("/")
        self.commands = self.environ.get("ENERGYMETER_COMMANDS", "")
        self.modules = self.environ.get("ENERGYMETER_PYMODULES", "")
        self._offset = int(self.environ.get("ENERGYMETER_TEST_CLOCK_OFFSET_NS", "0"))

    @property
    def redirected(self) -> tuple[str, ...]:
        """Names of the variables by which sensors are redirected here."""
        return tuple(name for name in REDIRECTIONS if self.environ.get(name))

    def path(self, path: str) -> str:
        """Where an absolute path is really found."""
        return self.sysroot + path

    def read_text(self, path: str, default: str | None = None) -> str:
        """A small file's text, stripped; `default`, if given, where it cannot be read."""
        try:
            with Path(self.path(path)).open("rb") as file:
                return file.read(65536).decode(errors="replace").strip()
        except OSError:
            if default is None:
                raise
            return default

    def listdir(self, path: str) -> list[str]:
        """Sorted names in a folder; empty if it is not there."""
        try:
            return sorted(entry.name for entry in Path(self.path(path)).iterdir())
        except OSError:
            return []

    def exists(self, path: str) -> bool:
        """Whether there is such a file."""
        return Path(self.path(path)).exists()

    def open_fd(self, path: str) -> int:
        """A descriptor for reading."""
        return os.open(self.path(path), os.O_RDONLY | os.O_CLOEXEC)

    def run(self, argv: Sequence[str], timeout: float) -> tuple[int, str, str]:
        """Run a command: (exit status, output, errors).

        Raises
        ------
        FileNotFoundError
            If there is no such command.
        TimeoutError
            If it takes longer than `timeout` seconds; it is ended, with its children.
        """
        import signal
        import subprocess

        path = os.pathsep.join(filter(None, [self.commands, self.environ.get("PATH", os.defpath)]))
        with subprocess.Popen(  # noqa: S603 - backends' commands, and the user's own
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**self.environ, "PATH": path, "LC_ALL": "C"},
            start_new_session=True,
        ) as process:
            try:
                output, errors = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise TimeoutError(f"{argv[0]} took longer than {timeout:g} s") from None
        return process.returncode, output, errors

    def has_command(self, name: str) -> bool:
        """Whether there is such a command."""
        import shutil

        path = os.pathsep.join(filter(None, [self.commands, self.environ.get("PATH", os.defpath)]))
        return shutil.which(name, path=path) is not None

    def import_module(self, name: str) -> ModuleType:
        """Import a vendor module; raises ImportError."""
        if self.modules and self.modules not in sys.path:
            sys.path.insert(0, self.modules)
        return importlib.import_module(name)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def monotonic_ns(self) -> int:
        """Time of this node for all stamps, in ns."""
        return time.monotonic_ns() + self._offset

    def realtime_ns(self) -> int:
        """Time of day in ns since 1970."""
        return time.time_ns()

    def cpu_count(self) -> int:
        """Logical CPUs of the node (not only those that this process may use)."""
        lines = self.read_text("/proc/stat", "").splitlines()
        found = sum(line.startswith("cpu") and line[3:4].isdigit() for line in lines)
        return found or os.cpu_count() or 1
