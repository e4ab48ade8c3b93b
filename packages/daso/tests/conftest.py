"""Programs under mpirun and torchrun, and the folder of the tests on the path."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

Run = Callable[..., subprocess.CompletedProcess[str]]


def _launcher() -> list[str]:
    if "HPC_ML_MPIRUN" in os.environ:
        return shlex.split(os.environ["HPC_ML_MPIRUN"])
    beside = Path(sys.executable).with_name("mpirun")
    return [str(beside) if beside.exists() else shutil.which("mpirun") or "mpirun"]


def _environment(extra: dict[str, str]) -> dict[str, str]:
    # a parent's MPI environment must not reach the child
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PMI", "OMPI_COMM", "PMIX"))}
    path = os.pathsep.join([str(Path(__file__).parent), kept.get("PYTHONPATH", "")])
    return kept | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path} | extra


@pytest.fixture
def mpirun(tmp_path: Path) -> Run:
    """Run a program text on n ranks; a hang fails the test."""

    def run(n: int, program: str, *, timeout: float = 120, **environment: str):
        script = tmp_path / "program.py"
        script.write_text(textwrap.dedent(program))
        return subprocess.run(
            [*_launcher(), "-n", str(n), sys.executable, str(script)],
            env=_environment(environment),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture
def torchrun(tmp_path: Path) -> Run:
    """Run a program text on n processes of torch.distributed; a hang fails the test."""

    def run(n: int, program: str, *, timeout: float = 120, **environment: str):
        script = tmp_path / "program.py"
        script.write_text(textwrap.dedent(program))
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        return subprocess.run(
            [*command, f"--nproc-per-node={n}", str(script)],
            env=_environment(environment),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run
