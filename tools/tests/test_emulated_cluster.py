"""Programs see separate nodes, and links are as slow as they should be."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tools.emulated_cluster.__main__ import main
from tools.emulated_cluster.network import ClusterError, Link, Network
from tools.workspace import ROOT


def _can_make_namespaces() -> bool:
    if not all(map(shutil.which, ("unshare", "nsenter", "ip", "tc"))):
        return False
    command = ["unshare", "--net", "--mount", "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


needs_namespaces = pytest.mark.skipif(
    not _can_make_namespaces(), reason="namespaces need root, iproute2 and util-linux"
)


def cluster(*arguments: str, timeout: float = 50) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.emulated_cluster", *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False
    )


MPI_PROGRAM = """
import os, socket, time
import numpy as np
from mpi4py import MPI
comm = MPI.COMM_WORLD
node = comm.Split_type(MPI.COMM_TYPE_SHARED)
x = np.ones(250_000)
comm.Barrier()
began = time.time()
comm.Allreduce(MPI.IN_PLACE, x)
taken = time.time() - began
os.write(1, f"{socket.gethostname()} {node.size} {taken}\\n".encode())
"""


@needs_namespaces
def test_ranks_of_mpi_live_on_nodes_with_slow_links(tmp_path: Path) -> None:
    program, counters = tmp_path / "program.py", tmp_path / "counters.json"
    program.write_text(MPI_PROGRAM)
    run = cluster(
        "-n", "2", "-r", "2", "--rate", "50mbit", "--counters", str(counters), "--",
        sys.executable, str(program),
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    lines = [line.split() for line in run.stdout.splitlines()]
    assert (
        sorted((host, size) for host, size, _ in lines)
        == [("node0", "2")] * 2 + [("node1", "2")] * 2
    )
    # 2 MB each way at 50 Mbit/s take 0.32 s; a burst of 256 kB is free
    assert all(float(taken) > 0.25 for *_, taken in lines)
    assert all(2e6 < sent < 3e6 for sent in json.loads(counters.read_text())["sent_bytes"])


@needs_namespaces
def test_a_command_on_each_node_and_a_status_that_is_passed_on() -> None:
    script = "hostname; test $NODE_RANK = 2 || exit 0; sleep 1; exit 5"
    run = cluster("-n", "3", "--launcher", "each", "--", "sh", "-c", script)
    assert sorted(run.stdout.split()) == ["node0", "node1", "node2"]
    assert run.returncode == 5


@needs_namespaces
def test_a_failed_node_ends_the_others_and_nothing_is_left() -> None:
    began = time.monotonic()
    script = "test $NODE_RANK = 1 && exit 3; exec sleep 4711"
    run = cluster("-n", "2", "--launcher", "each", "--", "sh", "-c", script)
    assert run.returncode == 3
    assert time.monotonic() - began < 30
    left = subprocess.run(["pgrep", "-f", "sleep 4711"], capture_output=True, check=False)
    assert left.stdout == b""


def test_the_network_of_the_machine_is_left_alone() -> None:
    # this process is not in a namespace of its own
    with pytest.raises(ClusterError, match="namespace of its own"), Network(2, Link("1gbit")):
        pytest.fail("it must not be entered")


def test_throttled_nodes_need_no_namespaces(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import os\n"
        "names = 'DASO_RANKS_PER_NODE', 'MPI_UTILS_RANKS_PER_NODE', 'DASO_THROTTLE'\n"
        "os.write(1, (' '.join(os.environ[n] for n in names) + '\\n').encode())\n"
    )
    run = cluster(
        "-n", "2", "-r", "2", "--rate", "100mbit", "--latency", "2", "--throttle", "--",
        sys.executable, str(program),
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == ["2 2 0.1,0.002"] * 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "which program"),
        (["-n", "0", "--", "true"], "250 nodes"),
        (["--rate", "fast", "--", "true"], "mbit"),
        (["--throttle", "--launcher", "each", "--", "true"], "mpirun and torchrun"),
    ],
)
def test_wrong_arguments_are_explained(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert words in capsys.readouterr().err
