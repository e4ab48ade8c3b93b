"""The runner of the benchmarks."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools.bench import __main__ as bench
from tools.workspace import ROOT

SCRIPT = """
import argparse, json
from mpi4py import MPI
RANKS = 2
parser = argparse.ArgumentParser()
parser.add_argument("--quick", action="store_true")
parser.add_argument("--json")
given = parser.parse_args()
size = MPI.COMM_WORLD.size
if MPI.COMM_WORLD.rank == 0:
    json.dump({"ranks": size, "quick": given.quick}, open(given.json, "w"))
"""


def test_a_benchmark_runs_on_the_ranks_it_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "benchmarks" / "daso"
    folder.mkdir(parents=True)
    (folder / "speed.py").write_text(SCRIPT)
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    assert bench.main(["daso", "--quick"]) == 0
    result = json.loads((tmp_path / "results" / "daso" / "speed.json").read_text())
    assert result == {"ranks": 2, "quick": True}


def test_a_failed_benchmark_fails_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "benchmarks" / "daso"
    folder.mkdir(parents=True)
    (folder / "speed.py").write_text("raise SystemExit(1)\n")
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    assert bench.main(["daso"]) == 1
    assert bench.main(["f3"]) == 1  # has none


def test_the_scripts_of_the_workspace_name_what_exists() -> None:
    for tool in ("testing", "lint", "release", "release.build", "bench"):
        command = [sys.executable, "-m", f"tools.{tool}", "--help"]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
