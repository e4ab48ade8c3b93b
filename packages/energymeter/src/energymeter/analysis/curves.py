"""Energy as a function of time, from the readings of one sensor.

All arithmetic is in int64 and float64. A counter is differenced, never turned into power and
integrated again. The energy of [a, b] is E(b) - E(a), so that parts add up exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from energymeter.sensors import Kind, Sensor

__all__ = ["EnergyCurve", "Flags", "energy_curve"]

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Spans: TypeAlias = tuple[tuple[int, int], ...]
Floats = npt.NDArray[np.float64]
MAX_GAP = 10.0
GAP_PERIODS = 3.0
CONSISTENT = 3


@dataclass(frozen=True)
class Flags:
    """What was found in a series of readings.

    `failed`: readings without a value. `glitches`: zeros that were failed reads. `wraps`, `resets`:
    of the counter. `implausible`: values that would need more power than there can be. `ambiguous`:
    intervals in which the counter may have wrapped more than once. `gaps`: of a power, in s.
    """

    failed: int = 0
    glitches: int = 0
    wraps: int = 0
    resets: int = 0
    implausible: int = 0
    ambiguous: int = 0
    gaps: float = 0.0


@dataclass(frozen=True)
class EnergyCurve:
    """E(t) through (times, joules).

    Parameters
    ----------
    times : (n,) int64
        ns, increasing.
    joules : (n,) float64
        Since the first reading.
    watts : (n,) float64, optional
        Of a power sensor: the power at `times`, linear in between, so that E is quadratic there.
    lost : tuple of (int, int)
        Intervals (ns) of which nothing is known: resets and long gaps. They add no energy.
    filled : tuple of (int, int)
        Short gaps (ns) of a power, which are interpolated.
    """

    sensor: Sensor
    times: Ints
    joules: Floats
    watts: Floats | None = None
    lost: Spans = ()
    filled: Spans = ()
    flags: Flags = field(default_factory=Flags)

    def at(self, time: npt.ArrayLike) -> Floats:
        """Energy in J since the first reading, at times in ns (any shape).

        A power is held before its first and after its last reading; a counter ends there.
        """
        t = np.asarray(time, dtype=np.int64)
        if len(self.times) == 0:
            return np.zeros(t.shape)
        index = np.clip(np.searchsorted(self.times, t, side="right") - 1, 0, len(self.times) - 1)
        after = (t - self.times[index]) / 1e9
        following = np.minimum(index + 1, len(self.times) - 1)
        span = (self.times[following] - self.times[index]) / 1e9
        inside = np.clip(after, 0.0, span)
        step = self.joules[following] - self.joules[index]
        safe = np.where(span > 0, span, 1.0)
        energy = self.joules[index] + step * inside / safe
        if self.watts is not None:
            rise = self.watts[following] - self.watts[index]
            # straight power minus its chord: zero at both ends
            bend = 0.5 * rise * inside * (inside / safe - 1.0)
            energy += np.where(self._is_lost(t), 0.0, bend)
            energy += np.where(after > inside, (after - inside) * self.watts[-1], 0.0)
            energy += np.where(after < 0, after * self.watts[0], 0.0)
        return np.asarray(energy, dtype=np.float64)

    def between(self, start: npt.ArrayLike, stop: npt.ArrayLike) -> Floats:
        """Energy in J from `start` to `stop`, in ns."""
        return self.at(stop) - self.at(start)

    def coverage(self, start: int, stop: int) -> float:
        """Share of [start, stop] of which the energy is known."""
        if stop <= start or len(self.times) == 0:
            return 0.0
        missing = sum(max(0, min(b, stop) - max(a, start)) for a, b in self.lost)
        if self.watts is None:  # a counter says nothing outside its readings
            known = max(0, min(stop, int(self.times[-1])) - max(start, int(self.times[0])))
        else:
            reach = int(GAP_PERIODS * self.period * 1e9)
            known = max(
                0,
                min(stop, int(self.times[-1]) + reach) - max(start, int(self.times[0]) - reach),
            )
        return max(0.0, known - missing) / (stop - start)

    @property
    def period(self) -> float:
        """Median time between readings in s."""
        return float(np.median(np.diff(self.times)) / 1e9) if len(self.times) > 1 else 0.0

    def _is_lost(self, t: Ints) -> npt.NDArray[np.bool_]:
        result = np.zeros(t.shape, dtype=bool)
        for a, b in self.lost:
            result |= (t > a) & (t < b)
        return result


def energy_curve(
    sensor: Sensor, times: Ints, raws: Ints, good: Bools, means: Bools | None = None
) -> EnergyCurve:
    """The energy curve of a sensor from its readings.

    Parameters
    ----------
    times : (n,) int64
        ns.
    raws : (n,) int64
    good : (n,) bool
        Which readings have a value.
    means : (n,) bool, optional
        Which of them are no readings, but means since the one before; default: none.
    """
    failed = int(np.count_nonzero(~good))
    means = np.zeros(len(good), dtype=bool) if means is None else means
    times, raws, means = times[good], raws[good], means[good]
    if len(times) and np.any(np.diff(times) <= 0):  # stamps of the sensor's own may repeat
        order = np.argsort(times, kind="stable")
        times, raws, means = times[order], raws[order], means[order]
        keep = np.append(np.diff(times) > 0, True)
        times, raws, means = times[keep], raws[keep], means[keep]
    if sensor.kind in (Kind.ENERGY_COUNTER, Kind.EVENT_COUNTER):
        curve = _counter(sensor, times, raws)
    else:
        curve = _power(sensor, times, np.asarray(raws * sensor.factor, dtype=np.float64), means)
    return replace(curve, flags=replace(curve.flags, failed=failed))


def _counter(sensor: Sensor, times: Ints, raws: Ints) -> EnergyCurve:
    """Spec: unwrap, and take out what cannot be true; fast where nothing is unusual."""
    if len(times) < 2:
        return EnergyCurve(sensor, times, np.zeros(len(times)))
    steps, seconds = np.diff(raws), np.diff(times) / 1e9
    limit = sensor.plausible_energy(seconds)
    if bool(np.all(steps >= 0) and np.all(steps * sensor.factor <= limit)):
        joules = np.concatenate([[0.0], (raws[1:] - raws[0]) * sensor.factor])
        return EnergyCurve(sensor, times, joules, flags=_ambiguity(sensor, seconds, Flags()))
    return _Unwrapping(sensor, times, raws).curve()


def _ambiguity(sensor: Sensor, seconds: Floats, flags: Flags) -> Flags:
    if not sensor.modulus or sensor.kind is not Kind.ENERGY_COUNTER:
        return flags
    doubtful = sensor.modulus * sensor.factor < sensor.bound * seconds
    return replace(flags, ambiguous=int(np.count_nonzero(doubtful)))


class _Unwrapping:
    """Goes through a counter's readings one by one."""

    def __init__(self, sensor: Sensor, times: Ints, raws: Ints) -> None:
        self.sensor = sensor
        self.times, self.raws = times.tolist(), raws.tolist()
        self.kept, self.total = [0], [0]
        self.lost: list[tuple[int, int]] = []
        self.glitches = self.wraps = self.resets = self.implausible = 0
        self.suspects: list[int] = []

    def curve(self) -> EnergyCurve:
        for index in range(1, len(self.times)):
            self._take(index)
        times = np.array([self.times[index] for index in self.kept], dtype=np.int64)
        joules = np.asarray(
            np.array(self.total, dtype=np.int64) * self.sensor.factor, dtype=np.float64
        )
        flags = Flags(
            glitches=self.glitches,
            wraps=self.wraps,
            resets=self.resets,
            implausible=self.implausible,
        )
        flags = _ambiguity(self.sensor, np.diff(times) / 1e9, flags)
        return EnergyCurve(self.sensor, times, joules, lost=tuple(self.lost), flags=flags)

    def _take(self, index: int) -> None:
        previous = self.kept[-1]
        if self._is_failed_zero(index, previous):
            self.glitches += 1
            return
        step = self._step(previous, index)
        if step is not None:
            self.wraps += self.raws[index] < self.raws[previous]
            self.suspects.clear()
            self._keep(index, step)
        elif self.raws[index] < self.raws[previous] and self._restarted(index):
            self._reset(index)
        else:
            self.implausible += 1
            self.suspects.append(index)
            self._check_suspects()

    def _keep(self, index: int, step: int) -> None:
        self.kept.append(index)
        self.total.append(self.total[-1] + step)

    def _step(self, first: int, second: int) -> int | None:
        """The plausible increment between two readings, or None."""
        step = self.raws[second] - self.raws[first]
        seconds = (self.times[second] - self.times[first]) / 1e9
        limit = self.sensor.plausible_energy(seconds)
        if step < 0 and self.sensor.modulus:
            step += self.sensor.modulus
        plausible: bool = 0 <= step * self.sensor.factor <= limit
        return step if plausible else None

    def _is_failed_zero(self, index: int, previous: int) -> bool:
        """A zero after which the counter goes on as before was a failed read."""
        if self.raws[index] != 0 or self.raws[previous] == 0:
            return False
        for later in range(index + 1, len(self.raws)):
            if self.raws[later] != 0:
                return bool(self.raws[later] >= self.raws[previous])
        return True  # zeros until the end: nothing is known, and nothing is counted

    def _restarted(self, index: int) -> bool:
        """Whether the readings from here on go on from a smaller value."""
        following = range(index + 1, min(index + CONSISTENT, len(self.raws)))
        values = [index, *following]
        if len(values) < 2:
            return False
        previous, following_one = self.kept[-1], values[1]
        if (
            self.raws[following_one] >= self.raws[previous]
            and self._step(previous, following_one) is not None
        ):
            return False  # it goes on as before: only this reading was wrong
        return all(self._step(a, b) is not None for a, b in pairwise(values))

    def _reset(self, index: int) -> None:
        self.resets += 1
        self.lost.append((self.times[self.kept[-1]], self.times[index]))
        self.suspects.clear()
        self._keep(index, 0)

    def _check_suspects(self) -> None:
        """Three readings that agree with each other, and not with the past: a reset."""
        last = self.suspects[-CONSISTENT:]
        if len(last) < CONSISTENT or any(self._step(a, b) is None for a, b in pairwise(last)):
            return
        self.implausible -= len(last)
        self._reset(last[0])
        for a, b in pairwise(last):
            self._keep(b, self._step(a, b) or 0)


