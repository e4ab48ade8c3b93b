"""Long recordings: fewer readings are kept, and no energy is lost."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energymeter.agent.thinning import Thinning
from energymeter.analysis.curves import energy_curve
from energymeter.analysis.uncertainty import random_error
from energymeter.backends.wave import WaveBackend
from energymeter.config import MeterConfig
from energymeter.errors import ConfigurationError
from energymeter.journal import JournalReader, JournalWriter
from energymeter.sensors import Kind, Sensor, Status
from energymeter.testing import VirtualEnvironment, simulate

SECOND = 10**9
COUNTER = Sensor("t:c", "node/cpu0", Kind.ENERGY_COUNTER, (1, 10**6))
POWER = Sensor("t:p", "node/gpu0", Kind.POWER_INSTANT, (1, 10))


def thinned(sensor, readings, store):
    kept = []
    thinning = Thinning([sensor], store, 0, lambda *reading: kept.append(reading[1:]))
    for time, raw in readings:
        thinning.sample(0, time, raw, Status.MISSING if raw is None else Status.OK)
    thinning.flush()
    return kept


def curve(sensor, readings):
    times, raws, statuses = zip(*readings, strict=True)
    return energy_curve(
        sensor,
        np.array(times, dtype=np.int64),
        np.array([raw or 0 for raw in raws], dtype=np.int64),
        np.array([status.has_value for status in statuses]),
        np.array([status is Status.MEAN for status in statuses]),
    )


@given(
    st.lists(st.tuples(st.integers(10**6, 3 * SECOND), st.integers(0, 9000)), min_size=2),
    st.sampled_from(["0.5", "1", "10", "60"]),
)
def test_means_of_powers_keep_the_energy(steps, store):
    """Whatever the times and powers; rounding of means is carried on, to half a unit at the end."""
    times = np.cumsum([gap for gap, _ in steps]).tolist()
    readings = list(zip(times, [raw for _, raw in steps], strict=True))
    kept = curve(POWER, thinned(POWER, readings, store))
    full = curve(POWER, [(time, raw, Status.OK) for time, raw in readings])
    longest = max(np.diff(times)) / 1e9 + float(store)
    true = sum((a[1] + b[1]) / 20 * (b[0] - a[0]) / 1e9 for a, b in pairwise(readings))
    assert float(kept.joules[-1]) == pytest.approx(true, abs=0.5 * POWER.factor * longest + 1e-9)
    assert kept.times[-1] == full.times[-1]


@given(st.lists(st.integers(0, 10**8), min_size=2, max_size=80))
def test_counters_lose_nothing(steps):
    raws = np.cumsum(steps).tolist()
    readings = [(k * SECOND // 10, raw) for k, raw in enumerate(raws)]
    kept = thinned(COUNTER, readings, "1")
    assert float(curve(COUNTER, kept).joules[-1]) == pytest.approx((raws[-1] - raws[0]) * 1e-6)
    assert len(kept) <= 2 + len(readings) // 10


def test_the_first_hour_is_kept_and_a_day_becomes_coarser():
    readings = [(k * SECOND, 100) for k in range(0, 7200, 20)]
    readings += [(86_400 * SECOND + k * SECOND // 2, 100) for k in range(200)]
    kept = thinned(POWER, readings, "auto")
    early = [status for time, _, status in kept if time < 3600 * SECOND]
    assert early == [Status.OK] * 180
    late = [time for time, _, status in kept if time > 86_400 * SECOND and status is Status.MEAN]
    assert len(late) == pytest.approx(10, abs=1)
    assert thinned(POWER, readings, "full") == [(t, raw, Status.OK) for t, raw in readings]


def test_failures_stay_failures_and_gaps_stay_gaps():
    kept = thinned(COUNTER, [(0, 5), (SECOND, None), (2 * SECOND, None), (3 * SECOND, 9)], "1")
    assert Status.MISSING in [status for _, _, status in kept]
    readings = [(k * SECOND // 10, 1000) for k in range(50)]
    readings += [(60 * SECOND + k * SECOND // 10, 1000) for k in range(50)]
    found = curve(POWER, thinned(POWER, readings, "1"))
    assert float(found.joules[-1]) == pytest.approx(980, rel=1e-3)
    assert found.coverage(0, 65 * SECOND) < 0.2


def test_counters_that_wrap_soon_are_kept_often_enough():
    fast = Sensor("t:c", "node/cpu0", Kind.ENERGY_COUNTER, (1, 10**6), 150 * 10**6, max_power=100)
    readings = [(k * SECOND // 10, k * 10**7 % (150 * 10**6)) for k in range(600)]
    kept = thinned(fast, readings, "60")
    assert float(curve(fast, kept).joules[-1]) == pytest.approx(5990)


@pytest.mark.parametrize("kind", ["counter", "power"])
def test_energies_of_a_thinned_run(kind):
    text = f"node/gpu0,{kind},square:0.7:50:250"
    curves = []
    for store in ("full", "1"):
        env = VirtualEnvironment({"ENERGYMETER_WAVES": text}, time=10**12)
        (found,) = simulate(WaveBackend().discover(env), env, 120.0, store=store)
        curves.append(found)
    full, kept = curves
    assert len(kept.times) < len(full.times) / 8
    start, stop = 10**12, 10**12 + 120 * SECOND
    assert float(kept.between(start, stop)) == pytest.approx(
        float(full.between(start, stop)), rel=1e-6
    )
    assert random_error(kept, start, stop) >= 0.5 * random_error(full, start, stop)


def test_means_survive_the_journal(tmp_path):
    writer = JournalWriter(tmp_path / "j", {"sensors": []})
    for k in range(3):
        writer.sample(0, k, 10**9 + k, Status.MEAN)
    writer.close()
    (chunk,) = JournalReader(tmp_path / "j").chunks
    assert list(chunk.raws) == [10**9, 10**9 + 1, 10**9 + 2]
    assert {list(Status)[code] for code in chunk.statuses} == {Status.MEAN}


@pytest.mark.parametrize("store", ["", "never", "0", "-1", "1e9", "nan"])
def test_periods_that_there_are_not(store):
    with pytest.raises(ConfigurationError, match="store"):
        MeterConfig(store=store)
