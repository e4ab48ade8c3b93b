"""Keeping fewer readings of long runs: files stay small, and energies stay exact."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from energymeter.config import thinning_steps
from energymeter.sampling import group_period
from energymeter.sensors import Kind, Sensor, Status

__all__ = ["Thinning"]

Sink: TypeAlias = Callable[[int, int, "int | None", Status], None]
COUNTERS = (Kind.ENERGY_COUNTER, Kind.EVENT_COUNTER)
GAP = 10_000_000_000  # ns; what is longer is no part of a mean


@dataclass(slots=True)
class _Bucket:
    """What came since the last reading that was kept."""

    end: int = 0
    last: tuple[int, int] | None = None  # time and raw value of the last good reading
    failed: tuple[int, Status] | None = None
    start: int = 0
    area: int = 0  # 2 * integral of the raw value over ns, since `start`
    rest: int = 0  # of `area`, what rounding the mean has left
    fresh: bool = False


class Thinning:
    """Stands between sampler and journal.

    Of a counter, the last reading of each period is kept: differences of counters lose nothing. Of
    a power, the mean over the period, as a reading of its own kind (`Status.MEAN`); rounding errors
    are carried over to the next mean, so that the energy is that of all readings.

    Parameters
    ----------
    sensors : sequence of Sensor
    store : str
        See `MeterConfig.store`.
    start : int
        ns from which the age of the run counts.
    sink : callable
        Gets what is kept: (sensor index, time in ns, raw value or None, status).
    """

    def __init__(self, sensors: Sequence[Sensor], store: str, start: int, sink: Sink) -> None:
        self.sensors, self.start, self.sink = sensors, start, sink
        self.steps = [(int(a * 1e9), p) for a, p in reversed(thinning_steps(store))]
        self.buckets = [_Bucket() for _ in sensors]

    def sample(self, index: int, time: int, raw: int | None, status: Status) -> None:
        """Take a reading, and hand on what is due."""
        width = self._width(index, time)
        bucket = self.buckets[index]
        if not width:
            self.sink(index, time, raw, status)
            if raw is not None:
                bucket.start, bucket.last = time, (time, raw)
            return
        if raw is None:
            bucket.failed = time, status
        else:
            self._add(index, bucket, time, raw)
        if time >= bucket.end:
            self._emit(index, bucket)
            bucket.end = self.start + ((time - self.start) // width + 1) * width

    def flush(self) -> None:
        """Hand on everything that came so far."""
        for index, bucket in enumerate(self.buckets):
            self._emit(index, bucket)

    def _width(self, index: int, time: int) -> int:
        age = time - self.start
        for since, period in self.steps:
            if age >= since:
                # one wrap of a counter must never hide another
                return int(group_period([self.sensors[index]], period) * 1e9)
        return 0

    def _add(self, index: int, bucket: _Bucket, time: int, raw: int) -> None:
        if self.sensors[index].kind not in COUNTERS:
            if bucket.last is None or time - bucket.last[0] > GAP:
                self._emit(index, bucket)
                self.sink(index, time, raw, Status.OK)
                bucket.start, bucket.last, bucket.area = time, (time, raw), 0
                return
            before, previous = bucket.last
            bucket.area += (previous + raw) * (time - before)
        bucket.last, bucket.fresh, bucket.failed = (time, raw), True, None

    def _emit(self, index: int, bucket: _Bucket) -> None:
        if bucket.fresh and bucket.last is not None:
            time, raw = bucket.last
            if self.sensors[index].kind in COUNTERS:
                self.sink(index, time, raw, Status.OK)
            elif time > bucket.start:
                double = 2 * (time - bucket.start)
                area = bucket.area + bucket.rest
                mean = max(0, (area + double // 2) // double)
                bucket.rest, bucket.area, bucket.start = area - mean * double, 0, time
                self.sink(index, time, mean, Status.MEAN)
        elif bucket.failed is not None:
            self.sink(index, bucket.failed[0], None, bucket.failed[1])
        bucket.fresh, bucket.failed = False, None
