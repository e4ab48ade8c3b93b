import numpy as np
import pandas as pd
import pytest

from recycle import DataError, ReCycleForecaster, read_panel

ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]


def local_series(zone, start, days, freq="h"):
    """The local hour as value: whoever misplaces a step is seen at once."""
    first = pd.Timestamp(start, tz="UTC").tz_convert(zone).normalize()
    index = pd.date_range(first, first + pd.DateOffset(days=days), freq=freq, inclusive="left")
    return pd.Series(index.hour + index.minute / 60.0, index=index, name="hour")


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("start", ["2024-02-15", "2024-09-25", "2024-03-10"])
@pytest.mark.parametrize("freq", ["h", "30min"])
def test_forecasts_keep_local_time_over_clock_changes(zone, start, freq):
    if zone == "Australia/Lord_Howe" and freq == "h":
        pytest.skip("its clocks change by half an hour")
    y = local_series(zone, start, 30, freq)
    forecast = ReCycleForecaster(horizon="14c", head="profile").fit(y).predict()
    expected = pd.date_range(y.index[-1], periods=len(forecast) + 1, freq=freq)[1:]
    assert forecast.index.equals(expected)
    truth = forecast.index.hour + forecast.index.minute / 60.0
    assert forecast.to_numpy() == pytest.approx(truth.to_numpy(), abs=1e-4)


def test_naive_universal_time_is_converted_and_comes_back():
    y = local_series("Europe/Berlin", "2024-03-01", 29)
    naive = y.set_axis(y.index.tz_convert("UTC").tz_localize(None))
    model = ReCycleForecaster(horizon=72, head="profile", tz="Europe/Berlin").fit(naive)
    forecast = model.predict()
    assert forecast.index.tz is None and forecast.index[0] == naive.index[-1] + pd.Timedelta("1h")
    local = forecast.index.tz_localize("UTC").tz_convert("Europe/Berlin")
    assert forecast.to_numpy() == pytest.approx(local.hour.to_numpy(), abs=1e-4)


def test_days_of_23_and_25_hours():
    y = local_series("Europe/Berlin", "2024-03-29", 4)
    panel = read_panel(y)
    assert len(y) == 95 and panel.values.shape == (96, 1)
    assert np.flatnonzero(np.isnan(panel.values[:, 0])).tolist() == [50]  # 2:00 on March 31st
    y = local_series("Europe/Berlin", "2024-10-25", 4)
    doubled = y.copy()
    doubled.iloc[50:52] = [10.0, 20.0]  # 2:00 twice on October 27th
    panel = read_panel(doubled)
    assert len(y) == 97 and panel.values.shape == (96, 1) and panel.values[50, 0] == 15.0


def test_unsorted_duplicated_and_missing_rows(caplog):
    index = pd.date_range("2024-02-26", periods=24 * 6, freq="h")  # a leap day is among them
    y = pd.Series(np.arange(len(index), dtype=float), index=index, name="y")
    messy = pd.concat([y.drop(index[30:40]), y[50:51] + 4, y[60:61]]).sample(frac=1, random_state=0)
    panel = read_panel(messy)
    assert "not in order" in caplog.text and "several values at 1 times" in caplog.text
    expected = y.copy()
    expected.iloc[30:40] = np.nan
    expected.iloc[50] += 2
    assert np.array_equal(panel.values[:, 0], expected.to_numpy(), equal_nan=True)
    assert panel.times.equals(index.as_unit("ns")) or (panel.times == index).all()
    with pytest.raises(DataError, match="several values at"):
        read_panel(messy, duplicates="raise")
    assert read_panel(messy, duplicates="first").values[50, 0] in {50.0, 54.0}


