"""The workers of one library on some ranks, started once and asked row by row."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from threading import Thread

from cases.worker import Job, Times

__all__ = ["Crew", "Side", "sides"]

_FOLDER = Path(__file__).parents[1]
_ATTEMPTS = 3
_LIMIT = 120.0  # seconds for one case, after which the workers are replaced


@dataclass(frozen=True)
class Side:
    """A column of the table: a library on a number of ranks.

    Parameters
    ----------
    library : str
    ranks : int
    python : str
        The interpreter that has the library.
    """

    library: str
    ranks: int
    python: str

    @property
    def name(self) -> str:
        """The head of the column."""
        shared = {"numpy": "NumPy", "torch": "torch", "dask": "dask"}
        shared |= {"halves": f"{self.ranks} x torch", "apart": f"{self.ranks} apart"}
        return shared.get(self.library, f"{self.library.replace('_', '-')} {self.ranks}")


class Crew:
    """The processes behind a column."""

    def __init__(self, side: Side, launcher: Sequence[str]) -> None:
        self.side = side
        self._launcher = launcher
        self._start()

    def _start(self) -> None:
        for _ in range(_ATTEMPTS):
            self._launch()
            if len(self._connections) == self.side.ranks:
                return
            self._process.kill()
            self._process.wait()
        raise RuntimeError("the workers did not start")

    def _launch(self) -> None:
        side, key = self.side, secrets.token_bytes(16)
        with tempfile.TemporaryDirectory() as folder:
            address = str(Path(folder) / "socket")
            with Listener(address, "AF_UNIX", backlog=side.ranks, authkey=key) as listener:
                command = [side.python, "-m", "cases.worker", side.library, address, key.hex()]
                if side.ranks > 1:
                    command = [*self._launcher, "-n", str(side.ranks), *command]
                self._process = subprocess.Popen(command, cwd=_FOLDER, env=_environment(side))
                self._connections: list[Connection] = []
                # In a thread, since nobody comes if the library cannot be loaded.
                waiting = Thread(target=self._accept, args=(listener,), daemon=True)
                waiting.start()
                waiting.join(_LIMIT)

    def _accept(self, listener: Listener) -> None:
        with contextlib.suppress(OSError, EOFError, AuthenticationError):
            arrived = [listener.accept() for _ in range(self.side.ranks)]
            for connection in arrived:
                connection.recv()
            self._connections = arrived

    def measure(self, job: Job) -> list[float] | str:
        """Milliseconds of rounds, of which the slowest rank counts; or an error.

        Workers that die or give no answer are replaced.
        """
        try:
            answers = self._answers(job)
        except (OSError, EOFError) as error:
            answers = None
            reason = f"the workers died: {error!r}"
        else:
            reason = f"no answer within {_LIMIT:.0f} s"
        if answers is None:
            self._process.kill()
            self._process.wait()
            self._start()
            return reason
        if errors := [answer.error for answer in answers if answer.error]:
            return errors[0]
        return list(map(max, zip(*(a.rounds for a in answers), strict=True)))

    def _answers(self, job: Job) -> list[Times] | None:
        """What the ranks measured; None if they take too long."""
        for connection in self._connections:
            connection.send(job)
        end, answers = time.monotonic() + _LIMIT, list[Times]()
        for connection in self._connections:
            if not connection.poll(max(0.0, end - time.monotonic())):
                return None
            answers.append(connection.recv())
        return answers

    def stop(self) -> None:
        """End the processes."""
        with contextlib.suppress(OSError):
            for connection in self._connections:
                connection.send(None)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()


def _environment(side: Side) -> dict[str, str]:
    """One thread a rank; torch asks for huge pages, as NumPy does and heat-core by itself."""
    given = {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    if side.library in ("torch", "halves"):
        given["THP_MEM_ALLOC_ENABLE"] = "1"
    path = os.pathsep.join([str(_FOLDER), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, **given, "PYTHONPATH": path}


def interpreter_has(python: str, module: str) -> bool:
    """Whether an interpreter can import a module."""
    command = [python, "-c", f"import {module}"]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def sides(ranks: Sequence[int], peers: str) -> tuple[list[Side], list[str]]:
    """The columns that can be measured here, and remarks about those that can't."""
    own = sys.executable
    found, missing = [Side("heat_core", n, own) for n in ranks], []
    found += [Side("numpy", 1, own), Side("torch", 1, own)]
    found += [Side("halves", n, own) for n in ranks if n > 1]
    for library, module, numbers in (("dask", "dask.array", (1,)), ("original", "heat", ranks)):
        python = next((p for p in (peers, own) if p and interpreter_has(p, module)), None)
        if python is None:
            missing.append(f"{library}: no module {module} here nor in --peers, left out")
        else:
            found += [Side(library, n, python) for n in numbers]
    return found, missing
