"""Under mpirun: one agent a node, untouched ranks, and no process left."""

import shutil
import subprocess
import sys
import time

import pytest

APP = """
import os, sys, time
from mpi4py import MPI
import energymeter as em
rank = MPI.COMM_WORLD.rank
with em.phase("training"):
    with em.region("step") as r:
        time.sleep(0.3)
        r.step(samples=2)
MPI.COMM_WORLD.barrier()
if len(sys.argv) > 1 and rank == 1:
    MPI.Finalize()
    os._exit(int(sys.argv[1]))
"""


def run_ranks(place, ranks, *words: str):
    launcher = shutil.which("mpirun", path=place.environ.get("PATH"))
    if launcher is None:
        pytest.skip("no mpirun here")
    command = [launcher, "-n", str(ranks), sys.executable, "-m", "energymeter", "run", *words]
    done = subprocess.run(
        command, cwd=place.path, env=place.environ, timeout=55, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    run_dir = next((place.path / "energymeter").glob("*/*"))
    deadline = time.monotonic() + 20
    while not all(node.complete for node in place.latest().nodes):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return done, run_dir


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_one_agent_for_all_ranks_of_a_node(place, agents, ranks):
    place.script(APP)
    done, run_dir = run_ranks(place, ranks, "app.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    run = place.latest()
    assert len(run.nodes) == 1
    assert len(run.processes) == ranks
    result = run.result
    assert result.total.joules == pytest.approx(120 * result.seconds, rel=0.05)
    assert sum(result.rank_joules.values()) + result.outside == pytest.approx(result.total.joules)
    assert sum(step.samples for p in run.processes for step in p.steps) == 2 * ranks
    deadline = time.monotonic() + 10
    while agents(run_dir) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert agents(run_dir) == []


def test_a_failing_rank_fails_the_job(place):
    place.script(APP)
    done, _ = run_ranks(place, 2, "app.py", "6")
    assert done.returncode != 0  # 6, or that of the ranks that the launcher then ended
    assert place.latest().result.total.joules > 20


def test_two_emulated_nodes_of_one_run(place):
    """Each rank is a node of its own, with a clock of its own."""
    place.script(APP)
    place.script(
        "import os, sys\n"
        "rank = int(os.environ.get('PMI_RANK') or os.environ.get('OMPI_COMM_WORLD_RANK'))\n"
        "os.environ['ENERGYMETER_NODE_NAME'] = f'node{rank}'\n"
        "os.environ['ENERGYMETER_TEST_CLOCK_OFFSET_NS'] = str(rank * 1000 * 10**9)\n"
        "os.environ['MPI_LOCALNRANKS'] = os.environ['OMPI_COMM_WORLD_LOCAL_SIZE'] = '1'\n"
        "os.execv(sys.executable, [sys.executable, '-m', 'energymeter', 'run', 'app.py'])\n",
        "node.py",
    )
    launcher = shutil.which("mpirun", path=place.environ.get("PATH"))
    if launcher is None:
        pytest.skip("no mpirun here")
    environ = {**place.environ, "ENERGYMETER_RUN_ID": "two"}
    done = subprocess.run(
        [launcher, "-n", "2", sys.executable, "node.py"], cwd=place.path, env=environ,
        timeout=55, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    deadline = time.monotonic() + 20
    while not (len(place.latest().nodes) == 2 and all(n.complete for n in place.latest().nodes)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    result = place.latest().result
    assert len(result.nodes) == 2
    assert result.seconds < 100
    for node in result.nodes:
        seconds = (node.window[1] - node.window[0]) / 1e9
        assert node.total.joules == pytest.approx(120 * seconds, rel=0.05, abs=0.4)
        step = node.attribution.inclusive["training/step"]
        assert 120 * 0.3 * 0.9 < step <= node.total.joules  # a sleep may take longer, never less
    inside = sum(region.exclusive for region in result.regions)
    assert inside + result.outside == pytest.approx(result.total.joules, rel=1e-9)
