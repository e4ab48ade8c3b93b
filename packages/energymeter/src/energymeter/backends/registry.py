"""Which backends there are, and which of them a run uses."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from fnmatch import fnmatchcase

from energymeter.config import MeterConfig
from energymeter.environment import Environment
from energymeter.errors import ConfigurationError
from energymeter.sensors import Backend, Probe, Sensor, Unavailable

__all__ = ["OPTIONAL", "SAFE", "chosen", "discover", "get_backend", "select"]

# name: (module, class), in the order in which ties between sources are broken
TABLE = {
    "rapl": ("rapl", "RaplBackend"),
    "perf": ("perf", "PerfBackend"),
    "nvml": ("nvml", "NvmlBackend"),
    "amdsmi": ("amdsmi", "AmdsmiBackend"),
    "cray": ("cray", "CrayBackend"),
    "hwmon": ("hwmon", "HwmonBackend"),
    "served": ("served", "ServedBackend"),
    "battery": ("battery", "BatteryBackend"),
    "user": ("user", "UserBackend"),
    "ipmi": ("ipmi", "IpmiBackend"),
    "redfish": ("redfish", "RedfishBackend"),
    "wave": ("wave", "WaveBackend"),
    "proc": ("procstat", "ProcStatBackend"),
}
# may need privileges, passwords, or load a slow controller: only where asked for
OPTIONAL = ("ipmi", "redfish")
SAFE = tuple(name for name in TABLE if name not in OPTIONAL)
ENTRY_POINTS = "energymeter.backends"


def get_backend(name: str, config: MeterConfig) -> Backend:
    """The backend of this name; others can be installed as entry points ``energymeter.backends``.

    Raises
    ------
    ConfigurationError
        If there is none.
    """
    if name in TABLE:
        module, cls = TABLE[name]
        backend = getattr(importlib.import_module(f"energymeter.backends.{module}"), cls)
        return backend(config) if getattr(backend, "configured", False) else backend()  # type: ignore[no-any-return]
    from importlib.metadata import entry_points

    found = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name not in found:
        near = difflib.get_close_matches(name, [*TABLE, *found], 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join([*TABLE, *found])}"
        raise ConfigurationError(f"there is no backend {name!r}: {hint}")
    return found[name].load()()  # type: ignore[no-any-return]


def chosen(expression: str) -> tuple[str, ...]:
    """Names of backends: a list ``a,b``, or the safe ones with ``+x`` and ``-y``."""
    items = [item.strip() for item in expression.split(",") if item.strip()]
    plain = [item for item in items if item[0] not in "+-"]
    names = list(plain or SAFE)
    for item in items:
        if item[0] == "+" and item[1:] not in names:
            names.append(item[1:])
        elif item[0] == "-":
            names = [name for name in names if name != item[1:]]
    # busy time costs nothing, and without it there would be no estimate
    return tuple(names) if "proc" in names or "-proc" in items else (*names, "proc")


def discover(config: MeterConfig, env: Environment) -> list[Probe]:
    """All sensors of this node; a backend that fails hides no other one."""
    found: list[Probe] = []
    for name in chosen(config.backends):
        backend = get_backend(name, config)
        try:
            found += backend.discover(env)
        except Exception as error:
            found.append(Unavailable(name, "node", f"{type(error).__name__}: {error}"))
    return found


def select(probes: Iterable[Probe], include: Iterable[str], exclude: Iterable[str]) -> list[Probe]:
    """Keep sensors by shell patterns on their ids.

    Raises
    ------
    ConfigurationError
        If a pattern matches nothing.
    """
    probes, include, exclude = list(probes), tuple(include), tuple(exclude)
    sensors = [probe for probe in probes if isinstance(probe, Sensor)]
    for pattern in (*include, *exclude):
        if not any(fnmatchcase(sensor.id, pattern) for sensor in sensors):
            ids = ", ".join(sensor.id for sensor in sensors) or "none"
            raise ConfigurationError(f"no sensor matches {pattern!r}; there are {ids}")

    def kept(probe: Probe) -> bool:
        if isinstance(probe, Unavailable):
            return True
        wanted = not include or any(fnmatchcase(probe.id, p) for p in include)
        return wanted and not any(fnmatchcase(probe.id, p) for p in exclude)

    return [probe for probe in probes if kept(probe)]
