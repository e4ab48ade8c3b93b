import numpy as np
import pandas as pd
import pytest

from recycle import Calendar, PrimaryCycleCompression, RecentHistoricProfile
from recycle.cyclic import fill_gaps


def brute_force(values, category, period, k, origin, wanted, slot):
    members = [
        values[t]
        for t in range(origin)
        if category[t] == wanted and t % period == slot and np.isfinite(values[t])
    ]
    return np.mean(members[-k:]) if members else None


def test_profile_equals_its_definition():
    random = np.random.default_rng(0)
    period, n = 5, 150
    values = random.normal(size=n)
    values[random.random(n) < 0.1] = np.nan
    category = random.integers(0, 3, size=n // period + 1).repeat(period)[:n]
    profile = RecentHistoricProfile(period, 3, k=3)
    cells = profile.cells(category)
    origins = np.array([60, 61, 97, 149, 150])
    table = profile.table(values, cells, origins).reshape(len(origins), 3, period)
    for row, origin in enumerate(origins):
        for wanted in range(3):
            for slot in range(period):
                expected = brute_force(values, category, period, 3, origin, wanted, slot)
                assert expected is not None
                assert table[row, wanted, slot] == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["rhp", "ewm", "median", "tenday", "persistence", "seasonal"])
def test_profile_of_a_periodic_series_is_the_series_and_knows_no_future(kind):
    period = 4
    day = np.arange(200) // period
    category = np.where(day % 7 < 5, 0, day % 7 - 4)
    values = np.arange(200) % period + (category if kind in {"rhp", "ewm", "median"} else 0.0)
    profile = RecentHistoricProfile(period, 3, kind=kind)
    cells = profile.cells(category)
    origins = np.arange(100, 150)
    table = profile.table(values, cells, origins)
    found = profile.at(table, cells, origins, 0, 28)
    expected = np.lib.stride_tricks.sliding_window_view(values, 28)[origins]
    assert found == pytest.approx(expected)
    poisoned = values.astype(float)
    poisoned[120:] = np.nan
    again = profile.table(poisoned, cells, origins)
    assert np.array_equal(again[:21], table[:21])


def test_empty_categories_take_anothers_profile():
    profile = RecentHistoricProfile(2, 3, k=2)
    category = np.zeros(12, dtype=int)
    table = profile.table(np.tile([1.0, 5.0], 6), profile.cells(category), np.array([0, 1, 12]))
    assert table[0].tolist() == [0.0] * 6
    assert table[1].tolist() == [1.0] * 6  # only the mean of all is known
    assert table[2].tolist() == [1.0, 5.0] * 3


def test_compression_is_undone():
    y = np.random.default_rng(1).normal(size=(3, 48))
    compression = PrimaryCycleCompression(24)
    assert compression.fold(y).shape == (3, 2, 24)
    assert np.array_equal(compression.unfold(compression.fold(y)), y)
    with pytest.raises(ValueError, match="no multiple"):
        compression.fold(y[:, :47])


def test_gaps_are_filled_from_what_lies_before_them():
    values = np.tile([1.0, 2.0, 3.0, 4.0], 10)
    values[22:26] = np.nan
    profile = RecentHistoricProfile(4)
    cells = profile.cells(np.zeros(40, dtype=int))
    filled = fill_gaps(values, cells, profile)
    assert filled[22:26].tolist() == [3.0, 4.0, 1.0, 2.0]
    poisoned = values.copy()
    poisoned[26:] += 100
    assert np.array_equal(fill_gaps(poisoned, cells, profile)[:26], filled[:26])


def test_calendar_of_a_country():
    days = pd.date_range("2024-12-20", "2025-01-07")
    table = Calendar("DE").table(days)
    expected = [0, 1, 2, 0, 0, 2, 2, 0, 1, 2, 0, 0, 2, 0, 0, 1, 2, 0, 0]
    assert table.category.tolist() == expected
    assert Calendar("DE-BW").table(days).category[-2] == 2  # Epiphany is free there
    assert not Calendar().table(days).holiday.any()
    friday = Calendar(weekend=(4, 5)).table(pd.date_range("2024-01-04", periods=3))
    assert friday.category.tolist() == [0, 1, 2]
    tomorrow = Calendar("DE", features=("tomorrow",)).table(days).features[:, 0]
    assert np.flatnonzero(tomorrow).tolist() == [4, 5, 11]


def test_bridge_days_and_schemes():
    days = pd.date_range("2024-05-06", "2024-05-12")  # Ascension Day is a Thursday
    bridge = Calendar("DE", features=("neighbours",)).table(days).features[:, 2]
    assert bridge.tolist() == [0, 0, 0, 0, 1, 0, 0]
    for scheme, count in [("weekday", 7), ("weekday+holiday", 8), ("workday-off", 2), ("none", 1)]:
        table = Calendar("DE", scheme=scheme).table(days)
        assert table.n_categories == count and table.category.max() < count
    assert Calendar(scheme=lambda day: day.day % 2).table(days).category.tolist()[:2] == [0, 1]


def test_unknown_country_and_scheme():
    with pytest.raises(ValueError, match="similar codes"):
        Calendar("XX")
    with pytest.raises(ValueError, match="DE-B"):
        Calendar("DE-BX")
    with pytest.raises(ValueError, match="scheme must be"):
        Calendar(scheme="lunar")
