"""Power of laptops' batteries while they are discharging."""

from __future__ import annotations

from collections.abc import Sequence

from energymeter.environment import Environment
from energymeter.sensors import Kind, Probe, RawReading, Sensor, Status, Unavailable

__all__ = ["BatteryBackend"]

FOLDER = "/sys/class/power_supply"


class BatteryBackend:
    """All batteries together: one node sensor in µW, missing while they are being charged."""

    name = "battery"

    def discover(self, env: Environment) -> list[Probe]:
        """One sensor if there is a battery that tells its power."""
        batteries = _batteries(env)
        if not batteries:
            return []
        if not any(_discharging(folder, env) for folder in batteries):
            reason = "the battery is not discharging"
            return [Unavailable("battery:power", "node", reason, "unplug the power supply")]
        return [
            Sensor(
                id="battery:power",
                component="node",
                kind=Kind.POWER_INSTANT,
                scale=(1, 1_000_000),
                update_period=1.0,
                slow=True,
                source=FOLDER,
            )
        ]

    def open(self, sensors: Sequence[Sensor], env: Environment) -> _BatteryReader:
        """Open the batteries."""
        return _BatteryReader(len(sensors), env)


def _batteries(env: Environment) -> list[str]:
    folders = [f"{FOLDER}/{name}" for name in env.listdir(FOLDER)]
    return [folder for folder in folders if env.read_text(f"{folder}/type", "") == "Battery"]


def _discharging(folder: str, env: Environment) -> bool:
    return env.read_text(f"{folder}/status", "") == "Discharging"


def _microwatts(folder: str, env: Environment) -> int:
    """Power of one battery, from its power or from current and voltage."""
    power = env.read_text(f"{folder}/power_now", "")
    if power:
        return abs(int(power))
    current = int(env.read_text(f"{folder}/current_now"))
    return abs(current) * int(env.read_text(f"{folder}/voltage_now")) // 1_000_000


class _BatteryReader:
    def __init__(self, count: int, env: Environment) -> None:
        self.count, self.env = count, env

    def read(self) -> list[RawReading]:
        """The sum of all batteries that discharge."""
        try:
            powers = [
                _microwatts(f, self.env) for f in _batteries(self.env) if _discharging(f, self.env)
            ]
        except (OSError, ValueError):
            return [(None, Status.INVALID, 0)] * self.count
        reading: RawReading = (sum(powers), Status.OK, 0) if powers else (None, Status.MISSING, 0)
        return [reading] * self.count

    def close(self) -> None:
        """Nothing is kept open."""
