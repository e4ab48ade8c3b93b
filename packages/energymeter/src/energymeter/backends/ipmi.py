"""Power of the whole node from its management controller, through ipmitool or ipmi-dcmi."""

from __future__ import annotations

import re
from collections.abc import Sequence

from energymeter.environment import Environment
from energymeter.sensors import Kind, Probe, RawReading, Sensor, Status, Unavailable

__all__ = ["IpmiBackend"]

COMMANDS = {
    "ipmitool": ("ipmitool", "dcmi", "power", "reading"),
    "ipmi-dcmi": ("ipmi-dcmi", "--get-system-power-statistics"),
}
WATTS = re.compile(
    r"(?:Instantaneous power reading|Current Power)\s*:\s*(\d+)\s*Watts", re.IGNORECASE
)
TIMEOUT = 2.0
HINT = "the user needs access to /dev/ipmi0; ask the administrator"


class IpmiBackend:
    """One node sensor, read once a second or slower. Off unless asked for: ``--backends +ipmi``."""

    name = "ipmi"

    def discover(self, env: Environment) -> list[Probe]:
        """The first command that answers."""
        there = [name for name in COMMANDS if env.has_command(name)]
        if not there:
            hint = "install ipmitool or freeipmi"
            return [Unavailable("ipmi", "node", "neither ipmitool nor ipmi-dcmi is there", hint)]
        reasons = []
        for name in there:
            watts, status = _read(name, env)
            if watts is not None:
                return [
                    Sensor(
                        f"ipmi:{name}",
                        "node",
                        Kind.POWER_INSTANT,
                        update_period=1.0,
                        slow=True,
                        contains=("node/*",),
                        source=name,
                    )
                ]
            reasons.append(f"{name}: {status.value}")
        return [Unavailable("ipmi", "node", "; ".join(reasons), HINT)]

    def open(self, sensors: Sequence[Sensor], env: Environment) -> _IpmiReader:
        """Open it."""
        return _IpmiReader([sensor.source for sensor in sensors], env)


def _read(name: str, env: Environment) -> tuple[int | None, Status]:
    try:
        code, output, errors = env.run(COMMANDS[name], TIMEOUT)
    except TimeoutError:
        return None, Status.TIMEOUT
    except OSError:
        return None, Status.MISSING
    match = WATTS.search(output)
    if code or match is None:
        denied = "permission" in errors.lower() or "could not open device" in errors.lower()
        return None, Status.DENIED if denied else Status.INVALID
    return int(match[1]), Status.OK


class _IpmiReader:
    def __init__(self, names: Sequence[str], env: Environment) -> None:
        self.names, self.env = names, env

    def read(self) -> list[RawReading]:
        """The power now."""
        return [(*_read(name, self.env), 0) for name in self.names]

    def close(self) -> None:
        """Nothing is kept open."""
