"""``python -m tools.emulated_cluster -n 2 -r 2 --rate 100mbit -- python train.py``.

Runs a program on emulated nodes with slow links, on one Linux machine. Each node is a set of
namespaces, with an address, a host name and shared memory of its own, so that MPI and
torch.distributed take it for a machine. Links are full duplex, from each node to one switch.

Root isn't needed where users may make namespaces. Where they may not, ``--throttle`` starts the
program by mpirun or torchrun as it is, with nodes that only exist in name
(``DASO_RANKS_PER_NODE``, ``MPI_UTILS_RANKS_PER_NODE``), and daso slows its exchanges down itself.
Other packages run at full speed then.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.emulated_cluster.launchers import LAUNCHERS, run_on
from tools.emulated_cluster.network import ClusterError, Link, Network
from tools.testing.launch import child_environment, launcher

_MARK = "HPC_ML_EMULATED_CLUSTER"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a program on emulated nodes; its exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    given = _parse(words)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if given.throttle:
            return _run_throttled(given)
        if os.environ.get(_MARK) != "1":
            return _enter_namespaces(words)
        with Network(given.nodes, Link(given.rate, given.latency)) as network:
            extra = {"OMP_NUM_THREADS": "1", _MARK: ""}
            status = run_on(network, given.ranks, given.command, given.launcher, extra)
            if given.counters:
                given.counters.write_text(json.dumps({"sent_bytes": network.sent_bytes()}))
            return status
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.emulated_cluster",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-n", "--nodes", type=int, default=2)
    parser.add_argument("-r", "--ranks", type=int, default=1, help="on each node")
    parser.add_argument("--rate", default="", help="of each link: 100mbit, 1gbit; default: none")
    parser.add_argument("--latency", type=float, default=0.0, help="one way, in milliseconds")
    parser.add_argument("--launcher", choices=LAUNCHERS, default="mpirun")
    parser.add_argument("--counters", type=Path, help="write the bytes that each node has sent")
    parser.add_argument("--throttle", action="store_true", help="without namespaces; see above")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="after --")
    given = parser.parse_args(words)
    given.command = given.command[1:] if given.command[:1] == ["--"] else given.command
    if not given.command:
        parser.error("which program? python -m tools.emulated_cluster -n 2 -- python train.py")
    if not 1 <= given.nodes <= 250 or given.ranks < 1 or given.latency < 0:
        parser.error("1...250 nodes, at least one rank, and a latency of at least 0")
    if given.rate and not re.fullmatch(r"\d+(\.\d+)?(kbit|mbit|gbit)", given.rate):
        parser.error(f"--rate is a number with kbit, mbit or gbit, not {given.rate!r}")
    if given.throttle and given.launcher == "each":
        parser.error("--throttle works with mpirun and torchrun")
    return given


def _enter_namespaces(words: Sequence[str]) -> int:
    """Run this program again, in a network of its own."""
    missing = [tool for tool in ("unshare", "nsenter", "ip", "tc") if shutil.which(tool) is None]
    if missing:
        raise ClusterError(f"{', '.join(missing)} not found: install iproute2 and util-linux")
    command = ["unshare", "--net", "--mount"]
    if os.geteuid() != 0:
        command += ["--user", "--map-root-user"]
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        raise ClusterError("namespaces are not allowed here: run as root, or with --throttle")
    again = [*command, sys.executable, "-m", "tools.emulated_cluster", *words]
    with subprocess.Popen(again, env={**os.environ, _MARK: "1"}) as process:
        try:
            return process.wait()
        finally:
            if process.poll() is None:
                process.terminate()


def _run_throttled(given: argparse.Namespace) -> int:
    total = given.nodes * given.ranks
    extra = dict.fromkeys(("DASO_RANKS_PER_NODE", "MPI_UTILS_RANKS_PER_NODE"), str(given.ranks))
    extra["OMP_NUM_THREADS"] = "1"
    gbit_s = min(Link(given.rate).bits_per_second / 1e9, 1000.0)
    extra["DASO_THROTTLE"] = f"{gbit_s},{given.latency / 1e3}"
    line = [*launcher(), "-n", str(total)]
    if given.launcher == "torchrun":
        line = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        line += [f"--nproc-per-node={total}", "--no-python"]
    environment = {**child_environment(total), **extra}
    return subprocess.run([*line, *given.command], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
