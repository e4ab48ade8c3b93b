import numpy as np
import pytest

from recycle.gate import fit_gate, horizon_blocks, simplex_weights
from recycle.intervals import check_quantiles, fit_conformal
from recycle.moments import Moments, consecutive_moments, window_moments
from recycle.ridge import fit_ridge, forecast_weights, mixed, refit_ridge
from recycle.windows import futures, histories

RANDOM = np.random.default_rng(0)
SERIES = np.sin(np.arange(400) * np.pi / 6) + 0.1 * RANDOM.normal(size=400)
L, H = 24, 6


def windows(origins):
    return histories(SERIES, origins, L), futures(SERIES, origins, H)


def test_fast_moments_give_the_weights_of_the_slow_ones():
    origins = np.concatenate([np.arange(30, 200), np.arange(230, 380)])
    fast = consecutive_moments(SERIES, origins, L, H)
    slow = window_moments(*windows(origins))
    assert fast.count == slow.count == len(origins)
    for lookback in (12, 24):
        a, b = (forecast_weights(m, lookback, [1e-3])[0] for m in (fast, slow))
        assert a == pytest.approx(b, abs=1e-4)


def test_consecutive_moments_are_exact():
    origins = np.arange(30, 300)
    piece = SERIES - SERIES[30 - L : 299 + H].mean()
    u, z = histories(piece, origins, L), futures(piece, origins, H)
    moments = consecutive_moments(SERIES, origins, L, H)
    assert moments.gram == pytest.approx(u.T @ u, abs=1e-9)
    assert moments.cross == pytest.approx(u.T @ z, abs=1e-9)
    assert moments.square == pytest.approx((z**2).sum(axis=0), abs=1e-9)


def test_weights_solve_the_normal_equations():
    x, y = windows(np.arange(30, 300))
    mean = x.mean(axis=1, keepdims=True)
    centred = x - mean
    gram = centred.T @ centred
    penalty = 1e-2 * np.trace(gram) / L
    expected = np.linalg.solve(gram + penalty * np.eye(L), centred.T @ (y - mean))
    (weights,) = forecast_weights(window_moments(x, y), L, [1e-2])
    assert x @ weights == pytest.approx(mean + centred @ expected, abs=1e-4)  # float32 products


def test_losses_without_windows_are_those_of_the_windows():
    x, y = windows(np.arange(200, 380))
    moments = consecutive_moments(SERIES, np.arange(200, 380), L, H)
    (weights,) = forecast_weights(moments, L, [0.1])
    assert moments.losses(weights) == pytest.approx(((x @ weights - y) ** 2).mean(axis=0))


def test_forecasts_follow_shift_and_scale():
    train = consecutive_moments(SERIES, np.arange(30, 200), L, H)
    held_out = consecutive_moments(SERIES, np.arange(200, 300), L, H)
    ridge = fit_ridge(train, held_out, 0.0, (12, 24))
    x, y = windows(np.arange(300, 390))
    forecast = ridge.predict(x)
    assert ((forecast - y) ** 2).mean() < 0.03
    assert ridge.predict(3 * x + 7) == pytest.approx(3 * forecast + 7, abs=1e-4)
    h, f = np.ones_like(x), np.full_like(y, 2.0)
    shifted = type(ridge)(ridge.weights, 0.5, ridge.lookbacks, ridge.lambdas, ridge.loss)
    assert shifted.predict(x + 0.5 * h, h, f) == pytest.approx(forecast + 1.0, abs=1e-5)


def test_mixing_keeps_levels():
    train = consecutive_moments(SERIES, np.arange(30, 200), L, H)
    ridge = fit_ridge(train, train, 0.0, (24,))
    short = fit_ridge(train, train, 0.0, (12,))
    half = mixed(ridge, short, 0.5).weights
    assert half == pytest.approx((ridge.weights + short.weights) / 2)
    assert np.ones((1, L)) @ half == pytest.approx(np.ones((1, H)), abs=1e-5)
    again = refit_ridge(ridge, train)
    assert again.weights == pytest.approx(ridge.weights, abs=1e-6)


