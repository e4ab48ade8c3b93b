"""The runner of the benchmarks."""

import subprocess
import sys
from pathlib import Path

import pytest

from tools.bench import __main__ as bench
from tools.bench.results import Run, moved, unsupported
from tools.workspace import ROOT, packages

SCRIPT = """
'''A test.'''
import argparse, json
from mpi4py import MPI
RANKS = 2
parser = argparse.ArgumentParser()
parser.add_argument("--quick", action="store_true")
parser.add_argument("--json")
given = parser.parse_args()
size = MPI.COMM_WORLD.size
if MPI.COMM_WORLD.rank == 0:
    json.dump({"ranks": size, "rows": [{"case": "sum", "ratio": 2.0}]}, open(given.json, "w"))
    print("sum twice as fast")
"""


def test_a_benchmark_runs_on_the_ranks_it_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "benchmarks" / "daso"
    folder.mkdir(parents=True)
    (folder / "speed.py").write_text(SCRIPT)
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    assert bench.main(["daso", "--quick"]) == 0
    run = Run.load(tmp_path / "results" / "daso" / "speed.json")
    assert run.figures["ranks"] == 2
    assert run.command == "mpirun -n 2 python benchmarks/daso/speed.py --quick"
    assert (run.title, run.table) == ("A test", "sum twice as fast\n")


def test_recorded_runs_make_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "benchmarks" / "daso"
    folder.mkdir(parents=True)
    (folder / "speed.py").write_text(SCRIPT)
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    assert bench.main(["daso", "--quick", "-n", "1", "--record"]) == 0
    page = (tmp_path / "benchmarks" / "RESULTS.md").read_text()
    assert "### speed.py --quick\n\nA test" in page
    assert "`python benchmarks/daso/speed.py --quick`" in page
    assert "```text\nsum twice as fast\n```" in page


def test_ratios_that_moved_are_named() -> None:
    def run(ratio: float, command: str = "x") -> Run:
        figures = {"seconds": 1.0, "rows": [{"case": "sum", "ratio": ratio}]}
        return Run(command, "t", "2026-11-01", "m", "v", "", figures)

    assert moved(run(2.0), run(2.4)) == []
    assert moved(run(2.0), run(3.0)) == ["rows / sum / ratio: 2 on 2026-11-01, now 3"]
    assert moved(run(3.0), run(2.0)) == ["rows / sum / ratio: 3 on 2026-11-01, now 2"]
    assert moved(run(3.0), run(2.0, "another")) == []


def test_a_failed_benchmark_fails_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "benchmarks" / "daso"
    folder.mkdir(parents=True)
    (folder / "speed.py").write_text("raise SystemExit(1)\n")
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    assert bench.main(["daso"]) == 1
    assert bench.main(["f3"]) == 1  # has none


def test_a_benchmark_of_what_is_not_here_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "benchmarks" / "daso"
    folder.mkdir(parents=True)
    (folder / "gpu.py").write_text("raise SystemExit(77)\n")
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    assert bench.main(["daso", "--record"]) == 0
    assert not list(tmp_path.rglob("gpu.json"))


def test_the_scripts_of_the_workspace_name_what_exists() -> None:
    for tool in ("testing", "lint", "release", "release.build", "bench"):
        command = [sys.executable, "-m", f"tools.{tool}", "--help"]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


README = """
`python benchmarks/daso/speed.py`:

| case | seconds | ratio |
|---|--:|--:|
| 4 ranks | 1,200 | 2.5 |

## Another chapter

| n | 17 |
|---|---|
| n | 17 |
"""


def test_figures_of_a_readme_are_those_of_the_results() -> None:
    def run(table: str) -> Run:
        return Run("python benchmarks/daso/speed.py", "t", "2026-11-01", "m", "v", table, {})

    assert unsupported(README, [run("4 ranks: 1200 s, 2.4996 times")]) == []
    assert unsupported(README, [run("4 ranks: 1200 s, 2.56")]) == ["benchmarks/daso/speed.py: 2.5"]
    assert unsupported(README, []) == []
    overview = "| daso | 3.1 times as fast ([speed.py](benchmarks/daso/speed.py)) |"
    assert unsupported(overview, [run("3.06 times")]) == []
    assert unsupported(overview, [run("2.06 times")]) == ["benchmarks/daso/speed.py: 3.1"]


@pytest.mark.parametrize(
    "readme", [ROOT / "README.md", *(p.readme for p in packages())], ids=lambda p: p.parent.name
)
def test_readmes_say_what_was_measured(readme: Path) -> None:
    runs = [Run.load(path) for path in (ROOT / "benchmarks" / "results").rglob("*.json")]
    assert unsupported(readme.read_text(), runs) == []
