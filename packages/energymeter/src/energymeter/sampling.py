"""When sensors are read: absolute deadlines, jitter against locking to loops, and a budget."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

from energymeter.sensors import Kind, Sensor

__all__ = ["GOLDEN", "Budget", "Deadlines", "group_period", "is_jittered", "wrap_limit"]

GOLDEN = 0.6180339887498949
# a counter is read this often per wrap at full power, so that one wrap is never missed
WRAPS_PER_READ = 0.4


class Deadlines:
    """Times at which a group of sensors is read; what was missed is counted, never made up for.

    With jitter there is one reading in each period, at a low-discrepancy offset: the k-th at
    frac(u0 + k · 0.618...) of it. Uniform sampling of a power sensor locks to loops of the
    application whose length is a multiple of the period; this does not.

    Parameters
    ----------
    start, period : int
        In ns.
    jitter : bool
    u0 : float
        In [0, 1), random for each run.
    """

    def __init__(self, start: int, period: int, *, jitter: bool = False, u0: float = 0.0) -> None:
        self.start, self.period, self.jitter, self.u0 = start, period, jitter, u0
        self.index = 0
        self.missed = 0

    def at(self, index: int) -> int:
        """The deadline of this number."""
        offset = (self.u0 + index * GOLDEN) % 1.0 if self.jitter else 0.0
        return self.start + index * self.period + int(offset * self.period)

    @property
    def next(self) -> int:
        """The deadline to wait for."""
        return self.at(self.index)

    def done(self, now: int, rest: int = 0) -> None:
        """Go on to the first deadline after `now`, or after a rest of so many ns."""
        following = self.index + 1
        due = self._after(now, following)
        self.missed += due - following
        self.index = self._after(now + rest, due) if rest else due

    def _after(self, time: int, index: int) -> int:
        index = max(index, (time - self.start) // self.period)
        while self.at(index) <= time:
            index += 1
        return index


class Budget:
    """How long a group of sensors rests, so that its readings take a share of the time at most.

    Some drivers take milliseconds for a reading (4 ms for the energy counter of an H200), which at
    10 Hz were several per cent of a core. A reading here costs the least of the last few ones:
    what took long once, because the machine was busy, does not count.

    Parameters
    ----------
    share : float
        Of one core.
    longest : int
        No rest is longer, in ns, where counters would wrap unseen.
    """

    def __init__(self, share: float, longest: int) -> None:
        self.share, self.longest = share, longest
        self._costs: deque[int] = deque(maxlen=3)

    def rest(self, cost: int) -> int:
        """The rest in ns after a reading that took `cost` ns; 0 before three were seen."""
        self._costs.append(cost)
        if len(self._costs) < (self._costs.maxlen or 0):
            return 0
        return min(self.longest, int(min(self._costs) / self.share))


def is_jittered(sensor: Sensor, period: float) -> bool:
    """Whether a sensor gains from jitter: instantaneous powers, and averages of short windows."""
    if sensor.kind is Kind.POWER_INSTANT:
        return True
    return sensor.kind is Kind.POWER_AVERAGE and sensor.window < period


def group_period(sensors: Iterable[Sensor], period: float) -> float:
    """The period in s, shortened where a counter could start again between two readings."""
    return max(0.001, min(period, wrap_limit(sensors)))


def wrap_limit(sensors: Iterable[Sensor]) -> float:
    """The longest time in s between two readings that shows every wrap of these counters."""
    limits = (
        WRAPS_PER_READ * sensor.modulus * sensor.factor / sensor.bound
        for sensor in sensors
        if sensor.kind is Kind.ENERGY_COUNTER and sensor.modulus
    )
    return min(limits, default=math.inf)
