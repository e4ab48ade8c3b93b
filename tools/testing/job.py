"""Run pytest on N ranks, watch it through its records, and end it when it cannot end by itself.

Several jobs can run side by side; each is a pytest session with a folder of records of its own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tools.testing.launch import child_environment, cores, launcher
from tools.testing.records import RankLog
from tools.testing.verdict import Detail, Stop, TestResult, judge, judge_job, why_stop
from tools.workspace import ROOT

__all__ = ["JobResult", "Options", "run_job", "run_jobs"]

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

    @property
    def failed(self) -> bool:
        """Whether a test failed, or something outside the tests."""
        return bool(self.problems) or any(test.state == "failed" for test in self.tests)


def run_job(targets: Sequence[str], ranks: int, options: Options) -> JobResult:
    """Run the targets' tests for this number of ranks as one job."""
    return run_jobs([targets], ranks, options)


def run_jobs(
    groups: Iterable[Sequence[str]], ranks: int, options: Options, at_once: int = 1
) -> JobResult:
    """Run one job for each group of targets, `at_once` of them side by side, and join the results.

    A dot for each finished test goes to the terminal.
    """
    waiting = deque(groups)
    running: list[_Job] = []
    results: list[JobResult] = []
    dots = _Dots()
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                running.append(_Job(waiting.popleft(), ranks, options, at_once))
            for job in running.copy():
                ended = job.has_ended()
                dots.show(job.news())
                if ended:
                    running.remove(job)
                    results.append(job.close())
                    if options.stop_at_first and results[-1].failed:
                        waiting.clear()
            time.sleep(POLL if running else 0)
    finally:
        for job in running:
            job.close()
    return JobResult(
        ranks,
        tuple(test for result in results for test in result.tests),
        tuple(problem for result in results for problem in result.problems),
        frozenset().union(*(result.ranks_wanted for result in results)),
    )


class _Dots:
    """The progress on the terminal, in lines of 80 characters whoever writes them."""

    def __init__(self) -> None:
        self.column = 0

    def show(self, symbols: str) -> None:
        for symbol in symbols:
            sys.stdout.write(symbol if self.column % 80 or not self.column else f"\n{symbol}")
            self.column += 1
        sys.stdout.flush()


class _Job:
    """One pytest session on some ranks, started on construction."""

    def __init__(self, targets: Sequence[str], ranks: int, options: Options, at_once: int) -> None:
        # a short path: MPI libraries put sockets below it, whose names have 107 characters at most
        self._temporary = tempfile.TemporaryDirectory(prefix="hpc-ml-")
        self.folder, self.ranks, self.options = Path(self._temporary.name), ranks, options
        self.logs = [RankLog(rank, time.monotonic()) for rank in range(ranks)]
        self._shown: set[str] = set()
        self._stop: Stop | None = None
        environment = child_environment(ranks)
        if at_once > 1:
            environment.setdefault("OMP_NUM_THREADS", str(max(1, cores() // at_once)))
        with (self.folder / "launcher.out").open("wb") as output:
            self._process = subprocess.Popen(
                self._command(targets),
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def has_ended(self) -> bool:
        """Whether the session is over, or has just been given up."""
        ended = self._process.poll() is not None
        for log in self.logs:
            log.update(self.folder)
        if not ended:
            self._stop = why_stop(self.logs, time.monotonic(), self.options.grace)
            if self._stop is not None:
                self._ask_for_stacks()
        return ended or self._stop is not None

    def news(self) -> str:
        """A symbol for each test that rank 0 has finished since the last call."""
        log = self.logs[0]
        new = log.finished - self._shown
        self._shown |= new
        return "".join("F" if log.failure(t) else "s" if log.skipped(t) else "." for t in new)

    def close(self) -> JobResult:
        """End what still runs, and judge what is known."""
        try:
            self._end(self._process)
            tests = judge(self.logs, self._stop, self._evidence)
            problems = judge_job(self.logs, self._stop, self._evidence)
        finally:
            self._temporary.cleanup()
        wanted = frozenset(n for log in self.logs for n in log.ranks_wanted)
        return JobResult(self.ranks, tuple(tests), problems, wanted)

    def _command(self, targets: Sequence[str]) -> list[str]:
        options = self.options
        rank = [sys.executable, "-m", "tools.testing.rank", str(self.folder), sys.executable]
        coverage = ["-m", "coverage", "run", "--parallel-mode"] if options.coverage else []
        pytest = ["-m", "pytest", "-c", str(ROOT / "pyproject.toml")]
        pytest += [f"--rootdir={os.path.commonpath([ROOT, *map(os.path.abspath, targets)])}"]
        plugins = ["-p", "tools.testing.plugin", "-p", "no:cacheprovider", "-p", "no:randomly"]
        # the runner itself reports
        output = ["-qq", "--no-header", "--no-summary", "--tb=short", "--color=no"]
        output += ["--continue-on-collection-errors", "--disable-warnings"]
        chosen = [f"--records={self.folder}", f"--timeout={options.timeout:g}"]
        chosen += ["-k", options.select] if options.select else []
        chosen += ["--stop-together"] if options.stop_at_first else []
        mpirun = [*launcher(), "-n", str(self.ranks)] if self.ranks > 1 else []
        return [*mpirun, *rank, *coverage, *pytest, *plugins, *output, *chosen, *targets]

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
