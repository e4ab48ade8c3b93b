"""The agent's own sampling loop on a virtual clock: minutes of measurement in milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from energymeter.agent.sampler import Sampler
from energymeter.agent.thinning import Thinning
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
    store: str = "full",
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
    store : str
        How readings are thinned out, see `MeterConfig`.
    """
    readings: list[list[tuple[int, int, Status]]] = [[] for _ in sensors]
    counts = [0] * len(sensors)

    def sink(index: int, time: int, raw: int | None, status: Status) -> None:
        if fault is not None:
            raw, status = fault(index, counts[index], raw, status)
        counts[index] += 1
        thinning.sample(index, time, raw, status)

    def keep(index: int, time: int, raw: int | None, status: Status) -> None:
        readings[index].append((time, raw or 0, status))

    thinning = Thinning(sensors, store, env.time, keep)
    stop = env.time + int(seconds * 1e9)
    sampler = Sampler(sensors, MeterConfig(period=period), env, sink, u0)
    sampler.read_fast()
    while (due := sampler.next_deadline()) < stop:
        env.time = max(env.time, due) + lateness()
        sampler.read_due()
    env.time = max(env.time, stop)
    sampler.read_fast()
    sampler.stop()
    thinning.flush()
    return [_curve(sensor, values) for sensor, values in zip(sensors, readings, strict=True)]


def _curve(sensor: Sensor, values: Sequence[tuple[int, int, Status]]) -> EnergyCurve:
    times = np.array([time for time, _, _ in values], dtype=np.int64)
    raws = np.array([raw for _, raw, _ in values], dtype=np.int64)
    good = np.array([status.has_value for _, _, status in values], dtype=bool)
    means = np.array([status is Status.MEAN for _, _, status in values], dtype=bool)
    return energy_curve(sensor, times, raws, good, means)
