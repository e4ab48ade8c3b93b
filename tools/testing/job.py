"""Run pytest on N ranks, watch it through its records, and end it when it cannot end by itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tools.testing.launch import child_environment, launcher
from tools.testing.records import RankLog
from tools.testing.verdict import Detail, Stop, TestResult, judge, judge_job, why_stop
from tools.workspace import ROOT

__all__ = ["JobResult", "Options", "run_job"]

POLL = 0.05
TAIL = 40


@dataclass(frozen=True)
class Options:
    """How tests are selected and watched."""

    select: str = ""
    stop_at_first: bool = False
    timeout: float = 60.0
    grace: float = 5.0
    coverage: bool = False


@dataclass(frozen=True)
class JobResult:
    """The outcome of one job."""

    ranks: int
    tests: tuple[TestResult, ...]
    problems: tuple[Detail, ...]
    ranks_wanted: frozenset[int]


def run_job(targets: Sequence[str], ranks: int, options: Options) -> JobResult:
    """Run the targets' tests for this number of ranks, with rank 0's progress on the terminal."""
    # a short path: MPI libraries put sockets below it, whose names have 107 characters at most
    with tempfile.TemporaryDirectory(prefix="hpc-ml-") as name:
        return _Job(Path(name), ranks, options).run(targets)


class _Job:
    def __init__(self, folder: Path, ranks: int, options: Options) -> None:
        self.folder, self.ranks, self.options = folder, ranks, options
        self.logs = [RankLog(rank, time.monotonic()) for rank in range(ranks)]

    def run(self, targets: Sequence[str]) -> JobResult:
        environment = child_environment(self.ranks)
        with (self.folder / "launcher.out").open("wb") as output:
            process = subprocess.Popen(
                self._command(targets),
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            stop = self._watch(process)
        finally:
            self._end(process)
        tests = judge(self.logs, stop, self._evidence)
        problems = judge_job(self.logs, stop, self._evidence)
        wanted = frozenset(n for log in self.logs for n in log.ranks_wanted)
        return JobResult(self.ranks, tuple(tests), problems, wanted)

    def _command(self, targets: Sequence[str]) -> list[str]:
        options = self.options
        rank = [sys.executable, "-m", "tools.testing.rank", str(self.folder), sys.executable]
        coverage = ["-m", "coverage", "run", "--parallel-mode"] if options.coverage else []
        pytest = ["-m", "pytest", "-c", str(ROOT / "pyproject.toml")]
        pytest += [f"--rootdir={os.path.commonpath([ROOT, *map(os.path.abspath, targets)])}"]
        plugins = ["-p", "tools.testing.plugin", "-p", "no:cacheprovider", "-p", "no:randomly"]
        # rank 0's dots only; the runner itself reports
        output = ["-qq", "--no-header", "--no-summary", "--tb=short", "--color=no"]
        output += ["--continue-on-collection-errors", "--disable-warnings"]
        chosen = [f"--records={self.folder}", f"--timeout={options.timeout:g}"]
        chosen += ["-k", options.select] if options.select else []
        chosen += ["--stop-together"] if options.stop_at_first else []
        mpirun = [*launcher(), "-n", str(self.ranks)] if self.ranks > 1 else []
        return [*mpirun, *rank, *coverage, *pytest, *plugins, *output, *chosen, *targets]

    def _watch(self, process: subprocess.Popen[bytes]) -> Stop | None:
        shown: IO[bytes] | None = None
        running = True
        while running:
            running = process.poll() is None
            for log in self.logs:
                log.update(self.folder)
            if shown is None and (self.folder / "rank0.out").exists():
                shown = (self.folder / "rank0.out").open("rb")
            if shown is not None:
                sys.stdout.write(shown.read().decode(errors="replace"))
                sys.stdout.flush()
            stop = why_stop(self.logs, time.monotonic(), self.options.grace) if running else None
            if stop is not None:
                self._ask_for_stacks()
                return stop
            time.sleep(POLL if running else 0)
        return None

    def _ask_for_stacks(self) -> None:
        for log in self.logs:
            if log.current and log.exit_status is None:
                _signal(log.pids[0], signal.SIGUSR2)
        time.sleep(0.5)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """Leave no process behind, whatever the launcher does."""
        pids = [pid for log in self.logs if log.exit_status is None for pid in log.pids]
        if process.poll() is None:
            process.terminate()  # lets the launcher remove its sockets and shared memory
            try:
                process.wait(timeout=3)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        for pid in pids:
            _signal(pid, signal.SIGKILL)

    def _evidence(self, rank: int) -> str:
        """The stack of a rank that hangs, or else the last lines that it or the launcher wrote."""
        for name in (f"rank{rank}.stack", f"rank{rank}.out", "launcher.out"):
            path = self.folder / name
            text = path.read_text(errors="replace").strip() if path.exists() else ""
            if frames := _test_frames(text):
                return frames
            if text and path.suffix == ".out":
                return "\n".join(text.splitlines()[-TAIL:])
        return ""


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _test_frames(dump: str) -> str:
    """The part of a dump of faulthandler that is the test's: below pytest's frames."""
    for thread in dump.split("\n\n"):
        if "(most recent call first)" in thread and "_pytest" in thread:
            lines = thread.splitlines()
            end = next(i for i, line in enumerate(lines) if "_pytest" in line)
            return "\n".join(lines[1:end])
    return ""
