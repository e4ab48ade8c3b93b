"""Power and energy files of hardware monitors: ACPI power meters, Grace modules, GPUs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from energymeter.backends.files import FileReader
from energymeter.environment import Environment
from energymeter.sensors import Kind, Probe, Sensor, Unavailable

__all__ = ["HwmonBackend"]

FOLDER = "/sys/class/hwmon"
FILE = re.compile(r"(energy|power)(\d+)_(input|average)")
GRACE = re.compile(r"(Module|Grace|CPU|SysIO) Power Socket (\d+)")
GPUS = ("amdgpu", "i915", "xe", "nouveau")


@dataclass(frozen=True)
class _Place:
    component: str
    contains: tuple[str, ...] = ()
    assigned: bool = True


class HwmonBackend:
    """``/sys/class/hwmon/hwmon*`` and its ``device`` folder."""

    name = "hwmon"

    def discover(self, env: Environment) -> list[Probe]:
        """All energy and power files. Devices of unknown names are listed, not added."""
        found: list[Probe] = []
        gpus = 0
        devices = env.listdir(FOLDER)
        for device in sorted(devices, key=lambda name: int(re.sub(r"\D", "", name) or 0)):
            name = env.read_text(f"{FOLDER}/{device}/name", "") or env.read_text(
                f"{FOLDER}/{device}/device/name", ""
            )
            sensors = self._device(device, name, gpus, env)
            gpus += bool(sensors) and name in GPUS
            found += sensors
        return found

    def _device(self, device: str, name: str, gpu: int, env: Environment) -> list[Probe]:
        found: list[Probe] = []
        for folder in (f"{FOLDER}/{device}", f"{FOLDER}/{device}/device"):
            files = [m for m in map(FILE.fullmatch, env.listdir(folder)) if m]
            kinds = {(m[1], m[2]) for m in files if m[3] == "average" or m[1] == "energy"}
            for match in files:
                # the average is the better of two views of the same power
                if match[3] == "input" and match[1] == "power" and ("power", match[2]) in kinds:
                    continue
                label = env.read_text(f"{folder}/power{match[2]}_label", "")
                label = env.read_text(f"{folder}/power{match[2]}_oem_info", label)
                place = _place(name, label, gpu)
                found.append(_sensor(f"{device}:{name or 'unnamed'}", folder, match, place, env))
        has_counter = any(isinstance(s, Sensor) and s.kind is Kind.ENERGY_COUNTER for s in found)
        if name in GPUS and not has_counter:
            return found[:1]  # one board, one power
        return found

    def open(self, sensors: Sequence[Sensor], env: Environment) -> FileReader:
        """Open the files."""
        return FileReader([sensor.source for sensor in sensors], env)


def _sensor(
    device: str, folder: str, match: re.Match[str], place: _Place, env: Environment
) -> Probe:
    path = f"{folder}/{match[0]}"
    sensor_id = f"hwmon:{device}:{match[0]}"
    try:
        int(env.read_text(path))
    except PermissionError:
        hint = "ask the administrator for read access (udev rule)"
        return Unavailable(sensor_id, place.component, f"permission denied: {path}", hint)
    except (OSError, ValueError) as error:
        return Unavailable(sensor_id, place.component, f"{path}: {error}")
    interval = env.read_text(f"{folder}/power{match[2]}_average_interval", "")
    window = int(interval) / 1000 if match[3] == "average" and interval.isdigit() else 0.0
    if match[1] == "energy":
        kind = Kind.ENERGY_COUNTER
    else:
        kind = Kind.POWER_AVERAGE if window else Kind.POWER_INSTANT
    return Sensor(
        id=sensor_id,
        component=place.component,
        kind=kind,
        scale=(1, 1_000_000),
        window=window,
        update_period=window,
        contains=place.contains,
        assigned=place.assigned,
        source=path,
    )


def _place(name: str, label: str, gpu: int) -> _Place:
    """Where a monitor belongs; NVIDIA's Grace names its rails in words."""
    if match := GRACE.search(label):
        rail, socket = match[1], match[2]
        if rail == "Module":
            inside = (f"node/cpu{socket}", f"node/platform{socket}/*", f"node/gpu{socket}")
            return _Place(f"node/platform{socket}", (f"node/platform{socket}/socket", *inside))
        if rail == "Grace":
            cpu, sysio = f"node/cpu{socket}", f"node/platform{socket}/sysio"
            return _Place(f"node/platform{socket}/socket", (cpu, sysio))
        if rail == "CPU":
            return _Place(f"node/cpu{socket}")
        return _Place(f"node/platform{socket}/sysio")
    if name in ("acpi_power_meter", "power_meter"):
        return _Place("node")
    if name in GPUS:
        return _Place(f"node/gpu{gpu}")
    return _Place("node/other", assigned=False)
