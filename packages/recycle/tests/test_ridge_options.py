"""Loss, rank, forgetting and weights of the ridge, presets, and what starts with zeros."""

import numpy as np
import pandas as pd
import pytest

from recycle import DataError, ReCycleForecaster, RidgeConfig
from recycle.datasets import make_cyclic
from recycle.gate import fit_gate
from recycle.moments import consecutive_moments
from recycle.ridge import fit_ridge, low_rank
from recycle.weighing import Weighing, step_weights

OPTIONS = {"horizon": "1c", "cycle": 24, "history": "7c", "head": "ridge"}
DAYS = 90
RANDOM = np.random.default_rng(5)
SERIES = np.sin(np.arange(400) * np.pi / 6) + 0.3 * RANDOM.normal(size=400)


def test_low_rank_forecasts_are_the_nearest_of_that_rank():
    train = consecutive_moments(SERIES, np.arange(30, 300), 24, 12)
    whole = fit_ridge(train, train, 0.0, (12, 24)).weights.astype(float)
    level = (np.r_[np.zeros(12), np.full(12, 1 / 12)] + np.full(24, 1 / 24)) / 2
    last = np.inf
    for rank in (1, 2, 4):
        found = low_rank(whole, train, (12, 24), rank)
        rest = found - level[:, None]
        assert np.linalg.matrix_rank(rest, tol=1e-8) == rank
        assert found.sum(axis=0) == pytest.approx(np.ones(12))
        near = np.trace((found - whole).T @ train.gram @ (found - whole))
        assert near < last
        last = near
        left, size, right = np.linalg.svd(whole - level[:, None])
        plain = level[:, None] + left[:, :rank] * size[:rank] @ right[:rank]
        assert near <= np.trace((plain - whole).T @ train.gram @ (plain - whole)) + 1e-9
    assert low_rank(whole, train, (12, 24), 12) is whole


def test_weights_of_steps_and_errors():
    steps = step_weights(None, 5, 2.0)
    assert steps == pytest.approx([0.25, 0.5**1.5, 0.5, 0.5**0.5, 1.0])
    assert step_weights(None, 5, np.inf) is None
    weigh = Weighing(np.arange(10.0))
    history, target = np.zeros((2, 3)), np.zeros((2, 4))
    assert weigh(0, np.array([3, 5]), history, target) == pytest.approx([4.5, 6.5])
    ridge = fit_ridge(*[consecutive_moments(SERIES, np.arange(30, 90), 3, 4)] * 2, 0.0, (3,))
    target[1] = 2.0
    found = Weighing(None, (ridge,))(0, np.array([3, 5]), history, target)
    assert found == pytest.approx([100.0, 0.5])
    errors = np.concatenate([RANDOM.normal(size=(2, 50, 4)), RANDOM.normal(size=(2, 3, 4)) * 40], 1)
    weights = {
        loss: fit_gate(errors, np.zeros(53, int), 1, ("profile", "ridge"), (4,), loss=loss).weights[
            0, 0
        ]
        for loss in ("mse", "mae")
    }
    means = {loss: np.abs(np.tensordot(w, errors, 1)).mean() for loss, w in weights.items()}
    assert means["mae"] < means["mse"]


def days_that_follow(laws, sizes):
    """Each hour is a share, the law, of that of the day before, and chance of some size."""
    random, days = np.random.default_rng(0), [np.zeros(24)]
    for law, size in zip(laws, sizes, strict=True):
        days.append(law * days[-1] + size * random.normal(size=24))
    values = np.concatenate(days[1:])
    return pd.Series(values, pd.date_range("2024-01-01", periods=len(values), freq="h"))


def held_out_error(y, config, metric):
    options = {**OPTIONS, "gate": "none", "profile": "none", "scheme": "none", "ridge": config}
    cut = 24 * DAYS
    return ReCycleForecaster(**options).fit(y[:cut]).backtest(y, start=y.index[cut]).score(metric)


def test_absolute_errors_heed_wild_stretches_less():
    laws, sizes = np.full(DAYS + 20, 0.9), np.ones(DAYS + 20)
    laws[30:38], sizes[30:38] = -0.9, 8.0
    y = days_that_follow(laws, sizes)
    squared, absolute = (
        held_out_error(y, RidgeConfig(loss=loss), "mae") for loss in ("mse", "mae")
    )
    assert absolute < 0.95 * squared


