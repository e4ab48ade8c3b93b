"""When sensors are read: absolute deadlines, and jitter that keeps loops from locking to them."""

from __future__ import annotations

from collections.abc import Iterable

from energymeter.sensors import Kind, Sensor

__all__ = ["GOLDEN", "Deadlines", "group_period", "is_jittered"]

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

    def done(self, now: int) -> None:
        """Go on to the first deadline after `now`."""
        following = self.index + 1
        index = max(following, (now - self.start) // self.period)
        while self.at(index) <= now:
            index += 1
        self.missed += index - following
        self.index = index


def is_jittered(sensor: Sensor, period: float) -> bool:
    """Whether a sensor gains from jitter: instantaneous powers, and averages of short windows."""
    if sensor.kind is Kind.POWER_INSTANT:
        return True
    return sensor.kind is Kind.POWER_AVERAGE and sensor.window < period


def group_period(sensors: Iterable[Sensor], period: float) -> float:
    """The period in s, shortened where a counter could start again between two readings."""
    limits = [
        WRAPS_PER_READ * sensor.modulus * sensor.factor / sensor.bound
        for sensor in sensors
        if sensor.kind is Kind.ENERGY_COUNTER and sensor.modulus
    ]
    return max(0.001, min([period, *limits]))
