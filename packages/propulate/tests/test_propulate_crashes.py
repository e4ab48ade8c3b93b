"""Jobs that die, folders that can't be written, and scripts of others that run unchanged."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from propulate import Propulator, load_result
from propulate.storage.history import read_history

LIMITS = {"x": (-5.0, 5.0), "n": (0, 9)}
PROGRAM = """
import os, sys, time
from pathlib import Path
from propulate import Propulator

folder = Path(sys.argv[1])

def loss(params):
    time.sleep(0.01)
    return (params["x"] - 1) ** 2 + params["n"]

search = Propulator(
    loss, limits={"x": (-5.0, 5.0), "n": (0, 9)}, max_evaluations=int(sys.argv[2]),
    checkpoint_path=folder,
)
(folder / f"rank-{search.rank}").write_text(str(os.getpid()))
result = search.propulate()
"""


def mpirun(folder: Path, ranks: int, program: str, *arguments: object) -> subprocess.Popen[str]:
    (folder / "program.py").write_text(program)
    beside = Path(sys.executable).with_name("mpirun")
    launcher = str(beside) if beside.exists() else str(shutil.which("mpirun"))
    inherited = ("PMI_", "PMIX_", "OMPI_COMM_", "OMPI_UNIVERSE_", "PRTE_LAUNCHED", "HYDI_")
    return subprocess.Popen(
        [launcher, "-n", str(ranks), sys.executable, "program.py", *map(str, arguments)],
        cwd=folder,
        env={k: v for k, v in os.environ.items() if not k.startswith(inherited)},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_killed_rank_costs_nothing_that_was_finished(tmp_path) -> None:
    job = mpirun(tmp_path, 3, PROGRAM, tmp_path, 5000)
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        journals = tmp_path / "propulate" / "journal"
        if journals.exists() and read_history(tmp_path / "propulate").n_finished > 20:
            break
        time.sleep(0.05)
    os.kill(int((tmp_path / "rank-1").read_text()), signal.SIGKILL)
    try:
        job.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(job.pid, signal.SIGKILL)
        job.wait()
    before = {ind.uid: ind.loss for ind in load_result(tmp_path / "propulate")}
    running = set(read_history(tmp_path / "propulate").unfinished)
    assert 20 < len(before) < 5000 and job.returncode != 0
    again = mpirun(tmp_path, 2, PROGRAM, tmp_path, len(before) + 15)
    assert again.wait(40) == 0
    after = {ind.uid: ind.loss for ind in load_result(tmp_path / "propulate")}
    assert len(after) == len(before) + 15
    assert all(after[uid] == loss for uid, loss in before.items())
    assert running <= set(after)  # and these came first


def test_a_folder_that_cannot_be_made_is_an_error_before_the_search(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    search = Propulator(
        lambda p: p["x"], limits=LIMITS, generations=3, checkpoint_path=tmp_path / "file"
    )
    with pytest.raises(OSError, match="file"):
        search.propulate()


ORIGINAL = """
import pathlib
import random

from mpi4py import MPI

from propulate import Propulator, set_logger_config
from propulate.propagators import (
    Compose, Conditional, CrossoverUniform, InitUniform, IntervalMutationNormal, PointMutation,
    SelectMin, SelectUniform,
)
from propulate.utils import get_default_propagator
from propulate.utils.benchmark_functions import get_function_search_space

comm = MPI.COMM_WORLD
set_logger_config(log_file="log/run.log", log_to_stdout=False, log_rank=True, colors=False)
rng = random.Random(42 + comm.rank)
function, limits = get_function_search_space("rastrigin")
propagator = get_default_propagator(
    pop_size=2 * comm.size, limits=limits, crossover_prob=0.7, mutation_prob=0.4,
    random_init_prob=0.1, rng=rng,
)
propulator = Propulator(
    loss_fn=function, propagator=propagator, rng=rng, island_comm=comm, generations=30,
    checkpoint_path=pathlib.Path("checkpoints"),
)
propulator.propulate(logging_interval=10, debug=1)
best = propulator.summarize(top_n=1, debug=1)
assert len(best) == comm.size and best[0][0].loss < 400

pipeline = Conditional(
    5,
    Compose([
        SelectMin(5), SelectUniform(2, rng), CrossoverUniform(0.5, 0.9, rng),
        PointMutation(limits, 1, 0.4, rng), IntervalMutationNormal(limits, 0.05, 1, 0.5, rng),
        InitUniform(limits, 1, 0.1, rng),
    ]),
    InitUniform(limits, rng=rng),
)
second = Propulator(function, pipeline, rng, generations=20, checkpoint_path="second")
second.propulate()
assert len(second.population) == 20 * comm.size

from propulate import Migrator, Pollinator, Surrogate, surrogate
from propulate.population import Individual
from propulate.propagators import ActiveCMA, CMAAdapter, CMAPropagator
from propulate.propagators.ga import CrossoverSigmoid
from propulate.propagators.nm import ParallelNelderMead
from propulate.propagators.pso import BasicPSO, InitUniformPSO
from propulate.utils.benchmark_functions import rastrigin

assert isinstance(ActiveCMA(), CMAAdapter) and issubclass(surrogate.StaticSurrogate, Surrogate)
assert "_extra" in Individual({"a": 1.0, "_extra": 2}, {"a": (0.0, 2.0)}).mapping
start = [4.0] * len(limits)
third = Propulator(
    rastrigin, ParallelNelderMead(limits, rng=rng, start=start), rng, generations=20,
    checkpoint_path="third",
)
third.propulate()
assert third.summarize()[0][0].loss <= rastrigin(dict(zip(limits, start)))
"""


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_script_of_the_original_runs(ranks: int, tmp_path) -> None:
    job = mpirun(tmp_path, ranks, ORIGINAL)
    _, errors = job.communicate(timeout=50)
    assert job.returncode == 0, errors
    assert "rank 0" in (tmp_path / "log" / "run.log").read_text()


def test_the_package_is_light() -> None:
    code = """
import sys, resource
import propulate
heavy = {"torch", "pandas", "matplotlib", "scipy", "sklearn", "optuna", "h5py"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=50)
