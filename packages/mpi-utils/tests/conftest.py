"""Fixtures: communicators, and programs run under mpirun."""

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

from mpi_utils import Communicator, world


@pytest.fixture
def comm() -> Communicator:
    return world()


def _launcher() -> list[str]:
    if "HPC_ML_MPIRUN" in os.environ:
        return shlex.split(os.environ["HPC_ML_MPIRUN"])
    beside = Path(sys.executable).with_name("mpirun")
    return [str(beside) if beside.exists() else shutil.which("mpirun") or "mpirun"]


@pytest.fixture
def mpirun(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a program text on n ranks; a hang fails the test."""

    def run(
        n: int, program: str, *, timeout: float = 30, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        script = tmp_path / "program.py"
        script.write_text(textwrap.dedent(program))
        # a parent's MPI environment (a test under a launcher) must not reach the child
        clean = {
            k: v for k, v in os.environ.items() if not k.startswith(("PMI", "OMPI_COMM", "PMIX"))
        }
        return subprocess.run(
            [*_launcher(), "-n", str(n), sys.executable, str(script)],
            env=clean | {"OMP_NUM_THREADS": "1"} | environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run