def test_quarter_hours_and_horizons_that_are_no_whole_cycles():
    y = local_series("UTC", "2024-01-01", 20, "15min")
    forecast = ReCycleForecaster(horizon=101, head="profile").fit(y[:-37]).predict()
    assert len(forecast) == 101
    truth = forecast.index.hour + forecast.index.minute / 60
    assert forecast.to_numpy() == pytest.approx(truth.to_numpy(), abs=1e-4)


def test_series_in_other_zones_are_put_on_one_grid():
    y = local_series("UTC", "2024-01-01", 5)
    long = pd.concat(
        [
            pd.DataFrame({"unique_id": "a", "ds": y.index, "y": y.to_numpy()}),
            pd.DataFrame({"unique_id": "b", "ds": y.index, "y": 2 * y.to_numpy()}),
        ]
    )
    panel = read_panel(long, tz="Asia/Kathmandu")
    assert panel.times[0] == pd.Timestamp("2024-01-01 05:45")
    assert np.array_equal(panel.values[:, 1], 2 * panel.values[:, 0])


def test_zones_may_be_mixed():
    index = pd.date_range("2024-03-30", periods=72, freq="h", tz="UTC")  # clocks change in Berlin
    parts = [
        pd.DataFrame({"unique_id": name, "ds": index.tz_convert(zone), "y": np.arange(72.0)})
        for name, zone in (("a", "UTC"), ("b", "Europe/Berlin"), ("c", "America/New_York"))
    ]
    panel = read_panel(pd.concat(parts), tz="Europe/Berlin")
    assert panel.times[0] == pd.Timestamp("2024-03-30 01:00") and len(panel.times) == 73
    known = panel.values[np.isfinite(panel.values).all(axis=1)]
    assert known.tolist() == [[hour] * 3 for hour in np.arange(72.0)]


def test_irregular_stamps_are_named():
    index = pd.date_range("2024-01-01", periods=50, freq="h").to_series().to_list()
    index[20] += pd.Timedelta(minutes=7)
    with pytest.raises(DataError, match="2024-01-01 20:07"):
        read_panel(pd.Series(1.0, index=pd.DatetimeIndex(index)))
    random = pd.Timestamp("2024-01-01") + pd.to_timedelta(
        np.cumsum(np.random.default_rng(0).integers(1, 50, 40)), unit="min"
    )
    with pytest.raises(DataError, match="irregular"):
        read_panel(pd.Series(1.0, index=random))


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
def test_local_stamps_without_a_zone_are_noticed(zone, caplog):
    y = local_series(zone, "2024-01-15", 300)
    read_panel(y.set_axis(y.index.tz_convert("UTC").tz_localize(None)), tz=zone)
    local = y.set_axis(y.index.tz_localize(None))
    read_panel(local[:900], tz=zone)  # no clock changes in it
    assert "look like local time" not in caplog.text
    read_panel(local, tz=zone)
    assert "look like local time" in caplog.text and "leave tz out" in caplog.text
    panel = read_panel(local)
    known = np.isfinite(panel.values[:, 0])
    assert (~known).sum() == 1 and np.array_equal(panel.values[known, 0], panel.times.hour[known])


@pytest.mark.parametrize("freq", ["h", "30min"])
def test_data_may_end_within_the_doubled_hour(freq):
    y = local_series("Europe/Berlin", "2024-10-01", 40, freq)
    y += 100.0 * (y.index.day_of_week >= 5)
    last = pd.Timestamp("2024-10-27 00:00", tz="UTC").tz_convert("Europe/Berlin")  # 2:00, first
    past = y[: last + pd.Timedelta(minutes=59)]
    cycle = pd.Timedelta("1D") // pd.Timedelta(freq if freq != "h" else "1h")
    forecast = ReCycleForecaster(horizon=60, head="profile", cycle=cycle).fit(past).predict()
    truth = y[forecast.index]
    error = np.abs(forecast - truth)
    assert error.max() <= 1.001  # within the doubled hour, at most an hour off
    assert (error[forecast.index >= last + pd.Timedelta(hours=2)] < 1e-4).all()
