"""CPU and memory energy counters (RAPL) through the powercap interface of the kernel."""

from __future__ import annotations

import re
from collections.abc import Sequence

from energymeter.backends.files import FileReader
from energymeter.environment import Environment
from energymeter.sensors import Kind, Probe, Sensor, Unavailable

__all__ = ["RaplBackend"]

FOLDER = "/sys/class/powercap"
ZONE = re.compile(r"(intel-rapl(?:-mmio)?):(\d+)(?::(\d+))?")
PACKAGE = re.compile(r"package-(\d+)(?:-die-(\d+))?")
HINT = (
    "only root may read it (Linux 5.10 and later). Ask the administrator for a udev rule or a "
    "tmpfiles entry that gives a group read access to energy_uj, or for "
    "kernel.perf_event_paranoid=0 (backend perf), or for energymeter agent --serve; or use a node "
    "sensor (hwmon, ipmi, redfish)"
)


class RaplBackend:
    """Zones ``intel-rapl:<package>[:<sub-zone>]``; AMD processors use the same names."""

    name = "rapl"

    def discover(self, env: Environment) -> list[Probe]:
        """All zones, each on its own: one that is unreadable does not hide the others."""
        zones = [m for m in map(ZONE.fullmatch, env.listdir(FOLDER)) if m]
        if not zones:
            return [
                Unavailable(
                    "rapl", "node/cpu0", f"no RAPL zones in {FOLDER}", "load intel_rapl_msr"
                )
            ]
        zones.sort(key=lambda m: (m[1], int(m[2]), int(m[3] or -1)))
        names = {m[0]: env.read_text(f"{FOLDER}/{m[0]}/name", "") for m in zones}
        packages = {m[0]: _package(names[m[0]], int(m[2])) for m in zones if m[3] is None}
        own = {name for zone, name in names.items() if zone.startswith("intel-rapl:")}
        return [self._zone(m, names, packages, own, env) for m in zones]

    def _zone(
        self,
        match: re.Match[str],
        names: dict[str, str],
        packages: dict[str, str],
        own: set[str],
        env: Environment,
    ) -> Probe:
        zone, name = match[0], names[match[0]]
        parent = packages.get(f"{match[1]}:{match[2]}", "node/cpu0")
        label = f"rapl:{zone.replace('intel-rapl', 'mmio') if 'mmio' in zone else name}"
        if match[3] is not None or "mmio" in zone:
            label = f"rapl:{zone.removeprefix('intel-rapl')}:{name}".replace("rapl::", "rapl:")
        component, contains = _place(name, parent, match[3] is None)
        folder = f"{FOLDER}/{zone}"
        try:
            int(env.read_text(f"{folder}/energy_uj"))
        except PermissionError:
            return Unavailable(label, component, f"permission denied: {folder}/energy_uj", HINT)
        except (OSError, ValueError) as error:
            return Unavailable(label, component, f"{folder}/energy_uj: {error}")
        limit = env.read_text(f"{folder}/max_energy_range_uj", "")
        return Sensor(
            id=label,
            component=component,
            kind=Kind.ENERGY_COUNTER,
            scale=(1, 1_000_000),
            modulus=int(limit) if limit.isdigit() and int(limit) > 0 else None,
            resolution=61e-6,
            update_period=0.001,
            contains=contains,
            cross_check="mmio" in zone and name in own,
            source=f"{folder}/energy_uj",
        )

    def open(self, sensors: Sequence[Sensor], env: Environment) -> FileReader:
        """Open the zones' counters."""
        return FileReader([sensor.source for sensor in sensors], env)


def _package(name: str, number: int) -> str:
    """The component of a top-level zone."""
    match = PACKAGE.fullmatch(name)
    if match is None:
        return "platform" if name == "psys" else f"node/cpu{number}"
    die = f"/die{match[2]}" if match[2] else ""
    return f"node/cpu{match[1]}{die}"


def _place(name: str, parent: str, top: bool) -> tuple[str, tuple[str, ...]]:
    """Component, and what is contained in it."""
    if name == "psys":
        return "node/platform", ("node/cpu*", "node/mem*")
    if top:
        return parent, (f"{parent}/cores", f"{parent}/uncore")
    if name == "dram":  # not part of the package's counter on servers
        socket = parent.split("/")[1].removeprefix("cpu")
        return f"node/mem{socket}" + "".join(f"/{p}" for p in parent.split("/")[2:]), ()
    return f"{parent}/{'cores' if name == 'core' else name}", ()
