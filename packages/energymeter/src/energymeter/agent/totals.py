"""Running totals of the agent, for `energymeter.snapshot` and live metrics.

They are for showing what goes on. Reports integrate the journal anew, with look-ahead and errors.
"""

from __future__ import annotations

from energymeter.sensors import Kind, Sensor

__all__ = ["Total"]


class Total:
    """Energy of one sensor since its first reading.

    Attributes
    ----------
    joules : float
        For counters of events: their unit; for gauges: value · s.
    last : float
        Last power in W, or value of a gauge.
    """

    __slots__ = ("joules", "last", "raw", "sensor", "time")

    def __init__(self, sensor: Sensor) -> None:
        self.sensor = sensor
        self.joules = self.last = 0.0
        self.time, self.raw = 0, -1

    def add(self, time: int, raw: int) -> None:
        """Account for one good reading."""
        seconds = (time - self.time) / 1e9
        first = self.raw < 0
        if first or seconds <= 0:
            if first:
                self.time, self.raw = time, raw
            if self.sensor.kind is not Kind.ENERGY_COUNTER:
                self.last = raw * self.sensor.factor
            return
        if self.sensor.kind in (Kind.ENERGY_COUNTER, Kind.EVENT_COUNTER):
            step = raw - self.raw
            if step < 0 and self.sensor.modulus:
                step += self.sensor.modulus
            energy = step * self.sensor.factor
            if energy < 0 or energy > self.sensor.plausible_energy(seconds):
                self.raw = raw if energy < 0 and raw else self.raw  # reset; or a failed reading
                return
            self.joules += energy
            self.last = energy / seconds
        else:
            value = raw * self.sensor.factor
            self.joules += 0.5 * (self.last + value) * seconds
            self.last = value
        self.time, self.raw = time, raw
