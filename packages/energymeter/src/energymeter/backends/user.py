"""Sensors of the user's own: files, and commands that print a number."""

from __future__ import annotations

import re
from collections.abc import Sequence

from energymeter.config import UNITS, MeterConfig, UserSensor
from energymeter.environment import Environment
from energymeter.sensors import Kind, Probe, RawReading, Sensor, Status, Unavailable

__all__ = ["UserBackend", "number_in"]

MICRO = 1_000_000
TIMEOUT = 2.0


class UserBackend:
    """``[[sensor]]`` tables of the configuration."""

    name = "user"
    configured = True

    def __init__(self, config: MeterConfig) -> None:
        self.sensors = config.sensors

    def discover(self, env: Environment) -> list[Probe]:
        """All user's sensors that can be read now."""
        return [self._probe(number, given, env) for number, given in enumerate(self.sensors)]

    def _probe(self, number: int, given: UserSensor, env: Environment) -> Probe:
        sensor_id = f"user:{number}"
        value, status = _read(given, env)
        if value is None:
            what = given.path or " ".join(given.argv)
            return Unavailable(sensor_id, given.component, f"{what}: {status.value}")
        kind, numerator, denominator = UNITS[given.unit]
        return Sensor(
            sensor_id,
            given.component,
            Kind(kind),
            (numerator, denominator * MICRO),
            modulus=given.modulus * MICRO if given.modulus else None,
            slow=given.backend == "command",
            contains=given.contains,
            source=str(number),
        )

    def open(self, sensors: Sequence[Sensor], env: Environment) -> _UserReader:
        """Open them."""
        return _UserReader([self.sensors[int(sensor.source)] for sensor in sensors], env)


class _UserReader:
    def __init__(self, given: Sequence[UserSensor], env: Environment) -> None:
        self.given, self.env = given, env

    def read(self) -> list[RawReading]:
        """One reading of each."""
        return [(*_read(sensor, self.env), 0) for sensor in self.given]

    def close(self) -> None:
        """Nothing is kept open."""


def number_in(text: str, pattern: str) -> int:
    """The number that a pattern finds, in millionths. Raises ValueError."""
    from fractions import Fraction

    match = re.search(pattern, text)
    if match is None:
        raise ValueError(f"{pattern!r} finds nothing")
    return int(Fraction(match[1]) * MICRO)


def _read(given: UserSensor, env: Environment) -> tuple[int | None, Status]:
    try:
        if given.backend == "file":
            text = env.read_text(given.path)
        else:
            code, text, _ = env.run(given.argv, TIMEOUT)
            if code:
                return None, Status.MISSING
        value = number_in(text, given.regex)
    except TimeoutError:
        return None, Status.TIMEOUT
    except PermissionError:
        return None, Status.DENIED
    except OSError:
        return None, Status.MISSING
    except (ValueError, IndexError):
        return None, Status.INVALID
    return (value, Status.OK) if value >= 0 else (None, Status.INVALID)
