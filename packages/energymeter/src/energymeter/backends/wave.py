"""Analytic sources for tests and demonstrations: sensors whose true energy is known.

``ENERGYMETER_WAVES`` describes them, separated by semicolons, as
``component,counter|power,WAVE[,option=value...]``; waves are in `energymeter.testing.waves`.
Options of a counter: ``quantum`` (J), ``refresh`` (s), ``modulus`` (J). Reports say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from energymeter.environment import Environment
from energymeter.errors import ConfigurationError
from energymeter.sensors import Kind, Probe, RawReading, Sensor, Status

if TYPE_CHECKING:
    from energymeter.testing.waves import Wave

__all__ = ["WaveBackend"]

VARIABLE = "ENERGYMETER_WAVES"
MICRO = 1_000_000
OPTIONS = ("quantum", "refresh", "modulus")


class WaveBackend:
    """Sensors from ``ENERGYMETER_WAVES``, as functions of the node's monotonic clock."""

    name = "wave"

    def discover(self, env: Environment) -> list[Probe]:
        """One sensor for each description; none without the variable."""
        texts = [t.strip() for t in env.environ.get(VARIABLE, "").split(";") if t.strip()]
        return [_sensor(number, text) for number, text in enumerate(texts)]

    def open(self, sensors: Sequence[Sensor], env: Environment) -> _WaveReader:
        """Open them."""
        return _WaveReader(sensors, env)


def _sensor(number: int, text: str) -> Sensor:
    from energymeter.testing.waves import parse_wave

    component, kind, wave, *rest = text.split(",")
    parse_wave(wave)
    options = dict(item.split("=") for item in rest)
    unknown = set(options) - set(OPTIONS)
    if kind not in ("counter", "power") or unknown:
        raise ConfigurationError(f"{VARIABLE}: {text!r}: counter or power; {', '.join(OPTIONS)}")
    modulus = float(options.get("modulus", 0))
    return Sensor(
        id=f"wave:{number}-{kind}",
        component=component,
        kind=Kind.ENERGY_COUNTER if kind == "counter" else Kind.POWER_INSTANT,
        scale=(1, MICRO),
        modulus=int(modulus * MICRO) if modulus else None,
        resolution=float(options.get("quantum", 1e-6)),
        update_period=float(options.get("refresh", 0.001 if kind == "counter" else 0)),
        max_power=1000.0,
        source=wave,
    )


class _WaveReader:
    def __init__(self, sensors: Sequence[Sensor], env: Environment) -> None:
        from energymeter.testing.waves import parse_wave

        self.pairs = [(sensor, parse_wave(sensor.source)) for sensor in sensors]
        self.env = env

    def read(self) -> list[RawReading]:
        """The sources' values now."""
        now = self.env.monotonic_ns()
        return [(raw_value(s, wave, now), Status.OK, 0) for s, wave in self.pairs]

    def close(self) -> None:
        """Nothing is open."""


def raw_value(sensor: Sensor, wave: Wave, time: int) -> int:
    """What a sensor would show at a time in ns: refreshed, quantised and wrapped."""
    seconds = time / 1e9
    if sensor.kind is not Kind.ENERGY_COUNTER:
        return round(wave.power(seconds) * MICRO)
    refresh = sensor.update_period
    if refresh:
        seconds = int(seconds / refresh) * refresh
    quanta = int(wave.energy(seconds) / sensor.quantum)
    raw = round(quanta * sensor.quantum * MICRO)
    return raw % sensor.modulus if sensor.modulus else raw
