"""The demo runs and says so; whatever goes wrong, it says so too, soon, and leaves no process."""

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tools.demo.data import bundled_data
from tools.testing.launch import child_environment, launcher
from tools.workspace import ROOT

pytestmark = pytest.mark.timeout(120)  # two cores may have other work, too

SOON = 5.0  # seconds from an event to the end of the job
RANK_ONE = (b"PMI_RANK=1", b"PMIX_RANK=1", b"OMPI_COMM_WORLD_RANK=1")
needs_proc = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="reads /proc")

# runs as every rank's program; what it does, it does in the place of the user's bad luck
SCRIPT = """
import builtins, io, pathlib, sys, time
import mpi_utils
from tools.demo import job, stages
rank = mpi_utils.world().rank
def happens():
    pathlib.Path("event").write_text(str(time.time()))
{body}
sys.exit(job.main())
"""


@dataclass
class Job:
    """A running demo, marked so that all its processes can be found."""

    folder: Path
    command: list[str]
    mark: str = field(default_factory=lambda: f"HPC_ML_TEST={uuid.uuid4().hex}")

    def __post_init__(self) -> None:
        name, _, value = self.mark.partition("=")
        paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        self.process = subprocess.Popen(
            self.command,
            cwd=self.folder,
            env={**child_environment(1), "PYTHONPATH": paths, name: value},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def result(self) -> tuple[int, str]:
        output, _ = self.process.communicate(timeout=100)
        self.ended = time.time()
        return self.process.returncode, output

    def wait_for(self, text: str) -> None:
        assert self.process.stdout is not None
        assert any(text in line for line in self.process.stdout)

    def processes(self) -> dict[int, list[bytes]]:
        """The environment of each process by its number."""
        found = {}
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                variables = path.read_bytes().split(b"\0")
            except OSError:  # it has just ended, or is another user's
                continue
            if self.mark.encode() in variables:
                found[int(path.parent.name)] = variables
        return found

    def leaves_nothing(self) -> bool:
        limit = time.time() + 2  # a killed process takes a moment to go
        while self.processes() and time.time() < limit:
            time.sleep(0.05)
        return not self.processes()


def demo(folder: Path, *options: str) -> Job:
    return Job(folder, [sys.executable, "-m", "tools.demo", *options])


def patched(folder: Path, body: str, *options: str) -> Job:
    (folder / "patched.py").write_text(SCRIPT.format(body=body))
    return Job(folder, [*launcher(), "-n", "2", sys.executable, "patched.py", *options])


def errors(output: str) -> list[str]:
    return [line for line in output.splitlines() if line.startswith("error: ")]


def cells(report: str, package: str = "") -> list[list[str]]:
    """The tables of all stages, or of those of a package."""
    heading = re.compile(rf'class="faint">{package}[^<]* · ')
    stages = filter(heading.search, report.split("</section>"))
    rows = re.findall(r"<tr>(<td.*?)</tr>", "".join(stages))
    return [re.findall(r"<td[^>]*>(?:<span[^>]*>)?(.*?)<", row) for row in rows]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of two ranks, in a folder with a space."""
    folder = tmp_path_factory.mktemp("a place")
    status, output = demo(folder).result()
    assert status == 0, output
    lines = output.splitlines()
    assert lines[0] == "hpc-ml demo on 2 ranks"
    assert lines[-1] == "report: hpc-ml-demo/report.html"
    assert " NO " not in output
    return (folder / "hpc-ml-demo" / "report.html").read_text()


def test_all_results_are_ok(page: str) -> None:
    rows = cells(page)
    assert len(rows) >= 40
    assert all(row[-1] == "ok" for row in rows)


def test_the_report_needs_nothing_else(page: str) -> None:
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!#|data:)[^"']*""", page)
    assert not re.findall(r"url\((?!#)|@import|<script|<link", page)
    assert page.count("<svg") >= 5
    ids = re.findall(r'\sid="([^"]*)"', page)
    assert len(ids) == len(set(ids))


def test_arrays_have_the_same_results_on_one_rank(page: str, tmp_path: Path) -> None:
    status, output = demo(tmp_path, "-n", "1", "--output", "out").result()
    assert status == 0, output
    rows = cells((tmp_path / "out" / "report.html").read_text(), "heat-core")
    assert len(rows) >= 15
    assert [row[:4] for row in rows] == [row[:4] for row in cells(page, "heat-core")]


