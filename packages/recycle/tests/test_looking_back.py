import numpy as np
import pandas as pd
import pytest

from recycle import ReCycleForecaster
from recycle.datasets import DATASETS, load_dataset, make_cyclic
from recycle.errors import DataError
from recycle.evaluation import compare_heads
from recycle.intervals import Conformal, tracked_offsets
from recycle.report import write_report

OPTIONS = {"horizon": "2c", "cycle": 24, "history": "7c", "head": "ridge"}


@pytest.fixture(scope="module")
def y():
    return make_cyclic(90)["y"].rename("load")


@pytest.fixture(scope="module")
def fitted(y):
    return ReCycleForecaster(**OPTIONS).fit(y[: 24 * 70])


def test_backtest_is_forecast_after_forecast(fitted, y):
    found = fitted.backtest(y, start="2024-03-20", quantiles=[0.1, 0.9])
    where = len(found.origins) - 3
    origin = found.origins[where]
    before = y[y.index < origin]
    alone = fitted.predict(history=before, quantiles=[0.1, 0.9])
    assert found.forecast[0, where] == pytest.approx(alone["load"].to_numpy(), abs=1e-5)
    assert pytest.approx(alone.iloc[:, 1:].to_numpy(), abs=1e-5) == found.quantiles[:, 0, where].T
    assert found.truth[0, where] == pytest.approx(y[origin:].to_numpy()[:48])
    assert 0.6 < found.coverage() < 0.97
    by_step = found.scores("horizon", ["mae"])
    assert by_step["mae"].mean() == pytest.approx(found.score("mae"))
    assert list(found.scores("series").index) == ["load"]
    assert found.scores("month").index.str.startswith("2024-0").all()
    with pytest.raises(ValueError, match="by must be"):
        found.scores("weekday")
    with pytest.raises(ValueError, match="metric must be"):
        found.score("luck")


def test_offsets_learn_from_misses_as_they_become_known():
    start = Conformal(((np.linspace(-1, 1, 201),) * 2,), 4)
    low = tracked_offsets(np.full((1, 40, 2, 4), 5.0), start, [0.1, 0.9], np.array([0, 1, 40]), 90)
    first, second = low[:, 0], low[:, 1]
    assert first == pytest.approx(start.offsets([0.1, 0.9]))
    # after one cycle only the first cycle of the horizon has been seen; all truths lay above
    step = 0.1 * start.spread([0.5])[0]
    assert second[:, 0] - first[:, 0] == pytest.approx(step[0] * np.array([0.1, 0.9]))
    assert second[:, 1] == pytest.approx(first[:, 1])
    assert (low[1, 2] > 4.9).all()  # 40 cycles later they reach the truths
    unknown = tracked_offsets(np.full((1, 9, 2, 4), np.nan), start, [0.5], np.array([9]), 90)
    assert unknown[:, 0] == pytest.approx(start.offsets([0.5]))


def test_profile_alone_has_intervals(y):
    model = ReCycleForecaster(horizon="2c", cycle=24, head="profile").fit(y[: 24 * 70])
    found = model.backtest(y, start="2024-03-15", quantiles=[0.1, 0.9])
    assert 0.6 < found.coverage() < 0.97


def test_cross_validation_grows(y):
    table = ReCycleForecaster(**OPTIONS).cross_validate(y, folds=2)
    assert table["forecast"].tolist() == ["model", "profile", "naive"] * 2
    assert table["until"].is_monotonic_increasing and (table["mae"] > 0).all()
    heads = compare_heads(ReCycleForecaster(**OPTIONS), y, heads=["profile", "ridge"])
    assert heads["head"].tolist() == ["last cycle", "profile", "ridge"]
    with pytest.raises(ValueError, match="folds"):
        ReCycleForecaster(**OPTIONS).cross_validate(y, folds=0)


def test_update_goes_on(y):
    first, more = y[: 24 * 70], y[24 * 70 : 24 * 75]
    model = ReCycleForecaster(**OPTIONS).fit(first)
    expected = model.predict(history=y[: 24 * 75])
    pd.testing.assert_series_equal(model.update(more).predict(), expected)
    weights = model.model_.pooled.weights
    model.update(more.iloc[:0], refit="ridge")
    assert not np.array_equal(model.model_.pooled.weights, weights)
    again = ReCycleForecaster(**OPTIONS).fit(first).update(more, refit="all")
    fresh = ReCycleForecaster(**OPTIONS).fit(y[: 24 * 75])
    pd.testing.assert_series_equal(again.predict(), fresh.predict())
    with pytest.raises(ValueError, match="refit must be"):
        model.update(more, refit="some")
    with pytest.raises(ValueError, match="New series"):
        model.update(more.rename("other").to_frame())


