"""Integration: unwrapping, faults, gaps, additivity, and its errors."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energymeter.analysis.curves import EnergyCurve, energy_curve
from energymeter.analysis.uncertainty import is_resolved, random_error
from energymeter.sensors import Kind, Sensor

SECOND = 10**9
COUNTER = Sensor("t:c", "node/cpu0", Kind.ENERGY_COUNTER, (1, 10**6), update_period=0.001)
POWER = Sensor("t:p", "node/cpu0", Kind.POWER_INSTANT)


def curve(sensor: Sensor, times: object, raws: object, good: object = None) -> EnergyCurve:
    t = np.array(times, dtype=np.int64)
    ok = np.ones(len(t), dtype=bool) if good is None else np.array(good, dtype=bool)
    return energy_curve(sensor, t, np.array(raws, dtype=np.int64), ok)


def total(c: EnergyCurve) -> float:
    return float(c.joules[-1])


@given(
    st.integers(10**6, 10**9),
    st.lists(st.tuples(st.floats(0, 0.99), st.integers(10**6, 10**9)), min_size=1, max_size=60),
    st.integers(0, 10**9),
)
def test_unwrapping_gives_the_true_increments(modulus, steps, start):
    """Increments of less than a wrap each, whatever the modulus and the times."""
    sensor = replace(COUNTER, modulus=modulus, max_power=1e12)
    values, times = [start % modulus], [0]
    true = 0
    for share, gap in steps:
        step = int(share * modulus)
        true += step
        values.append((values[-1] + step) % modulus)
        times.append(times[-1] + gap)
    # zeros that are followed by a larger value cannot be told from failed reads: same total
    assert total(curve(sensor, times, values)) == pytest.approx(true * 1e-6, abs=1e-12)


@given(st.lists(st.integers(0, 10**8), min_size=3, max_size=40), st.data())
def test_parts_add_up_and_time_shifts_change_nothing(steps, data):
    times = np.arange(len(steps) + 1) * 10**8
    raws = np.concatenate([[0], np.cumsum(steps)])
    c = curve(COUNTER, times, raws)
    cuts = sorted(data.draw(st.lists(st.integers(0, int(times[-1])), min_size=3, max_size=3)))
    a, b, d = cuts
    assert float(c.between(a, b) + c.between(b, d)) == pytest.approx(float(c.between(a, d)))
    shifted = curve(COUNTER, times + 10**15, raws)
    assert float(shifted.between(a + 10**15, d + 10**15)) == pytest.approx(float(c.between(a, d)))
    grid = c.at(np.linspace(0, int(times[-1]), 50).astype(np.int64))
    assert np.all(np.diff(grid) >= 0)


def test_a_failed_read_of_zero_is_left_out():
    c = curve(COUNTER, [0, SECOND, 2 * SECOND, 3 * SECOND], [5 * 10**8, 6 * 10**8, 0, 8 * 10**8])
    assert total(c) == pytest.approx(300)
    assert c.flags.glitches == 1


def test_a_zero_just_after_a_wrap_counts():
    sensor = replace(COUNTER, modulus=1000 * 10**6)
    c = curve(sensor, [0, SECOND, 2 * SECOND], [900 * 10**6, 0, 100 * 10**6])
    assert total(c) == pytest.approx(200)
    assert c.flags.wraps == 1


def test_missing_readings_are_bridged_exactly():
    times = [k * SECOND for k in range(5)]
    c = curve(COUNTER, times, [0, 10**8, 0, 0, 4 * 10**8], [True, True, False, False, True])
    assert total(c) == pytest.approx(400)
    assert c.flags.failed == 2
    assert c.coverage(0, 4 * SECOND) == 1


def test_a_jump_of_a_terajoule_is_dropped():
    c = curve(COUNTER, [k * SECOND for k in range(4)], [0, 10**8, 10**18, 3 * 10**8])
    assert total(c) == pytest.approx(300)
    assert c.flags.implausible == 1


def test_a_reset_loses_one_interval_and_says_so():
    raws = [9 * 10**12, 9 * 10**12 + 10**8, 10**7, 10**7 + 10**8, 10**7 + 2 * 10**8]
    c = curve(COUNTER, [k * SECOND for k in range(5)], raws)
    assert total(c) == pytest.approx(300)
    assert c.flags.resets == 1
    assert c.coverage(0, 4 * SECOND) == pytest.approx(0.75)


def test_a_partly_written_number_is_no_reset():
    c = curve(COUNTER, [k * SECOND for k in range(4)], [5 * 10**8, 6 * 10**8, 6, 8 * 10**8])
    assert total(c) == pytest.approx(300)
    assert c.flags.resets == 0


def test_a_counter_stops_at_its_last_reading():
    c = curve(COUNTER, [0, SECOND], [0, 10**8])
    assert float(c.at(9 * SECOND)) == pytest.approx(100)
    assert c.coverage(0, 4 * SECOND) == pytest.approx(0.25)


def test_no_reading_is_no_energy_and_no_coverage():
    c = curve(COUNTER, [0, SECOND], [7, 8], [False, False])
    assert c.coverage(0, SECOND) == 0
    assert len(c.times) == 0


def test_power_is_integrated_on_its_own_stamps():
    c = curve(POWER, [0, SECOND, 3 * SECOND], [100, 200, 200])
    assert total(c) == pytest.approx(150 + 400)
    # quadratic inside: 100·t + 50·t² at half a second
    assert float(c.at(SECOND // 2)) == pytest.approx(62.5)
    # held outside
    assert float(c.between(3 * SECOND, 4 * SECOND)) == pytest.approx(200)


def test_an_average_of_a_long_window_belongs_half_a_window_earlier():
    sensor = replace(POWER, kind=Kind.POWER_AVERAGE, window=2.0)
    c = curve(sensor, [k * SECOND for k in range(6)], [100] * 6)
    assert c.times[0] == -SECOND
    assert float(c.between(0, 4 * SECOND)) == pytest.approx(400)


def test_an_average_of_a_short_window_stands_for_the_time_before_it():
    sensor = replace(POWER, kind=Kind.POWER_AVERAGE, window=1.0)
    c = curve(sensor, [0, SECOND, 2 * SECOND], [0, 100, 300])
    assert total(c) == pytest.approx(400)
    assert float(c.between(0, SECOND)) == pytest.approx(100)


def test_long_gaps_of_a_power_are_not_filled():
    times = [*(k * SECOND for k in range(5)), *(60 * SECOND + k * SECOND for k in range(5))]
    c = curve(POWER, times, [100] * 10)
    assert total(c) == pytest.approx(800)
    assert c.coverage(0, 64 * SECOND) == pytest.approx(8 / 64)
    assert c.flags.gaps == pytest.approx(56)


def test_errors_vanish_at_readings_and_grow_in_between():
    c = curve(COUNTER, [k * SECOND for k in range(5)], [k * 10**8 for k in range(5)])
    assert random_error(c, 0, 4 * SECOND) < 0.1
    assert random_error(c, 0, int(3.5 * SECOND)) == pytest.approx(100 / 12**0.5, rel=0.01)
    assert is_resolved(c, 0.002)
    assert not is_resolved(c, 0.001)


def test_part_time_sensors_have_larger_errors():
    raws = [100, 300] * 20
    times = [k * SECOND for k in range(40)]
    full = random_error(curve(POWER, times, raws), 0, 39 * SECOND)
    part = random_error(curve(replace(POWER, duty=0.25), times, raws), 0, 39 * SECOND)
    assert part == pytest.approx(2 * full)


def test_scales_and_moduli_must_be_positive():
    with pytest.raises(ValueError, match="scale"):
        replace(COUNTER, scale=(0, 1))
    with pytest.raises(ValueError, match="modulus"):
        replace(COUNTER, modulus=0)
