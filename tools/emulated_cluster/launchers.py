"""Starting one program on all emulated nodes: by mpirun, by torchrun, or once a node."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.emulated_cluster.network import Network
from tools.testing.launch import OPEN_MPI, child_environment, launcher

__all__ = ["LAUNCHERS", "run_on"]

LAUNCHERS = ("mpirun", "torchrun", "each")

_AGENT = """#!/bin/sh
# stands for ssh: runs a command on the node that has an address
while [ "${1#-}" != "$1" ]; do shift; done
host=$1; shift
cd / || exit 1
exec nsenter --target="$(cat "FOLDER/$host")" -n -u -i -m -- sh -c "cd 'WORKING' && $*"
"""


def run_on(
    network: Network, ranks: int, command: Sequence[str], by: str, extra: Mapping[str, str]
) -> int:
    """Run a command on all nodes; its exit status, the first one that is not 0.

    Parameters
    ----------
    network : Network
        Entered.
    ranks : int
        On each node.
    command : sequence of str
    by : {"mpirun", "torchrun", "each"}
    extra : mapping of str to str
        Environment.
    """
    environment = {**child_environment(ranks + 1), "GLOO_SOCKET_IFNAME": "eth0", **extra}
    nodes = range(network.n_nodes)
    if by == "mpirun":
        with tempfile.TemporaryDirectory(prefix="cluster-") as folder:
            line = _mpirun(network, ranks, Path(folder))
            return _wait_for_all([[*_on(network, 0), *line, *command]], environment)
    if by == "torchrun":
        line = [sys.executable, "-m", "torch.distributed.run", f"--nnodes={network.n_nodes}"]
        line += [f"--nproc-per-node={ranks}", f"--master-addr={network.address(0)}"]
        line += ["--master-port=29500", "--no-python"]
        starts = [[*_on(network, n), *line, f"--node-rank={n}", *command] for n in nodes]
        return _wait_for_all(starts, environment)
    starts = [[*_on(network, n), "env", f"NODE_RANK={n}", *command] for n in nodes]
    return _wait_for_all(starts, environment)


def _on(network: Network, node: int) -> list[str]:
    """The start of a command line on a node, in the folder of now."""
    script = f'cd {shlex.quote(str(Path.cwd()))} && exec "$@"'
    return [*network.enter(node), "sh", "-c", script, "sh"]


def _mpirun(network: Network, ranks: int, folder: Path) -> list[str]:
    """The launcher's command line, with an agent that enters namespaces instead of ssh."""
    for node, anchor in enumerate(network.anchors):
        (folder / network.address(node)).write_text(str(anchor.pid))
    agent = folder / "agent"
    text = _AGENT.replace("FOLDER", str(folder)).replace("WORKING", str(Path.cwd()))
    agent.write_text(text)
    agent.chmod(0o755)
    hosts = ",".join(f"{network.address(node)}:{ranks}" for node in range(network.n_nodes))
    mpirun = launcher()
    if is_open_mpi(mpirun):
        settings = {
            "plm_rsh_agent": str(agent),
            "btl_tcp_if_include": "eth0",
            "oob_tcp_if_include": "eth0",
            "pml": "ob1",
            "btl": "tcp,self,sm",
        }
        options = [word for name, value in settings.items() for word in ("--mca", name, value)]
        return [*mpirun, "--host", hosts, *options]
    return [*mpirun, "-launcher", "rsh", "-launcher-exec", str(agent), "-iface", "eth0",
            "-hosts", hosts]  # fmt: skip


def is_open_mpi(mpirun: Sequence[str]) -> bool:
    """Whether a launcher is Open MPI's."""
    command = [*mpirun, "--version"]
    shown = subprocess.run(command, capture_output=True, text=True, check=False, env={
        **os.environ, **OPEN_MPI})  # fmt: skip
    return "Open MPI" in shown.stdout


def _wait_for_all(commands: Sequence[Sequence[str]], environment: Mapping[str, str]) -> int:
    """Run all at once; when one fails, or this process is told to end, the others end as well."""
    running = [
        subprocess.Popen(list(c), env=dict(environment), start_new_session=True) for c in commands
    ]
    try:
        while True:
            ended = [process.poll() for process in running]
            failed = [status for status in ended if status]
            if failed or None not in ended:
                return failed[0] if failed else 0
            time.sleep(0.05)
    finally:
        for process in running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait()
