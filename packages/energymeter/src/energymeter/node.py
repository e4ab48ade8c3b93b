"""What kind of node this is, and what it is called."""

from __future__ import annotations

import hashlib
import re
import socket
from collections import Counter
from collections.abc import Sequence
from typing import Any

from energymeter.environment import Environment
from energymeter.sensors import Sensor, component_class

__all__ = ["describe_node", "node_key"]


def node_key(env: Environment) -> str:
    """Host name and the start of the kernel's boot id: two nodes of the same name stay apart."""
    name = env.environ.get("ENERGYMETER_NODE_NAME") or socket.gethostname()
    boot = env.read_text("/proc/sys/kernel/random/boot_id", "00000000")[:8]
    return f"{re.sub(r'[^A-Za-z0-9.-]', '_', name)}-{boot}"


def describe_node(env: Environment, sensors: Sequence[Sensor], label: str = "") -> dict[str, Any]:
    """CPUs, memory and accelerators of this node, and the type that they make."""
    cpus = env.read_text("/proc/cpuinfo", "")
    models = re.findall(r"^model name\s*:\s*(.+)$", cpus, re.MULTILINE)
    sockets = len(set(re.findall(r"^physical id\s*:\s*(\d+)$", cpus, re.MULTILINE))) or 1
    memory = re.search(r"MemTotal:\s*(\d+) kB", env.read_text("/proc/meminfo", ""))
    gpus = sorted({s.component for s in sensors if component_class(s.component) == "gpu"})
    names = Counter(s.source for s in sensors if s.component in gpus and s.id.endswith(":name"))
    description = {
        "hostname": socket.gethostname(),
        "cpu_model": models[0].strip() if models else "unknown CPU",
        "sockets": sockets,
        "logical_cpus": env.cpu_count(),
        "memory_gib": round(int(memory[1]) / 2**20, 1) if memory else 0.0,
        "accelerators": len({g.split("/")[1] for g in gpus}),
        "accelerator_models": dict(names),
        "load": env.read_text("/proc/loadavg", ""),
    }
    description["node_type"] = label or _fingerprint(description)
    return description


def _fingerprint(description: dict[str, Any]) -> str:
    """A name for all nodes of the same make."""
    keys = ("cpu_model", "sockets", "logical_cpus", "accelerators", "accelerator_models")
    memory = round(description["memory_gib"])
    text = repr([description[key] for key in keys]) + repr(memory)
    digest = hashlib.sha256(text.encode()).hexdigest()[:6]
    gpus = f"+{description['accelerators']}gpu" if description["accelerators"] else ""
    return f"{description['sockets']}x{description['logical_cpus']}cpu{gpus}-{digest}"