def test_a_failed_check_fails_the_demo(tmp_path: Path) -> None:
    body = """
from tools.demo.stage import Checked, Row
load = stages.STAGES[0]
type(load).check = lambda *_: Checked((Row("one", "1", "2", "a sum", 1.0),))
stages.STAGES = (load,)
"""
    status, output = patched(tmp_path, body).result()
    assert status == 1
    assert "checks failed in: load" in output
    assert "failed</span>" in (tmp_path / "hpc-ml-demo" / "report.html").read_text()


@needs_proc
def test_a_killed_rank_ends_the_demo(tmp_path: Path) -> None:
    job = demo(tmp_path)
    job.wait_for("[1/")
    ranks = [pid for pid, variables in job.processes().items() if {*variables} & {*RANK_ONE}]
    killed = time.time()
    for pid in ranks:
        os.kill(pid, signal.SIGKILL)
    status, output = job.result()
    assert ranks
    assert status not in (0, 1, 2)
    assert errors(output) == ["error: a rank was killed before the demo was done"]
    assert job.ended - killed < SOON
    assert job.leaves_nothing()


@needs_proc
def test_who_ends_the_launcher_ends_the_ranks(tmp_path: Path) -> None:
    job = demo(tmp_path)
    job.wait_for("[1/")
    ended = time.time()
    job.process.terminate()
    status, _ = job.result()
    assert status == 128 + signal.SIGTERM
    assert job.ended - ended < SOON
    assert job.leaves_nothing()


@needs_proc
def test_an_exception_on_one_rank_ends_the_demo(tmp_path: Path) -> None:
    body = """
def run(*_):
    if rank == 1:
        happens()
        raise RuntimeError("no luck")
    mpi_utils.world().barrier()
type(stages.STAGES[0]).run = run
"""
    job = patched(tmp_path, body)
    status, output = job.result()
    assert status != 0
    assert "rank 1 of 2 died:" in output
    assert output.count("RuntimeError: no luck") == 1
    assert job.ended - float((tmp_path / "event").read_text()) < SOON
    assert job.leaves_nothing()


@needs_proc
def test_a_file_that_one_rank_cannot_read(tmp_path: Path) -> None:
    body = """
def fails(file, *rest, real=builtins.open, **options):
    if rank == 1 and str(file).endswith("sf-temps.csv"):
        happens()
        raise PermissionError(13, "Permission denied", str(file))
    return real(file, *rest, **options)
builtins.open = io.open = fails  # pathlib opens by io.open
"""
    job = patched(tmp_path, body)
    status, output = job.result()
    assert status == 2
    (line,) = errors(output)
    assert "Permission denied" in line
    assert "sf-temps.csv" in line
    assert line.endswith("(on rank 1)")
    assert "Traceback" not in output
    assert job.ended - float((tmp_path / "event").read_text()) < SOON
    assert job.leaves_nothing()


def broken_data(folder: Path) -> Path:
    data = folder / "data"
    data.mkdir()
    for file in bundled_data().glob("*-temps.csv"):
        (data / file.name).write_bytes(file.read_bytes())
    with (data / "sf-temps.csv").open("a") as table:
        table.write("warm,2010/12/31 23:30:00\n")
    return data


def test_a_file_with_something_else(tmp_path: Path) -> None:
    status, output = demo(tmp_path, "--data", str(broken_data(tmp_path))).result()
    assert status == 2
    (line,) = errors(output)
    assert "sf-temps.csv" in line
    assert "'warm'" in line
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--data", "nowhere"), "No such file or directory: nowhere/seattle-temps.csv"),
        (("--output", "file/below"), "Not a directory: file/below"),
    ],
)
def test_wrong_folders(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    (tmp_path / "file").touch()
    began = time.time()
    job = demo(tmp_path, *options)
    status, output = job.result()
    assert (status, output) == (2, f"error: {message}\n")
    assert job.ended - began < SOON


def test_no_mpirun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPC_ML_MPIRUN", "/nowhere/mpirun")
    status, output = demo(tmp_path).result()
    assert status == 2
    assert output == "error: [Errno 2] No such file or directory: '/nowhere/mpirun'\n"
