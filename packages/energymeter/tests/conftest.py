"""Running the command in an empty folder, with sources of known energy."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from energymeter.config import MeterConfig
from energymeter.run import Run, latest_run, load
from energymeter.wrapper import Launch, launch

LAUNCHED = ("PMI_", "PMIX_", "OMPI_", "HYDI_", "HYDRA_", "MPI_LOCAL", "SLURM_", "ENERGYMETER_")


def clean_environment() -> dict[str, str]:
    """Without what the test runner's own launcher has told this process."""
    return {name: value for name, value in os.environ.items() if not name.startswith(LAUNCHED)}


@dataclass
class Place:
    """A folder with scripts, and the command in it."""

    path: Path
    environ: dict[str, str]

    def script(self, text: str, name: str = "app.py") -> str:
        (self.path / name).write_text(text)
        return name

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "energymeter", *words]

    def start(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
        environ = {**self.environ, **options.pop("environ", {})}
        return subprocess.Popen(self.command(*words), cwd=self.path, env=environ, **options)

    def run(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        text = options.pop("input", None)
        process = self.start(*words, stdin=subprocess.PIPE, **options)
        output, errors = process.communicate(text, timeout=50)
        return subprocess.CompletedProcess(words, process.returncode, output, errors)

    def latest(self) -> Run:
        return load(latest_run(self.path / "energymeter"))


@pytest.fixture
def agents():
    """Gives a function that finds the agents of a run that are still there."""
    return agents_of


@pytest.fixture
def place(tmp_path: Path) -> Place:
    waves = "node/cpu0,counter,const:100;node/gpu0,counter,const:20"
    sources = {"ENERGYMETER_WAVES": waves, "ENERGYMETER_MODEL": "never"}
    return Place(tmp_path, {**clean_environment(), **sources})


def agents_of(run_dir: Path) -> list[int]:
    """Agents of a run that are still there."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if entry.name.isdigit() and str(run_dir).encode() in words:
            found.append(int(entry.name))
    return found


APP = """
import time, energymeter as em
with em.phase("training"):
    for _ in range(3):
        with em.region("step") as r:
            time.sleep(0.05)
            r.step(samples=4)
with em.phase("inference"):
    time.sleep(0.1)
"""


@pytest.fixture(scope="session")
def stored(tmp_path_factory):
    """A run with three regions, measured once for all tests."""
    folder = tmp_path_factory.mktemp("stored")
    (folder / "app.py").write_text(APP)
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("PMI", "OMPI", "HYD", "MPI_LOCAL", "ENERGYMETER")):
                patch.delenv(name)
        waves = "node/cpu0,counter,const:100;node/gpu0,counter,const:20"
        patch.setenv("ENERGYMETER_WAVES", waves)
        config = MeterConfig(period=0.02, model="never")
        command = (sys.executable, str(folder / "app.py"))
        status, path = launch(Launch(command, "app", config, folder))
    assert status == 0
    return load(path)
