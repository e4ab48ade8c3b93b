"""Ranks that die, links that are cut: errors on all ranks in time, and nothing left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

PROGRAM = """
import os, sys, time
import torch
from problem import OPTIMIZERS, batch, loss, network
from daso import DASO, DASOConfig, SyncTimeoutError

torch.set_num_threads(1)
model = network()
config = DASOConfig.fixed(2, 1, total_steps=10_000, timeout_s=3.0, {settings})
opt = DASO(OPTIMIZERS["momentum"](model.parameters()), model, config=config)
rank = opt.topology.rank
began = time.monotonic()
try:
    for step in range(10_000):
        opt.zero_grad()
        loss(opt.module, batch(step, rank)).backward()
        {fault}
        opt.step()
        if step == 20:
            began = time.monotonic()
        time.sleep(0.005)
        if step > 400:
            break
    opt.finish()
except Exception as error:
    seconds = time.monotonic() - began
    what = f"{{type(error).__name__}} after {{seconds:.1f}} s: {{error}}"
    os.write(2, f"rank {{rank}}: {{what}}\\n".encode())
    raise
"""

FAULTS = {
    "killed": "os.kill(os.getpid(), 9) if (step, rank) == (20, 3) else None",
    "exception": "1 / 0 if (step, rank) == (20, 3) else None",
    "hangs": "time.sleep(60) if (step, rank) == (20, 3) else None",
}


def program(fault: str, settings: str = "") -> str:
    return PROGRAM.format(fault=fault, settings=settings)


def nothing_left(script: Path) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        found = subprocess.run(["pgrep", "-f", str(script)], capture_output=True, check=False)
        if not found.stdout:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.timeout(150)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_lost_rank_ends_the_job_with_an_error(mpirun, tmp_path, fault) -> None:
    run = mpirun(4, program(FAULTS[fault]), DASO_RANKS_PER_NODE="2")
    assert run.returncode != 0
    if fault == "exception":
        assert "ZeroDivisionError" in run.stderr
    if fault == "hangs":
        assert "SyncTimeoutError" in run.stderr
        lines = [x for x in run.stderr.splitlines() if x.startswith("rank ") and "after" in x]
        seconds = [float(line.split("after ")[1].split(" s")[0]) for line in lines]
        assert seconds
        assert max(seconds) < 3.0 + 5.0
    assert nothing_left(tmp_path / "program.py")


@pytest.mark.timeout(150)
def test_a_lost_process_of_torch_distributed_ends_the_job(torchrun, tmp_path) -> None:
    run = torchrun(4, program(FAULTS["killed"]), DASO_RANKS_PER_NODE="2")
    assert run.returncode != 0
    assert nothing_left(tmp_path / "program.py")


@pytest.mark.timeout(150)
def test_a_node_that_is_slow_but_in_time_is_waited_for(mpirun) -> None:
    slow = "time.sleep(1.5) if (step, rank) == (20, 3) else None; step += 385 * (step > 25)"
    run = mpirun(4, program(slow), DASO_RANKS_PER_NODE="2")
    assert run.returncode == 0, run.stderr


def _can_make_namespaces() -> bool:
    if not all(map(shutil.which, ("unshare", "nsenter", "ip", "tc"))):
        return False
    command = ["unshare", "--net", "--mount", "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


needs_cluster = pytest.mark.skipif(
    not (_can_make_namespaces() and (ROOT / "tools/emulated_cluster").is_dir()),
    reason="the emulated cluster needs root, iproute2 and the repository",
)


@pytest.mark.timeout(150)
@pytest.mark.parametrize("launcher", ["mpirun", "torchrun"])
@needs_cluster
def test_a_cut_link_is_an_error_on_all_ranks_in_time(tmp_path, launcher) -> None:
    script = tmp_path / "program.py"
    cut = (
        "os.system('ip link set eth0 down') if step == 20 and rank == 2 else None; "
        "time.sleep(0.3 if step == 20 else 0)"
    )
    script.write_text(program(cut))
    here = str(Path(__file__).parent)
    environment = os.environ | {"PYTHONPATH": f"{here}:{os.environ.get('PYTHONPATH', '')}"}
    command = [sys.executable, "-m", "tools.emulated_cluster", "-n", "2", "-r", "2"]
    command += ["--launcher", launcher, "--", sys.executable, str(script)]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        _, errors = process.communicate(timeout=100)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
        pytest.fail("the job did not end by itself")
    assert process.returncode != 0
    lines = [x for x in errors.splitlines() if x.startswith("rank ") and "after" in x]
    assert any("SyncTimeoutError" in line for line in lines), errors
    assert all(float(line.split("after ")[1].split(" s")[0]) < 3.0 + 5.0 for line in lines)
    assert nothing_left(script)


TRAFFIC = """
import os
from pathlib import Path
import torch
from torch import nn
from daso import DASO, DASOConfig

def sent():
    lines = Path("/proc/self/net/dev").read_text().splitlines()
    return sum(int(line.partition(":")[2].split()[8]) for line in lines if "eth0:" in line)

torch.set_num_threads(1)
model = nn.Linear(1000, 2000)
config = DASOConfig.fixed(2, 1, total_steps=99, wire="{wire}")
opt = DASO(torch.optim.SGD(model.parameters(), 1e-3), model, config=config)
opt.transport.world.bcast(torch.zeros(1)).wait(60)
before = sent()
for _ in range(21):
    opt.zero_grad()
    opt.module(torch.ones(2, 1000)).square().mean().backward()
    opt.step()
opt._sync.settle()
counted = torch.tensor([float(opt.stats.wire_bytes)], dtype=torch.float64)
opt.transport.node.allreduce(counted).wait(60)
if opt.topology.local_rank == 0:
    ratio = (sent() - before) / float(counted)
    os.write(1, f"{{ratio}}\\n".encode())
opt.finish()
"""


@pytest.mark.timeout(150)
@pytest.mark.parametrize("wire", ["fp32", "bf16"])
@needs_cluster
def test_the_counted_bytes_are_those_of_the_interfaces(tmp_path, wire) -> None:
    script = tmp_path / "program.py"
    script.write_text(TRAFFIC.format(wire=wire))
    command = [sys.executable, "-m", "tools.emulated_cluster", "-n", "2", "-r", "2"]
    run = subprocess.run(
        [*command, "--", sys.executable, str(script)],
        cwd=ROOT, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    ratios = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(ratios) == 2
    assert all(0.9 < ratio < 1.1 for ratio in ratios), ratios
