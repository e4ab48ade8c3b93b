"""A pytest plugin that records what each rank does; ``job`` loads it with ``-p``.

Tests for another number of ranks than the running one are deselected. After each test all ranks
agree on its outcome before fixtures are torn down: without that, a rank that failed would meet the
others, which still compute, in mpi-pytest's barrier, and one collective would match another. The
agreement never gives up: the runner sees from the records who waits for whom, and ends the job.
"""

from __future__ import annotations

import faulthandler
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mpi4py import MPI

from tools.testing.records import Recorder

__all__ = ["RankPlugin", "pytest_addoption", "pytest_configure"]

PARALLEL_MARKER = re.compile(r"parallel\[(\d+)\]")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that the runner passes."""
    group = parser.getgroup("ranks")
    group.addoption("--records", type=Path, help="folder for the records of all ranks")
    group.addoption("--stop-together", action="store_true", help="-x, agreed among the ranks")


def pytest_configure(config: pytest.Config) -> None:
    """Start recording, and make random draws the same on all ranks."""
    config.pluginmanager.register(RankPlugin(config), "ranks")
    try:
        from hypothesis import settings
    except ImportError:
        return
    settings.register_profile("ranks", derandomize=True, database=None, deadline=None)
    settings.load_profile("ranks")


class RankPlugin:
    """Records one rank's session."""

    def __init__(self, config: pytest.Config) -> None:
        folder: Path = config.getoption("--records")
        self.stop_together = bool(config.getoption("--stop-together"))
        self.comm = MPI.COMM_WORLD.Dup()
        self.recorder = Recorder(folder, self.comm.rank)
        self.failed = False
        # the runner asks for the stacks of ranks that hang; works inside blocking C calls as well
        self.stacks = (folder / f"rank{self.comm.rank}.stack").open("w")
        faulthandler.register(signal.SIGUSR2, file=self.stacks, all_threads=True)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Keep the tests for the running number of ranks."""
        wanted = [_ranks_wanted(item) for item in items]
        mine = [item for item, n in zip(items, wanted, strict=True) if n == self.comm.size]
        others = [item for item, n in zip(items, wanted, strict=True) if n != self.comm.size]
        config.hook.pytest_deselected(items=others)
        items[:] = mine
        names = [item.nodeid for item in items]
        self.recorder.write("collected", selected=names, ranks_wanted=sorted(set(wanted)))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Refuse to go on when the ranks would run different tests, which would deadlock."""
        names = self.comm.allgather([item.nodeid for item in session.items])
        odd = [rank for rank, theirs in enumerate(names) if theirs != names[0]]
        if odd:
            different = sorted(set(names[0]).symmetric_difference(names[odd[0]]))
            raise pytest.UsageError(
                f"ranks {odd} collected other tests than rank 0; make parameters the same on all "
                f"ranks: {different[:3] or 'their order differs'}"
            )

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Record files that cannot be collected."""
        if report.failed:
            self._write_report(report.nodeid, "collect", "failed", report.longreprtext)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Record the start of a test."""
        self.failed = False
        self.recorder.write("started", test=nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record the outcome of a phase, with its failure text and captured output."""
        text = "\n".join([report.longreprtext, *(f"--- {t} ---\n{s}" for t, s in report.sections)])
        self.failed = self.failed or report.failed
        self._write_report(report.nodeid, report.when, report.outcome, text)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Record the end of a test."""
        self.recorder.write("finished", test=nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_timeout_set_timer(self, settings: Any) -> bool:
        """Leave the watch over pytest-timeout's limit to the runner, which sees all ranks."""
        self.recorder.write("limit", seconds=settings.timeout)
        return True

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Iterator[None]:
        """Let all ranks agree on the outcome before fixtures are torn down."""
        mine, anyone = np.array([self.failed]), np.empty(1, dtype=bool)
        request = self.comm.Iallreduce(mine, anyone, MPI.LOR)
        while not request.Test():
            time.sleep(0.001)  # a spinning wait would take the core from a rank that computes
        if anyone[0] and self.stop_together:
            item.session.shouldfail = "stopping after the first failure"
        return (yield)

    def pytest_sessionfinish(self) -> None:
        """Record that the session ran to its end."""
        self.recorder.write("ended")

    def _write_report(self, test: str, phase: str | None, outcome: str, text: str) -> None:
        self.recorder.write("report", test=test, phase=phase, outcome=outcome, text=text.rstrip())


def _ranks_wanted(item: pytest.Item) -> int:
    """The number of ranks in the marker ``parallel[N]`` that mpi-pytest put on the test."""
    found = (PARALLEL_MARKER.fullmatch(marker.name) for marker in item.iter_markers())
    return next((int(match[1]) for match in found if match), 1)
