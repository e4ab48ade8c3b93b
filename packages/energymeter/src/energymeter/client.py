"""Reaching the agent of this node and run, or starting it if there is none."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from energymeter.config import MeterConfig
from energymeter.errors import EnergymeterError, NotMeasuredError, RunError
from energymeter.launcher import visible_gpus
from energymeter.sensors import component_class

__all__ = ["AgentClient", "Place", "attach", "reap", "register", "start_or_join"]

PATIENCE = 10.0
BOOT = "import sys, json; sys.path += json.loads(sys.argv[1]); "
BOOT += "from energymeter.agent.main import main; sys.exit(main(sys.argv[2]))"


@dataclass(frozen=True)
class Place:
    """Where a run is stored, and which agent measures it."""

    root: Path
    label: str
    run_id: str
    node: str
    fresh: bool = True  # a run directory of its own, instead of joining one of other nodes

    @property
    def address(self) -> str:
        """Name of the agent's socket: local to the node, released by the kernel at its death."""
        where = f"{self.root}/{self.label}"
        return f"\0energymeter/{os.getuid()}/{self.node}/{self.run_id}/{hash_of(where)}"


def hash_of(text: str) -> str:
    """A short name for a path."""
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()[:8]


class AgentClient:
    """A connection to an agent: requests and replies, one JSON line each."""

    def __init__(self, address: str, timeout: float = PATIENCE) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        try:
            self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise
        self.buffer = b""

    def ask(self, command: str, **values: Any) -> dict[str, Any]:
        """Send a request and wait for its reply.

        Raises
        ------
        ConnectionError
            If the agent is gone, or does not answer in time.
        """
        try:
            self.socket.sendall(json.dumps({"cmd": command, **values}).encode() + b"\n")
            while b"\n" not in self.buffer:
                data = self.socket.recv(65536)
                if not data:
                    raise ConnectionError("the agent is gone")
                self.buffer += data
        except TimeoutError as error:
            raise ConnectionError("the agent does not answer") from error
        line, self.buffer = self.buffer.split(b"\n", 1)
        reply: dict[str, Any] = json.loads(line)
        return reply

    def close(self) -> None:
        """Close the connection; the agent goes on."""
        self.socket.close()


def attach(environ: dict[str, str] | os._Environ[str]) -> AgentClient | None:
    """The agent that measures this process, or None."""
    address = environ.get("ENERGYMETER_AGENT")
    if not address:
        return None
    try:
        return AgentClient("\0" + address)
    except OSError:
        return None


def start_or_join(
    place: Place, config: MeterConfig, manifest: dict[str, Any], linger: float
) -> tuple[AgentClient, bool]:
    """Connect to the agent of this run on this node; the first that asks starts it.

    Returns
    -------
    (client, started)
        `started`: whether this call started the agent.

    Raises
    ------
    RunError
        If the run directory cannot be written, or the agent does not come up.
    """
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(place.address)
        except OSError:
            listener.close()
            with contextlib.suppress(OSError):
                return AgentClient(place.address), False
            time.sleep(0.05)  # the agent is just coming, or just going
            continue
        with listener:
            listener.listen(128)
            folder, node = create_run(place, manifest)
            _spawn(listener, place, config, folder, node, linger)
            return AgentClient(place.address), True
    raise RunError("the agent of this node does not answer")


def create_run(place: Place, manifest: dict[str, Any]) -> tuple[Path, str]:
    """Make the directory of a run, and in it the one of this node.

    A run that is there already, and has data of this node, is left alone: -2, -3, ... is added.

    Raises
    ------
    RunError
        If the directory cannot be written.
    """
    base = place.root / place.label
    for number in range(1, 10000):
        suffix = f"-{number}" if number > 1 else ""
        folder = base / f"{place.run_id}{suffix}"
        node = folder / "nodes" / place.node
        try:
            folder.mkdir(parents=True, exist_ok=not place.fresh)
            node.mkdir(parents=True)
            (folder / "events").mkdir(exist_ok=True)
            write_once(folder / "manifest.json", {**manifest, "run_id": folder.name})
        except FileExistsError:
            continue
        except OSError as error:
            raise RunError(f"cannot write to {place.root}: {error.strerror}; use --out") from error
        return folder, place.node
    raise RunError(f"there are too many runs named {place.run_id} in {base}")