def test_old_windows_are_forgotten():
    y = days_that_follow(np.r_[np.full(45, -0.9), np.full(DAYS - 25, 0.9)], np.ones(DAYS + 20))
    forever, ten_days = (
        held_out_error(y, RidgeConfig(half_life=cycles), "mse") for cycles in (np.inf, 10.0)
    )
    assert ten_days < 0.9 * forever


def test_times_of_no_weight_do_not_count():
    y = make_cyclic(DAYS, noise=0.1)["y"]
    other = y.copy()
    other.iloc[: 24 * 40] = RANDOM.normal(size=24 * 40)
    weight = pd.Series(1.0, y.index)
    weight.iloc[: 24 * 40] = 0.0
    first = ReCycleForecaster(**OPTIONS, gate="none").fit(y, sample_weight=weight)
    plain = ReCycleForecaster(**OPTIONS, gate="none").fit(y)
    assert not np.array_equal(first.predict(), plain.predict())
    same = ReCycleForecaster(**OPTIONS, gate="none").fit(y, sample_weight=3 * np.ones(len(y)))
    assert same.predict().to_numpy() == pytest.approx(plain.predict().to_numpy(), rel=1e-3)
    for wrong in (-weight, weight.to_numpy()[:7], weight.reset_index(drop=True), 0 * weight):
        with pytest.raises(DataError, match="sample_weight"):
            ReCycleForecaster(**OPTIONS).fit(y, sample_weight=wrong)


def test_leading_zeros_are_missing():
    y = make_cyclic(DAYS, noise=0.1)["y"]
    late = y.copy()
    late.iloc[: 24 * 20] = 0.0
    table = pd.DataFrame({"a": y, "b": late})
    model = ReCycleForecaster(**OPTIONS, trim_leading="zeros").fit(table)
    assert np.isnan(model.panel_.values[: 24 * 20, 1]).all()
    assert np.array_equal(model.panel_.values[24 * 20 :, 1], late.iloc[24 * 20 :])
    assert model.scaler_.centre[1] == pytest.approx(late[24 * 20 : 24 * 76].mean(), rel=0.02)
    with pytest.raises(ValueError, match="trim_leading"):
        ReCycleForecaster(**OPTIONS, trim_leading="ones").fit(table)


def test_presets_are_parameters():
    edge = ReCycleForecaster.preset("edge", horizon="1c", cycle=24, head="ridge")
    assert edge.ridge.rank == 8 and edge.network.d_model == 16 and edge.horizon == "1c"
    y = make_cyclic(DAYS, noise=0.1)["y"]
    weights = edge.fit(y).model_.pooled.weights.astype(float)
    assert np.linalg.matrix_rank(weights, tol=1e-4) <= 10  # and two levels
    paper = ReCycleForecaster.preset("paper")
    assert (paper.head, paper.origins, paper.horizon, paper.k) == ("paper", "cycles", "7c", 3)
    assert ReCycleForecaster.preset("edge", seed=5).network.seed == 5
    assert ReCycleForecaster.preset("fast").head == "ridge"
    assert repr(ReCycleForecaster.preset("accurate")) == repr(ReCycleForecaster())
    with pytest.raises(ValueError, match="preset must be"):
        ReCycleForecaster.preset("best")


def test_options_are_checked_and_saved(tmp_path):
    for wrong in ({"loss": "rmse"}, {"rank": 0}, {"own_share": 2.0}, {"half_life": 0.0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            RidgeConfig(**wrong)
    y = make_cyclic(60, noise=0.1)["y"]
    with pytest.raises(ValueError, match="ridge must be a RidgeConfig"):
        ReCycleForecaster(**OPTIONS, ridge={"rank": 3}).fit(y)
    model = ReCycleForecaster(**OPTIONS, ridge=RidgeConfig(rank=3, half_life=30.0)).fit(y)
    model.save(tmp_path / "m.recycle")
    again = ReCycleForecaster.load(tmp_path / "m.recycle")
    assert again.ridge == model.ridge and again.model_.settings.ridge == model.ridge