def _power(sensor: Sensor, times: Ints, watts: Floats, means: Bools) -> EnergyCurve:
    """Trapezoids on the stamps. An average of a long window belongs half a window earlier."""
    plausible = (watts >= 0) & (watts <= sensor.bound)
    implausible = int(np.count_nonzero(~plausible)) if sensor.is_energy else 0
    if implausible:
        times, watts, means = times[plausible], watts[plausible], means[plausible]
    if len(times) == 0:
        return EnergyCurve(sensor, times, np.zeros(0), watts, flags=Flags(implausible=implausible))
    seconds = np.diff(times) / 1e9
    period = float(np.median(seconds)) if len(seconds) else 0.0
    if sensor.kind is Kind.POWER_AVERAGE and sensor.window > 0:
        if sensor.window > 1.5 * period:
            times = times - int(sensor.window / 2 * 1e9)
        else:  # the reading stands for the interval before it
            means = np.ones(len(times), dtype=bool)
            curve = _with_gaps(sensor, times, watts, means, implausible)
            return replace(curve, watts=None)  # linear between readings, like a counter's
    return _with_gaps(sensor, times, watts, means, implausible)


def _with_gaps(
    sensor: Sensor,
    times: Ints,
    watts: Floats,
    means: Bools,
    implausible: int,
) -> EnergyCurve:
    """Trapezoids between readings; a mean stands for the time since the reading before it."""
    seconds = np.diff(times) / 1e9
    steps = np.where(means[1:], watts[1:], 0.5 * (watts[1:] + watts[:-1])) * seconds
    period = float(np.median(seconds)) if len(seconds) else 0.0
    gap = (seconds > np.maximum(GAP_PERIODS * period, 1e-9)) & ~means[1:]
    unknown = gap & (seconds > MAX_GAP)
    steps = np.where(unknown, 0.0, steps)
    lost, filled = _spans(times, unknown), _spans(times, gap & ~unknown)
    flags = Flags(implausible=implausible, gaps=float(seconds[gap].sum()))
    joules = np.concatenate([[0.0], np.cumsum(steps)])
    return EnergyCurve(sensor, times, joules, watts, lost, filled, flags)


def _spans(times: Ints, which: Bools) -> Spans:
    return tuple((int(times[i]), int(times[i + 1])) for i in np.flatnonzero(which))