def write_once(path: Path, values: dict[str, Any]) -> None:
    """Write a JSON file completely, or not at all; one that is there stays."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(values, indent=1))
    try:
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink()


def _spawn(
    listener: socket.socket,
    place: Place,
    config: MeterConfig,
    folder: Path,
    node: str,
    linger: float,
) -> None:
    """Start the agent in a fresh interpreter and a session of its own, without our descriptors."""
    specification = {
        "listener": listener.fileno(),
        "run_dir": str(folder),
        "node_dir": str(folder / "nodes" / node),
        "node": node,
        "run_id": folder.name,
        "label": place.label,
        "config": config.to_dict(),
        "linger": linger,
    }
    package = str(Path(__file__).resolve().parents[1])
    paths = [package, *(path for path in sys.path if path.endswith("-packages"))]
    command = [sys.executable, "-I", "-S", "-c", BOOT, json.dumps(paths), json.dumps(specification)]
    log = os.open(folder / "nodes" / node / "agent.log", os.O_WRONLY | os.O_CREAT, 0o644)
    listener.set_inheritable(True)
    null = os.open(os.devnull, os.O_RDWR)
    actions = [
        (os.POSIX_SPAWN_DUP2, null, 0),
        (os.POSIX_SPAWN_DUP2, null, 1),
        (os.POSIX_SPAWN_DUP2, log, 2),
    ]
    try:
        _spawn_in_session(command, actions)
    finally:
        os.close(log)
        os.close(null)
        listener.set_inheritable(False)


def _spawn_in_session(command: list[str], actions: list[tuple[int, int, int]]) -> None:
    try:
        pid = os.posix_spawn(command[0], command, os.environ, file_actions=actions, setsid=True)
    except NotImplementedError:  # C libraries without it: a group of its own must do
        pid = os.posix_spawn(command[0], command, os.environ, file_actions=actions, setpgroup=0)
    AGENTS.append(pid)


AGENTS: list[int] = []


def reap(seconds: float = 1.0) -> None:
    """Collect agents that this process started and that have ended."""
    deadline = time.monotonic() + seconds
    for pid in list(AGENTS):
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(pid, os.WNOHANG)[0] == 0:
                if time.monotonic() > deadline:
                    return
                time.sleep(0.002)
        AGENTS.remove(pid)


def register(client: AgentClient, config: MeterConfig, **values: Any) -> dict[str, Any]:
    """Register this process; returns the agent's greeting.

    Raises
    ------
    EnergymeterError
        With what the agent says if it cannot measure.
    NotMeasuredError
        If a class of components would only be estimated, and `config` requires it measured.
    """
    pid = os.getpid()
    try:
        reply = client.ask("register", pid=pid, gpus=visible_gpus(os.environ), **values)
    except ConnectionError as error:
        raise RunError(f"{error}; see agent.log in the run's directory") from error
    if "error" in reply:
        raise EnergymeterError(reply["error"])
    try:
        _check_required(config, reply)
    except NotMeasuredError:
        client.ask("finish", pid=pid, refused=True, wait=True)
        raise
    return reply


def _check_required(config: MeterConfig, reply: dict[str, Any]) -> None:
    classes = config.required_classes
    if classes is None:
        return
    there = {component_class(component) for component in reply["measured"]}
    missing = [name for name in classes or ("",) if name not in there and (name or not there)]
    if missing:
        why = "; ".join(
            f"{u['id']}: {u['reason']}" + (f" ({u['hint']})" if u["hint"] else "")
            for u in reply["unavailable"]
        )
        what = ", ".join(filter(None, missing)) or "energy"
        raise NotMeasuredError(f"no measured source for {what}: {why or 'no sensors here'}")
