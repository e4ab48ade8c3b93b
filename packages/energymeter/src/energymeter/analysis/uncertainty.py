"""How wrong an energy can be: independent random terms, one standard deviation each, in J."""

from __future__ import annotations

import math

import numpy as np

from energymeter.analysis.curves import EnergyCurve
from energymeter.sensors import Kind

__all__ = ["is_resolved", "random_error", "systematic_error"]


def random_error(curve: EnergyCurve, start: int, stop: int) -> float:
    """Standard deviation of the energy of [start, stop] (ns) in J.

    Resolution, refresh latency at both ends, interpolation at both cuts; of a power also the
    sampling error, from the differences of successive readings.
    """
    n = len(curve.times)
    if n == 0 or stop <= start:
        return 0.0
    seconds = (stop - start) / 1e9
    terms = _latency(curve, start, stop)
    terms += [_cut(curve, start), _cut(curve, stop)]
    if curve.watts is None and curve.sensor.kind is Kind.ENERGY_COUNTER:
        terms.append(curve.sensor.quantum / math.sqrt(6))
    elif curve.watts is not None:
        terms += [_sampling(curve, start, stop, seconds), _gaps(curve, start, stop)]
        if curve.sensor.window > 1.5 * curve.period:
            edges = (curve.watts[0], curve.watts[-1])
            median = float(np.median(curve.watts))
            terms += [curve.sensor.window / 2 * abs(float(edge) - median) for edge in edges]
    return math.sqrt(sum(term * term for term in terms))


def systematic_error(curve: EnergyCurve, joules: float) -> float:
    """Declared accuracy: the same for all readings, so it does not shrink with their number."""
    return curve.sensor.accuracy * abs(joules)


def is_resolved(curve: EnergyCurve, seconds: float) -> bool:
    """Whether a region of this length can be told apart by this sensor."""
    refresh = curve.sensor.update_period or curve.period
    return seconds >= 2 * refresh


def _latency(curve: EnergyCurve, start: int, stop: int) -> list[float]:
    """A value is up to one refresh period τ old, uniformly: P·τ/√12 at each end.

    The mean delay of τ/2 cancels only where the powers at both ends are the same. What the power is
    at an end is not known to better than the powers of the three refresh periods beside it.
    """
    refresh = int(curve.sensor.update_period * 1e9)
    if not refresh:
        return []
    steps = np.arange(4, dtype=np.int64) * refresh
    first = np.diff(curve.at(start + steps)) / (refresh / 1e9)
    last = np.diff(curve.at(stop - steps[::-1])) / (refresh / 1e9)
    ends = [float(powers.max()) * refresh / 1e9 / math.sqrt(12) for powers in (first, last)]
    apart = max(float(last.max() - first.min()), float(first.max() - last.min()))
    return [*ends, apart * refresh / 1e9 / 2]


def _cut(curve: EnergyCurve, time: int) -> float:
    """A cut inside an interval: its energy may lie anywhere in the interval (uniform)."""
    index = int(np.searchsorted(curve.times, time))
    if index in (0, len(curve.times)):
        return 0.0
    before, after = int(curve.times[index - 1]), int(curve.times[index])
    if time == after:
        return 0.0
    near = min(time - before, after - time) / (after - before)
    # zero at a reading, full in the middle of the interval
    step = float(curve.joules[index] - curve.joules[index - 1])
    return 2 * near * step / math.sqrt(12)


def _sampling(curve: EnergyCurve, start: int, stop: int, seconds: float) -> float:
    """S·sqrt(Σ(p_{i+1} - p_i)² / (2(n - 1)n)), with n reduced by the share of time observed."""
    assert curve.watts is not None
    first = max(0, int(np.searchsorted(curve.times, start)) - 1)
    last = int(np.searchsorted(curve.times, stop)) + 1
    watts = curve.watts[first:last]
    n = len(watts)
    if n < 2:
        return 0.0
    squares = float(np.square(np.diff(watts)).sum())
    effective = max(1.0, n * curve.sensor.duty)
    return seconds * math.sqrt(squares / (2 * (n - 1) * effective))


def _gaps(curve: EnergyCurve, start: int, stop: int) -> float:
    """An interpolated gap may have had the power of either end for all of its length."""
    assert curve.watts is not None
    total = 0.0
    for a, b in curve.filled:
        if b > start and a < stop:
            first, last = np.searchsorted(curve.times, (a, b))
            total += (b - a) / 1e9 * abs(float(curve.watts[last] - curve.watts[first]))
    return total / math.sqrt(12)
