"""The agent's own sampling loop on a virtual clock: minutes of measurement in milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from energymeter.agent.sampler import Sampler
from energymeter.analysis.curves import EnergyCurve, energy_curve
from energymeter.config import MeterConfig
from energymeter.environment import Environment
from energymeter.sensors import Sensor, Status

__all__ = ["VirtualEnvironment", "simulate"]

Fault = Callable[[int, int, "int | None", Status], tuple[int | None, Status]]


class VirtualEnvironment(Environment):
    """An environment whose clock stands still until it is moved.

    Parameters
    ----------
    environ : mapping
        Environment variables, such as ``ENERGYMETER_WAVES``.
    time : int
        ns at the start.
    """

    def __init__(self, environ: Mapping[str, str], time: int = 1_000_000_000_000) -> None:
        super().__init__(dict(environ))
        self.time = time

    def monotonic_ns(self) -> int:
        """The virtual time."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Move the clock."""
        self.time += int(seconds * 1e9)

    def realtime_ns(self) -> int:
        """The virtual time, as time of day in 2026."""
        return self.time + 1_767_225_600_000_000_000


def simulate(
    sensors: Sequence[Sensor],
    env: VirtualEnvironment,
    seconds: float,
    *,
    period: float = 0.1,
    u0: float = 0.5,
    fault: Fault | None = None,
    lateness: Callable[[], int] = lambda: 0,
) -> list[EnergyCurve]:
    """Sample for a while, and integrate: one energy curve for each sensor.

    Parameters
    ----------
    sensors : sequence of Sensor
        As `discover` of a backend returned them.
    seconds : float
        Virtual time.
    u0 : float
        Start of the jitter.
    fault : callable, optional
        From (sensor, number of the reading, raw, status) to what is stored instead.
    lateness : callable
        ns by which the loop is late after each wait.
    """
    readings: list[list[tuple[int, int, bool]]] = [[] for _ in sensors]

    def sink(index: int, time: int, raw: int | None, status: Status) -> None:
        if fault is not None:
            raw, status = fault(index, len(readings[index]), raw, status)
        readings[index].append((time, raw or 0, status is Status.OK and raw is not None))

    stop = env.time + int(seconds * 1e9)
    sampler = Sampler(sensors, MeterConfig(period=period), env, sink, u0)
    sampler.read_fast()
    while (due := sampler.next_deadline()) < stop:
        env.time = max(env.time, due) + lateness()
        sampler.read_due()
    env.time = max(env.time, stop)
    sampler.read_fast()
    sampler.stop()
    curves = []
    for sensor, values in zip(sensors, readings, strict=True):
        times, raws, good = (np.array(column) for column in zip(*values, strict=True))
        curves.append(
            energy_curve(sensor, times.astype(np.int64), raws.astype(np.int64), good.astype(bool))
        )
    return curves
