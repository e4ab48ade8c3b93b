"""AMD GPUs through the amdsmi library; without it, hwmon gives their power."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from energymeter.environment import Environment
from energymeter.sensors import Kind, Probe, RawReading, Sensor, Status, Unavailable

__all__ = ["AmdsmiBackend"]

NO_VALUE = (0xFFFF, 0xFFFFFFFF, 2**64 - 1)
HINT = "pip install 'energymeter[amd]' (the version of the ROCm driver)"
NANO = 1_000_000_000


class AmdsmiBackend:
    """Energy accumulators, powers and utilisation of all boards."""

    name = "amdsmi"

    def discover(self, env: Environment) -> list[Probe]:
        """All sensors. The second die of a board shows 0, and is part of the first."""
        try:
            library = env.import_module("amdsmi")
        except ImportError:
            return []
        try:
            library.amdsmi_init()
            handles = list(library.amdsmi_get_processor_handles())
        except library.AmdSmiException as error:
            present = env.exists("/dev/kfd")
            return [Unavailable("amdsmi", "node/gpu0", str(error), HINT)] if present else []
        found: list[Probe] = []
        board = 0
        for index, handle in enumerate(handles):
            sensors = _board(library, handle, index, board)
            found += sensors
            board += bool(sensors)
        return found

    def open(self, sensors: Sequence[Sensor], env: Environment) -> _AmdsmiReader:
        """Open the boards."""
        return _AmdsmiReader(sensors, env)


def _board(library: Any, handle: Any, index: int, board: int) -> list[Probe]:
    component, found = f"node/gpu{board}", list[Probe]()
    counter = _value(library, "energy", handle)
    power = _value(library, "power", handle)
    if not counter and not power:
        if board and counter == 0:
            return []
        reason = "neither energy nor power is reported"
        return [Unavailable(f"amdsmi:{index}", component, reason)]
    if counter:
        resolution = float(library.amdsmi_get_energy_count(handle)["counter_resolution"])
        scale = (round(resolution * NANO / 1e6), NANO)  # given in µJ
        found.append(
            Sensor(
                f"amdsmi:{index}:energy", component, Kind.ENERGY_COUNTER, scale, update_period=0.001
            )
        )
    if power:
        found.append(Sensor(f"amdsmi:{index}:power", component, Kind.POWER_INSTANT))
    if _value(library, "utilisation", handle) is not None:
        found.append(Sensor(f"amdsmi:{index}:utilisation", component, Kind.GAUGE, (1, 100)))
    return found


def _value(library: Any, quantity: str, handle: Any) -> int | None:
    """A raw value; None where the library says that there is none."""
    try:
        if quantity == "energy":
            found = library.amdsmi_get_energy_count(handle)
            # older releases call the accumulator power
            value = found.get("energy_accumulator", found.get("power"))
        elif quantity == "power":
            found = library.amdsmi_get_power_info(handle)
            value = next(
                (
                    found[key]
                    for key in ("current_socket_power", "average_socket_power")
                    if isinstance(found.get(key), int) and found[key] not in NO_VALUE
                ),
                None,
            )
        else:
            value = library.amdsmi_get_gpu_activity(handle)["gfx_activity"]
    except (library.AmdSmiException, KeyError, AttributeError):
        return None
    return value if isinstance(value, int) and value not in NO_VALUE else None


class _AmdsmiReader:
    """Reads boards; after an error the library is initialised once more."""

    def __init__(self, sensors: Sequence[Sensor], env: Environment) -> None:
        self.library: Any = env.import_module("amdsmi")
        self.env = env
        self.plan = [(int(s.id.split(":")[1]), s.id.rpartition(":")[2]) for s in sensors]
        self.handles: list[Any] = []
        self.retry_at = 0
        self._connect()

    def _connect(self) -> None:
        self.retry_at = self.env.monotonic_ns() + NANO
        with contextlib.suppress(self.library.AmdSmiException):
            self.library.amdsmi_init()
            self.handles = list(self.library.amdsmi_get_processor_handles())

    def read(self) -> list[RawReading]:
        """One reading for each sensor."""
        readings = [self._one(index, quantity) for index, quantity in self.plan]
        failed = any(status is Status.MISSING for _, status, _ in readings)
        if failed and self.env.monotonic_ns() >= self.retry_at:
            self._connect()
        return readings

    def _one(self, index: int, quantity: str) -> RawReading:
        if index >= len(self.handles):
            return None, Status.MISSING, 0
        value = _value(self.library, quantity, self.handles[index])
        return (None, Status.MISSING, 0) if value is None else (value, Status.OK, 0)

    def close(self) -> None:
        """The library is released with the process."""