def test_moments_add_and_travel():
    parts = [consecutive_moments(SERIES, np.arange(a, a + 50), L, H) for a in (30, 80)]
    total = parts[0] + parts[1].scaled(0.5)
    again = Moments.zeros(L, H).unpack(total.pack())
    assert np.array_equal(again.gram, total.gram) and again.count == 75.0
    weighed = window_moments(*windows(np.arange(30, 40)), weight=np.full(10, 2.0))
    plain = window_moments(*windows(np.arange(30, 40))).scaled(2.0)
    assert weighed.cross == pytest.approx(plain.cross, rel=1e-5)


def test_simplex_weights_are_optimal():
    for _ in range(20):
        errors = RANDOM.normal(size=(4, 30)) * RANDOM.uniform(0.5, 2, size=(4, 1))
        products = errors @ errors.T
        weights = simplex_weights(products)
        assert weights.min() >= 0 and weights.sum() == pytest.approx(1)
        best = weights @ products @ weights
        others = RANDOM.dirichlet(np.ones(4), size=500)
        assert best <= np.einsum("ni,ij,nj->n", others, products, others).min() * (1 + 1e-6)


def test_gate_takes_the_candidate_that_is_right():
    truth_like = np.stack([RANDOM.normal(size=(40, 9)), 0.01 * RANDOM.normal(size=(40, 9))])
    series = np.repeat([0, 1], 20)
    blocks = horizon_blocks(9, 3)
    assert blocks == (3, 9)
    for rule in ("blend", "select", "none"):
        gate = fit_gate(truth_like, series, 2, ("profile", "ridge"), blocks, rule)
        assert (gate.steps(0, 9)[1] > 0.98).all()
    noise = truth_like[[1, 1]] + 1e-3
    gate = fit_gate(noise, series, 2, ("profile", "ridge"), blocks, "select")
    assert gate.weights[:, :, 0].tolist() == [[1.0, 1.0], [1.0, 1.0]]  # the simplest of equals
    with pytest.raises(ValueError, match="gate must be"):
        fit_gate(noise, series, 2, ("a", "b"), blocks, "vote")


def test_absolute_errors_are_not_traded_for_squared_ones():
    random = np.random.default_rng(0)
    rare = random.normal(size=(60, 9)) * np.where(random.random((60, 9)) < 0.03, 20.0, 0.2)
    dull = 1.5 * np.sign(random.normal(size=(60, 9)))
    series, names = np.zeros(60, dtype=int), ("profile", "ridge")
    gate = fit_gate(np.stack([rare, dull]), series, 1, names, (9,))
    weights = gate.weights[0, 0]
    mixed_errors = np.abs(np.tensordot(weights, np.stack([rare, dull]), 1)).mean()
    assert (dull**2).mean() < (rare**2).mean()  # least squares alone take the ridge
    assert mixed_errors <= np.abs(rare).mean() * (1 + 1e-6) and weights.sum() == pytest.approx(1)


def test_heads_share_their_weight():
    right, wrong = 0.01 * RANDOM.normal(size=(40, 9)), RANDOM.normal(size=(40, 9))
    series, names = np.zeros(40, dtype=int), ("profile", "ridge", "net")
    gate = fit_gate(np.stack([wrong, wrong + 1, right]), series, 1, names, (9,))
    assert gate.weights[0, 0] == pytest.approx([0.0, 0.25, 0.75], abs=0.01)
    gate = fit_gate(np.stack([right, wrong + 1, wrong]), series, 1, names, (9,))
    assert gate.weights[0, 0] == pytest.approx([1.0, 0.0, 0.0], abs=0.01)  # as safe as before


def test_conformal_intervals_cover_exchangeable_errors():
    errors = RANDOM.standard_t(4, size=(2000, 4))
    conformal = fit_conformal(errors[:1000], np.ones(1000), 2)
    low, high = np.repeat(conformal.offsets((0.1, 0.9)), 2, axis=1)
    inside = ((-errors[1000:] >= low) & (-errors[1000:] <= high)).mean()
    assert 0.77 < inside < 0.83
    assert conformal.spread([0.5])[0] == pytest.approx((high - low)[::2])
    for wrong in ([0.0], [0.5, 0.5], [1.2]):
        with pytest.raises(ValueError, match="Quantiles must"):
            check_quantiles(wrong)