def test_samples_spread_like_the_intervals(fitted, y):
    paths = fitted.predict_samples(400, history=y)
    assert paths.shape == (1, 400, 48)
    table = fitted.predict(history=y, quantiles=[0.1, 0.9])
    width = (table["load_q0.9"] - table["load_q0.1"]).mean()
    spread = np.subtract(*np.quantile(paths[0], [0.9, 0.1], axis=0)).mean()
    assert 0.5 * width < spread < 2 * width
    assert np.array_equal(paths, fitted.predict_samples(400, history=y))


def test_explanations_add_up(fitted, y):
    forecast = fitted.predict()
    when = forecast.index[5]
    table = fitted.explain(when).set_index("part")
    parts = table.drop(index="forecast")
    assert (parts["value"] * parts["weight"]).sum() == pytest.approx(forecast[when], rel=1e-5)
    assert table.loc["forecast", "value"] == pytest.approx(forecast[when], rel=1e-6)
    days = table.loc["profile", "note"].split("like ")[1].split(", ")
    assert len(days) == 3 and all(pd.Timestamp(day).hour == when.hour for day in days)
    profile = np.mean([y[pd.Timestamp(day)] for day in days])
    assert table.loc["profile", "value"] == pytest.approx(profile, rel=1e-4)
    kinds = fitted.profile_table()
    assert kinds.shape == (24, 3)
    kind = int(table.loc["profile", "note"].split()[3].strip(","))
    assert kinds["load", kind][when.hour] == pytest.approx(profile, rel=1e-4)
    with pytest.raises(ValueError, match="not among"):
        fitted.explain("2030-01-01")


def test_report_is_one_page(fitted, y, tmp_path):
    path = write_report(fitted, y[24 * 50 :].to_frame(), tmp_path / "report.html")
    page = path.read_text()
    assert page.count("<svg") == 3 and "profile" in page and "http-equiv" not in page
    assert not [link for link in ("src=", "<link", "<script") if link in page]
    assert fitted.plot().figure is not None


def test_made_series_have_their_parts():
    parts = make_cyclic(60, noise=0.0, country="DE", trend=1.0, level_shift=2.0, tz="Europe/Berlin")
    assert (parts["cycle"] + parts["trend"]).to_numpy() == pytest.approx(parts["y"].to_numpy())
    assert parts.index.tz is not None and len(parts) == 60 * 24
    new_year, tuesday = parts["cycle"]["2024-01-01"], parts["cycle"]["2024-01-02"]
    assert new_year.max() < tuesday.max()
    plain = make_cyclic(30, noise=0.0)["y"]
    forecast = ReCycleForecaster(horizon=24, cycle=24, head="profile").fit(plain).predict()
    future = make_cyclic(31, noise=0.0)["y"][forecast.index]
    assert forecast.to_numpy() == pytest.approx(future.to_numpy(), abs=1e-5)
    assert make_cyclic(30, missing=0.3)["y"].isna().mean() == pytest.approx(0.3, abs=0.05)


def test_public_files_are_checked(tmp_path):
    assert all(len(one.sha256) == 16 for one in DATASETS.values())
    with pytest.raises(DataError, match="set RECYCLE_DATA"):
        load_dataset("ETTh1", tmp_path)
    (tmp_path / "ETTh1.csv").write_text("date,OT\n2020-01-01,1\n")
    with pytest.raises(DataError, match="not the published file"):
        load_dataset("ETTh1", tmp_path)
    with pytest.raises(ValueError, match="name must be"):
        load_dataset("ETTh9")


def test_energy_of_a_fit(y):
    pytest.importorskip("energymeter")
    model = ReCycleForecaster(**OPTIONS).fit(y, energy=True)
    assert model.energy_.low <= model.energy_.joules <= model.energy_.high
    assert model.energy_.joules > 0 and model.energy_.kind in {"measured", "estimate"}
    assert model.energy_.kind in str(model.energy_) and model.energy_.watts > 0
