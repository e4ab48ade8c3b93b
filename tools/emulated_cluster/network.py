"""Nodes as namespaces: each with an interface, a host name, shared memory of its own."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

__all__ = ["ClusterError", "Link", "Network", "inside_own_network"]

SUBNET = "10.77.0"
_PR_SET_PDEATHSIG = 1


class ClusterError(RuntimeError):
    """The machine cannot emulate a cluster in this way."""


@dataclass(frozen=True)
class Link:
    """What joins a node to the switch.

    Attributes
    ----------
    rate : str
        As tc writes it, such as ``100mbit``; empty: unlimited.
    latency_ms : float
        One way, from node to node.
    """

    rate: str = ""
    latency_ms: float = 0.0

    @property
    def bits_per_second(self) -> float:
        """The rate as a number; infinite if it is unlimited."""
        if not self.rate:
            return math.inf
        return float(self.rate[:-4]) * {"k": 1e3, "m": 1e6, "g": 1e9}[self.rate[-4]]


def inside_own_network() -> bool:
    """Whether this process is alone in its network: there is nothing but the loopback."""
    lines = Path("/proc/self/net/dev").read_text().splitlines()[2:]
    devices = {line.partition(":")[0].strip() for line in lines}
    # kernels put some tunnels into every new namespace, but never an interface that is up
    return "lo" in devices and not any(
        name.startswith(("eth", "en", "wl", "ib")) for name in devices
    )


@dataclass
class Network:
    """Nodes and their links, from entering the context to leaving it.

    Nothing of it is visible outside: it lives in a network namespace of this process, which must
    have been entered before (``unshare --net --mount``), and vanishes with it.

    Parameters
    ----------
    n_nodes : int
    link : Link
    """

    n_nodes: int
    link: Link
    anchors: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _namespaces: set[Path] = field(default_factory=set)

    def address(self, node: int) -> str:
        """The IP address of a node."""
        return f"{SUBNET}.{node + 1}"

    def enter(self, node: int) -> list[str]:
        """The start of a command line that runs the rest on a node."""
        return ["nsenter", f"--target={self.anchors[node].pid}", "-n", "-u", "-i", "-m", "--"]

    def __enter__(self) -> Network:
        # configuring the machine's own network by mistake would cut it off
        if not inside_own_network():
            raise ClusterError("this process is not in a network namespace of its own")
        _run("ip", "link", "set", "lo", "up")
        _run("ip", "link", "add", "switch", "type", "bridge")
        _run("ip", "link", "set", "switch", "up")
        try:
            for node in range(self.n_nodes):
                self._add_node(node)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _add_node(self, node: int) -> None:
        names = [f"{self.address(n)} node{n}" for n in range(self.n_nodes)]
        hosts = "\\n".join(["127.0.0.1 localhost", *names, ""])
        script = (
            f"hostname node{node} && mount -t tmpfs none /dev/shm && "
            f"printf '{hosts}' > /dev/shm/hosts && mount --bind /dev/shm/hosts /etc/hosts && "
            "exec sleep infinity"
        )
        command = ["unshare", "--net", "--uts", "--ipc", "--mount", "sh", "-c", script]
        anchor = subprocess.Popen(command, preexec_fn=_die_with_parent)  # noqa: PLW1509
        self.anchors.append(anchor)
        self._namespaces.add(_wait_for_namespace(anchor))
        port = f"port{node}"
        _run("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns",
             str(anchor.pid))  # fmt: skip
        _run("ip", "link", "set", port, "master", "switch", "up")
        inside = self.enter(node)
        _run(*inside, "ip", "link", "set", "lo", "up")
        _run(*inside, "ip", "address", "add", f"{self.address(node)}/24", "dev", "eth0")
        _run(*inside, "ip", "link", "set", "eth0", "up")
        self._shape([*inside, "tc"], "eth0", self.link.latency_ms)
        self._shape(["tc"], port, 0.0)

    def _shape(self, tc: list[str], device: str, latency_ms: float) -> None:
        """Limit what leaves a device; both ends of a cable together make a full-duplex link."""
        parent = ["root"]
        if latency_ms:
            delay = f"{latency_ms}ms"
            netem = [*tc, "qdisc", "add", "dev", device, "root", "handle", "1:", "netem", "delay"]
            made = subprocess.run(
                [*netem, delay, "limit", "100000"], capture_output=True, check=False
            )
            if made.returncode:
                raise ClusterError(
                    "this kernel has no netem, which delays packets: leave --latency out, or use "
                    "--throttle, with which daso delays its own exchanges"
                )
            parent = ["parent", "1:1"]
        if self.link.rate:
            # small, so that short messages pay as well; fast links need more to reach their rate
            burst = "64k" if self.link.bits_per_second < 150e6 else "256k"
            shape = ["tbf", "rate", self.link.rate, "burst", burst, "latency", "50ms"]
            _run(*tc, "qdisc", "add", "dev", device, *parent, *shape)

    def sent_bytes(self) -> list[int]:
        """Bytes that each node has sent so far, headers included."""
        counts = []
        for node in range(self.n_nodes):
            text = Path(f"/proc/{self.anchors[node].pid}/net/dev").read_text()
            line = next(line for line in text.splitlines() if line.strip().startswith("eth0:"))
            counts.append(int(line.partition(":")[2].split()[8]))
        return counts

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # also what a launcher has lost sight of, behind a link that was cut
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (process / "ns/net").readlink() in self._namespaces:
                    os.kill(int(process.name), signal.SIGKILL)
        for anchor in self.anchors:
            anchor.kill()
            anchor.wait()
        self.anchors.clear()
        self._namespaces.clear()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _wait_for_namespace(anchor: subprocess.Popen[bytes]) -> Path:
    """The network namespace of a process, when it is in one of its own and has set it up."""
    own = Path("/proc/self/ns/net").readlink()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if anchor.poll() is not None:
            raise ClusterError("a node could not be made: are namespaces allowed here?")
        there = Path(f"/proc/{anchor.pid}")
        namespace = (there / "ns/net").readlink()
        if namespace != own and (there / "cmdline").read_bytes().startswith(b"sleep"):
            return namespace
        time.sleep(0.01)
    raise ClusterError("a node did not start within 20 s")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
