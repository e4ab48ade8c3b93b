"""NVIDIA GPUs through NVML (package nvidia-ml-py): all boards of the node, used or not."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from energymeter.environment import Environment
from energymeter.sensors import Kind, Probe, RawReading, Sensor, Status, Unavailable

__all__ = ["NvmlBackend"]

DEVICES = ("/dev/nvidiactl", "/dev/dxg")
POWER_INSTANT_FIELD = 186
ARCHITECTURE_AMPERE = 7
# power readings of these observe a quarter of the time (Yang et al. 2023)
PART_TIME = ("A100", "H100", "GH200")
# scales to 1, 1, degrees C, Hz, bytes, W
GAUGES = {
    "utilisation": (1, 100),
    "processes": (1, 1),
    "temperature": (1, 1),
    "clock": (10**6, 1),
    "memory": (1, 1),
    "limit": (1, 1000),
}
# these change slowly, or take long: all gauges but the utilisation
SELDOM, SELDOM_EVERY = frozenset(GAUGES) - {"utilisation"}, 5_000_000_000
HINT = "pip install 'energymeter[nvidia]', and see that nvidia-smi works"


class NvmlBackend:
    """Energy counters, powers and gauges: utilisation, temperature, clock, and others."""

    name = "nvml"

    def discover(self, env: Environment) -> list[Probe]:
        """All sensors of all boards; a board without a counter gives its power."""
        if not (env.modules or any(map(env.exists, DEVICES))):
            return []  # importing the library takes longer than all the rest
        try:
            nvml = env.import_module("pynvml")
        except ImportError:
            reason = "a GPU is here, but the library is not"
            return [Unavailable("nvml", "node/gpu0", reason, HINT)]
        try:
            nvml.nvmlInit()
            count = nvml.nvmlDeviceGetCount()
        except nvml.NVMLError as error:
            return [Unavailable("nvml", "node/gpu0", str(error), HINT)]
        found: list[Probe] = []
        for index in range(count):
            try:
                found += _board(nvml, index)
            except nvml.NVMLError as error:
                found.append(Unavailable(f"nvml:{index}", f"node/gpu{index}", str(error)))
        return found

    def open(self, sensors: Sequence[Sensor], env: Environment) -> _NvmlReader:
        """Open the boards."""
        return _NvmlReader(sensors, env)


def _board(nvml: Any, index: int) -> list[Probe]:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    uuid = _text(nvml.nvmlDeviceGetUUID(handle))
    name = _text(nvml.nvmlDeviceGetName(handle))
    component, found = f"node/gpu{index}", list[Probe]()
    calls = _calls(nvml)

    def has(quantity: str) -> bool:
        try:
            calls[quantity](handle)
        except (nvml.NVMLError, ValueError):
            return False
        return True

    def sensor(quantity: str, kind: Kind, scale: tuple[int, int], **more: Any) -> Sensor:
        sensor_id = f"nvml:{uuid}:{quantity}"
        return Sensor(sensor_id, component, kind, scale, source=name, **more)

    if has("energy"):
        found.append(sensor("energy", Kind.ENERGY_COUNTER, (1, 1000), update_period=0.1))
    duty = 0.25 if any(part in name for part in PART_TIME) else 1.0
    if has("instant"):
        kind = Kind.POWER_INSTANT
        found.append(sensor("instant", kind, (1, 1000), duty=duty, update_period=0.1))
    elif has("power"):
        kind, window = _power_kind(nvml, handle, name)
        more = {"duty": duty, "window": window, "update_period": 0.1}
        found.append(sensor("power", kind, (1, 1000), **more))
    if not found:
        reason = "neither energy nor power is supported (MIG, vGPU, or an old board)"
        found.append(Unavailable(f"nvml:{uuid}", component, reason))
    for quantity, scale in GAUGES.items():
        if has(quantity):
            found.append(sensor(quantity, Kind.GAUGE, scale))
    return found


def _power_kind(nvml: Any, handle: Any, name: str) -> tuple[Kind, float]:
    """From Ampere on (but not GA100) the power is the average of a second."""
    with contextlib.suppress(nvml.NVMLError, AttributeError):
        architecture = nvml.nvmlDeviceGetArchitecture(handle)
        if architecture >= ARCHITECTURE_AMPERE and "A100" not in name and "A30" not in name:
            return Kind.POWER_AVERAGE, 1.0
    return Kind.POWER_INSTANT, 0.0


def _calls(nvml: Any) -> dict[str, Callable[[Any], int]]:
    """From the last part of a sensor's id to the library's call."""

    def instant(handle: Any) -> int:
        field = nvml.nvmlDeviceGetFieldValues(handle, [POWER_INSTANT_FIELD])[0]
        if field.nvmlReturn:
            raise nvml.NVMLError(field.nvmlReturn)
        return int(field.value.uiVal)

    return {
        "energy": lambda handle: int(nvml.nvmlDeviceGetTotalEnergyConsumption(handle)),
        "instant": instant,
        "power": lambda handle: int(nvml.nvmlDeviceGetPowerUsage(handle)),
        "utilisation": lambda handle: int(nvml.nvmlDeviceGetUtilizationRates(handle).gpu),
        "processes": lambda handle: len(nvml.nvmlDeviceGetComputeRunningProcesses(handle)),
        "temperature": lambda handle: int(
            nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)
        ),
        "clock": lambda handle: int(nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)),
        "memory": lambda handle: int(nvml.nvmlDeviceGetMemoryInfo(handle).used),
        "limit": lambda handle: int(nvml.nvmlDeviceGetEnforcedPowerLimit(handle)),
    }


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


class _NvmlReader:
    """Reads boards; after an error the library is initialised once more, at most each second."""

    def __init__(self, sensors: Sequence[Sensor], env: Environment) -> None:
        self.env = env
        self.nvml: Any = env.import_module("pynvml")
        self.calls = _calls(self.nvml)
        self.plan = [(s.id.split(":")[1], s.id.rpartition(":")[2]) for s in sensors]
        self.handles: dict[str, Any] = {}
        self.retry_at = 0
        self.kept: dict[tuple[str, str], tuple[int, int]] = {}
        self._connect()

    def _connect(self) -> None:
        self.retry_at = self.env.monotonic_ns() + 1_000_000_000
        with contextlib.suppress(self.nvml.NVMLError):
            self.nvml.nvmlInit()
        for uuid in dict.fromkeys(uuid for uuid, _ in self.plan):
            with contextlib.suppress(self.nvml.NVMLError):
                self.handles[uuid] = self.nvml.nvmlDeviceGetHandleByUUID(uuid)

    def read(self) -> list[RawReading]:
        """One reading for each sensor."""
        readings = [self._one(uuid, quantity) for uuid, quantity in self.plan]
        failed = any(status is Status.MISSING for _, status, _ in readings)
        if failed and self.env.monotonic_ns() >= self.retry_at:
            self._connect()
        return readings

    def _one(self, uuid: str, quantity: str) -> RawReading:
        now = self.env.monotonic_ns()
        if (uuid, quantity) in self.kept:
            value, time = self.kept[uuid, quantity]
            if now - time < SELDOM_EVERY:
                return value, Status.OK, 0
        try:
            value = self.calls[quantity](self.handles[uuid])
        except (self.nvml.NVMLError, KeyError, ValueError, AttributeError):
            return None, Status.MISSING, 0
        if quantity in SELDOM:
            self.kept[uuid, quantity] = value, now
        return value, Status.OK, 0

    def close(self) -> None:
        """The library is released with the process."""
