"""Random numbers: the same bits on any number of ranks, and the right distributions."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import heat_core as ht
from heat_core.layout import Layout, canonical_layout
from heat_core.random.bijection import Cipher, Table, random_bijection
from heat_core.random.methods import METHODS
from heat_core.random.permutation import exchange_order
from heat_core.random.tiles import TILE_VOLUME, tile_shape, tiles

RANKS = [1, 2, 3, 4]
N = 10**7 if os.environ.get("HPC_ML_SLOW") == "1" else 10**6


# -- the pure part ----------------------------------------------------------------------------
@given(st.lists(st.integers(1, 60), max_size=3).map(tuple), st.integers(1, 5), st.integers(0, 2))
def test_tiles_cover_every_slab_once(shape: tuple[int, ...], size: int, axis: int) -> None:
    split = axis if axis < len(shape) else None
    seen: dict[int, tuple[slice, ...]] = {}
    for rank in range(size):
        layout = canonical_layout(shape, split, size)
        covered = np.zeros(layout.lshape(rank), int)
        whole = np.arange(np.prod(shape, dtype=int)).reshape(shape)
        mine = whole[layout.slices(rank)]
        for tile in tiles(shape, layout.slices(rank)):
            assert seen.setdefault(tile.number, tile.block) == tile.block
            assert np.prod(tile.shape) <= TILE_VOLUME
            covered[tile.target] += 1
            np.testing.assert_array_equal(whole[tile.block][tile.shared], mine[tile.target])
        assert (covered == 1).all()


def test_tile_shapes() -> None:
    assert tile_shape((10**7,)) == (TILE_VOLUME,)
    assert tile_shape((4096, 4096)) == (256, 256)
    assert tile_shape(()) == ()
    assert tile_shape((5, 3)) == (5, 3)
    assert tile_shape((10**6, 64), n_event_axes=1) == (1024, 64)
    assert list(tiles((0, 3), (slice(0, 0), slice(0, 3)))) == []


@pytest.mark.parametrize("n", [1, 2, 3, 7, 64, 65, 1000, 4097])
def test_ciphers_are_permutations(n: int) -> None:
    cipher = Cipher(n, (3, 1 << 63, 12345, 99, 7, 8, 9, 10))
    places = np.arange(n)
    numbers = cipher.forward(places)
    np.testing.assert_array_equal(np.sort(numbers), places)
    np.testing.assert_array_equal(cipher.inverse(numbers), places)


def test_ciphers_look_random() -> None:
    # Over many keys: the place of one number, and how far the next one is from it.
    rng, n = np.random.default_rng(1), 1000
    keys = rng.integers(0, 1 << 63, (5000, 8)).tolist()
    places = np.array([Cipher(n, tuple(key)).forward(np.arange(5, 7)) for key in keys])
    for values in (places[:, 0], (places[:, 1] - places[:, 0]) % n - 1):
        assert stats.chisquare(np.bincount(values // 20, minlength=50)).pvalue > 1e-3
    n = (1 << 20) + 77
    bijection = random_bijection(n, np.random.default_rng(2))
    assert isinstance(bijection, Cipher)
    numbers = bijection.forward(np.arange(n))
    assert abs(np.corrcoef(np.arange(n), numbers)[0, 1]) < 4 / np.sqrt(n)
    steps = np.diff(numbers) % n
    assert stats.kstest(steps / n, "uniform").pvalue > 1e-3
    bits = np.bincount((numbers[: n // 2] & 15), minlength=16)
    assert stats.chisquare(bits).pvalue > 1e-3


@given(st.lists(st.integers(0, 9), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_exchange_order(counts: list[int], random: Any) -> None:
    n, size = sum(counts), len(counts)
    layout = Layout((n,), 0, tuple(counts))
    table = list(range(n))
    random.shuffle(table)
    plans = [exchange_order(Table(np.array(table, int)), layout, rank) for rank in range(size)]
    for rank in range(size):
        arrived: list[int] = []
        for peer, (order, sends, _, _) in enumerate(plans):
            start = sum(sends[:rank])
            part = order[start : start + sends[rank]] + layout.offset(peer)
            assert len(part) == plans[rank][3][peer]
            arrived.extend(part.tolist())
        result = np.empty(len(arrived), int)
        result[plans[rank][2]] = arrived
        np.testing.assert_array_equal(result, table[layout.slices(rank)[0]])


# -- the same bits everywhere -----------------------------------------------------------------
def _calls() -> dict[str, Callable[..., Any]]:
    rng = METHODS
    big, odd = (300, 401), (37, 3)
    return {
        "random": lambda r, **k: rng["random"](r, big, **k),
        "float64": lambda r, **k: rng["random"](r, big, ht.float64, **k),
        "float16": lambda r, **k: rng["random"](r, odd, ht.float16, **k),
        "bfloat16": lambda r, **k: rng["random"](r, odd, ht.bfloat16, **k),
        "normal": lambda r, **k: rng["normal"](r, 1.0, 2.0, big, **k),
        "normal16": lambda r, **k: rng["normal"](r, 1.0, 2.0, odd, ht.bfloat16, **k),
        "arrays": lambda r, **k: rng["normal"](r, np.arange(3.0), [[2.0]], odd, ht.float64, **k),
        "integers": lambda r, **k: rng["integers"](r, -5, 1000, big, ht.int16, **k),
        "uint64": lambda r, **k: rng["integers"](r, 2**64, size=odd, dtype=ht.uint64, **k),
        "exponential": lambda r, **k: rng["exponential"](r, 2.0, big, **k),
        "laplace": lambda r, **k: rng["laplace"](r, 0.0, 1.0, odd, **k),
        "gamma": lambda r, **k: rng["gamma"](r, np.arange(1.0, 4.0), 1.0, odd, **k),
        "poisson": lambda r, **k: rng["poisson"](r, 3.0, big, **k),
        "bernoulli": lambda r, **k: rng["bernoulli"](r, 0.25, odd, **k),
        "truncated": lambda r, **k: rng["truncated_normal"](r, size=odd, **k),
        "multinomial": lambda r, **k: rng["multinomial"](r, 9, [0.2, 0.3, 0.5], 50, **k),
        "vectors": lambda r, **k: rng["multivariate_normal"](r, [0, 1], np.eye(2), 70_000, **k),
        "choice": lambda r, **k: rng["choice"](r, 9, odd, **k),
        "choice, p": lambda r, **k: rng["choice"](r, [1, 5, 7], odd, p=[0.1, 0.2, 0.7], **k),
        "choice, all": lambda r, **k: rng["choice"](r, 200, odd, replace=False, **k),
    }


@pytest.mark.parallel([1, 2, 3, 4, 7])
def test_values_depend_on_the_global_index_only() -> None:
    for name, call in _calls().items():
        # Replicated arrays are drawn without regard to ranks: they are the reference.
        whole = call(ht.random.default_rng(7))
        again = ht.random.default_rng(7)
        for number, split in enumerate((None, 0, 1)):
            again.set_state(("Philox", 7, 0, 0, 0.0))
            part = call(again, split=split)
            assert part.split == split
            assert part.dtype is whole.dtype
            expected = whole.larray[part.layout.slices(part.comm.rank)]
            assert torch.equal(part.larray, expected), (name, split)
            assert again.get_state()[2] == 1, (name, number)
    ranks = ht.get_comm().handle.allgather(whole.tolist())
    assert all(values == ranks[0] for values in ranks)


def test_bits_are_fixed() -> None:
    # Recorded: other numbers would break the reproducibility of users' programs.
    ht.random.seed(42)
    integers = ht.random.randint(0, 1000, 5)
    assert integers.dtype is ht.int32
    first = ht.random.rand(3, dtype=ht.float64)
    assert ht.random.get_state() == ("Philox", 42, 2, 0, 0.0)
    expected = np.random.Generator(
        np.random.Philox(
            key=np.array([np.random.SeedSequence(42).generate_state(1, np.uint64)[0], 1], np.uint64)
        )
    ).random(3)
    np.testing.assert_array_equal(first.numpy(), expected)


@pytest.mark.parallel(RANKS)
def test_state_seed_and_spawn() -> None:
    ht.random.seed(2**80)
    state = ht.random.get_state()
    first, second = ht.random.rand(5, split=0), ht.random.rand(5, split=0)
    assert not np.array_equal(first.numpy(), second.numpy())
    ht.random.set_state(("Threefry", *state[1:3]))
    assert torch.equal(ht.random.rand(5, split=0).larray, first.larray)
    children = ht.random.default_rng(1).spawn(3)
    firsts = [child.random() for child in children]
    assert len(set(firsts)) == 3
    assert [child.random() for child in ht.random.default_rng(1).spawn(3)] == firsts
    ht.random.seed()
    states = ht.get_comm().handle.allgather(ht.random.get_state())
    assert len(set(states)) == 1
    assert ht.random.default_rng().get_state() != states[0]
    with pytest.raises(ValueError, match="unknown generator"):
        ht.random.set_state(("Mersenne", 1, 2))
    with pytest.raises(TypeError, match="tuple"):
        ht.random.set_state([1])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="negative"):
        ht.random.seed(-1)


@pytest.mark.parallel(RANKS)
def test_parameters_in_every_layout(every_layout: Any) -> None:
    means = np.arange(12.0).reshape(4, 3)
    base = ht.random.default_rng(3).normal(0.0, 1.0, (4, 3), ht.float64).numpy()
    lams = ht.random.default_rng(3).poisson(means, dtype=ht.float64).numpy()
    for x in every_layout(means):
        result = ht.random.default_rng(3).normal(x, 2.0, dtype=ht.float64)
        assert result.layout == x.layout
        part = x.layout.slices(x.comm.rank)
        np.testing.assert_allclose(result.larray.numpy(), (base * 2 + means)[part], rtol=1e-14)
        result = ht.random.default_rng(3).normal(x, x, (4, 3), ht.float64, split=1)
        assert result.split == 1
        result = ht.random.default_rng(3).poisson(x)
        np.testing.assert_array_equal(result.larray.numpy(), lams[part])


# -- permutations -----------------------------------------------------------------------------
@pytest.mark.parallel([1, 2, 3, 4, 7])
def test_permutation_and_shuffle(every_layout: Any, check: Any) -> None:
    for shape in ((7,), (5, 3), (3, 1, 4), (0, 2)):
        data = np.arange(np.prod(shape)).reshape(shape)
        for axis in range(len(shape)):
            order = ht.random.default_rng(5).randperm(shape[axis]).numpy()
            for x in every_layout(data):
                y = ht.random.default_rng(5).permutation(x, axis)
                assert y.layout == x.layout
                check(y, np.take(data, order, axis))
                check(x, data)
                z = ht.copy(x)
                ht.random.default_rng(5).shuffle(z, axis)
                check(z, np.take(data, order, axis))
    check(
        ht.random.default_rng(5).permutation(9, split=0),
        ht.random.default_rng(5).randperm(9).numpy(),
    )
    long = (1 << 20) + 5
    whole = ht.random.default_rng(5).permutation(ht.arange(long, split=0))
    assert whole.sum().item() == long * (long - 1) // 2
    part = ht.random.default_rng(5).randperm(long, split=0)
    assert torch.equal(whole.larray, part.larray)


def test_small_permutations_are_equally_probable() -> None:
    rng = ht.random.default_rng(1)
    orders = [tuple(rng.randperm(4).tolist()) for _ in range(4800)]
    counts = np.unique(np.array(orders), axis=0, return_counts=True)[1]
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > 1e-3


# -- distributions ----------------------------------------------------------------------------
CONTINUOUS: dict[str, tuple[tuple[Any, ...], Any]] = {
    "random": ((), stats.uniform()),
    "uniform": ((-2.0, 3.0), stats.uniform(-2, 5)),
    "standard_normal": ((), stats.norm()),
    "normal": ((1.0, 2.0), stats.norm(1, 2)),
    "lognormal": ((0.5, 0.25), stats.lognorm(0.25, scale=np.exp(0.5))),
    "exponential": ((3.0,), stats.expon(scale=3)),
    "standard_exponential": ((), stats.expon()),
    "laplace": ((1.0, 2.0), stats.laplace(1, 2)),
    "gamma": ((2.5, 2.0), stats.gamma(2.5, scale=2)),
    "standard_gamma": ((0.5,), stats.gamma(0.5)),
    "beta": ((2.0, 3.0), stats.beta(2, 3)),
    "chisquare": ((4.0,), stats.chi2(4)),
    "standard_t": ((5.0,), stats.t(5)),
    "truncated_normal": ((1.0, 2.0, -1.0, 6.0), stats.truncnorm(-1, 2.5, 1, 2)),
}


@pytest.mark.parametrize("name", CONTINUOUS)
def test_kolmogorov_smirnov(name: str) -> None:
    parameters, expected = CONTINUOUS[name]
    size = N if name in ("random", "standard_normal") else N // 10
    for dtype in (ht.float32, ht.float64):
        rng = ht.random.default_rng(11)
        values = np.sort(getattr(rng, name)(*parameters, size, dtype).numpy().astype(float))
        below = expected.cdf(values)
        steps = np.arange(size + 1) / size
        distance = max((steps[1:] - below).max(), (below - steps[:-1]).max())
        # Grid of float32 beside the limit for p = 1e-3 (Kolmogorov).
        assert distance < 1.95 / np.sqrt(size) + 2**-24, distance


def test_normal_moments_and_pairs() -> None:
    z = ht.random.default_rng(4).standard_normal(N, ht.float64).numpy()
    for power, moment in ((1, 0), (2, 1), (3, 0), (4, 3), (6, 15)):
        spread = np.sqrt(stats.norm.moment(2 * power) - moment**2)
        assert abs((z**power).mean() - moment) < 4 * spread / np.sqrt(N)
    tile = z[:TILE_VOLUME]
    pairs = np.corrcoef(tile[: TILE_VOLUME // 2] ** 2, tile[TILE_VOLUME // 2 :] ** 2)[0, 1]
    assert abs(pairs) < 4 / np.sqrt(TILE_VOLUME // 2)
    tiles_apart = np.corrcoef(tile, z[TILE_VOLUME : 2 * TILE_VOLUME])[0, 1]
    assert abs(tiles_apart) < 4 / np.sqrt(TILE_VOLUME)


def test_discrete_distributions() -> None:
    rng = ht.random.default_rng(12)
    dice = rng.integers(1, 6, N, ht.int8, endpoint=True).numpy()
    assert stats.chisquare(np.bincount(dice, minlength=7)[1:]).pvalue > 1e-3
    # Three values of a large range: a remainder would be far from equal.
    wide = rng.integers(0, 3 << 61, N).numpy()
    assert stats.chisquare(np.bincount(wide >> 61)).pvalue > 1e-3
    for values, law in (
        (rng.poisson(2.5, N // 10), stats.poisson(2.5)),
        (rng.binomial(7, 0.3, N // 10), stats.binom(7, 0.3)),
        (rng.bernoulli(0.125, N // 10, ht.int64), stats.bernoulli(0.125)),
        (rng.choice(3, N // 10, p=[0.2, 0.0, 0.8]), stats.rv_discrete(values=([0, 2], [0.2, 0.8]))),
    ):
        assert values.dtype is ht.int64
        counts = np.bincount(values.numpy())
        chances = law.pmf(np.arange(len(counts)))
        kept = chances * values.size > 5
        np.testing.assert_array_equal(counts[chances == 0], 0)
        observed, wanted = counts[kept], chances[kept] * values.size
        assert stats.chisquare(observed, wanted * observed.sum() / wanted.sum()).pvalue > 1e-3


def test_vectors() -> None:
    rng = ht.random.default_rng(13)
    counts = rng.multinomial(20, [0.2, 0.3, 0.5], (50, 40), split=1).numpy()
    assert (counts.sum(-1) == 20).all()
    np.testing.assert_allclose(counts.mean((0, 1)), [4, 6, 10], atol=0.3)
    cov = np.array([[2.0, 0.6, 0.0], [0.6, 1.0, 0.2], [0.0, 0.2, 0.5]])
    x = rng.multivariate_normal([1, 2, 3], cov, N // 10, ht.float64).numpy()
    np.testing.assert_allclose(x.mean(0), [1, 2, 3], atol=0.02)
    np.testing.assert_allclose(np.cov(x.T), cov, atol=0.03)
    assert rng.multivariate_normal([1.0], [[0.0]]).tolist() == [1.0]


def test_short_floats_never_reach_one() -> None:
    for dtype, step in ((ht.float16, 2**-11), (ht.bfloat16, 2**-8)):
        values = ht.random.default_rng(2).random(N, dtype).larray.double()
        assert values.max() == 1 - step
        assert values.min() >= 0
        assert abs(values.mean() - 0.5 + step / 3) < 2e-3
    tail = ht.random.default_rng(2).truncated_normal(0, 1, 8.0, 9.0, 1000, ht.float64)
    assert 8 <= tail.min().item() < tail.max().item() <= 9


# -- the face ---------------------------------------------------------------------------------
@pytest.mark.parallel([1, 3])
def test_sizes() -> None:
    for scalar in (
        *(ht.random.rand(), ht.random.randn(), ht.random.random(), ht.random.normal(1.0, 2.0)),
        *(ht.random.uniform(2, 3), ht.random.gamma(2.0), ht.random.exponential()),
    ):
        assert type(scalar) is float
    assert type(ht.random.randint(5)) is int
    assert type(ht.random.poisson(3.0)) is int
    assert type(ht.random.bernoulli()) is bool
    assert type(ht.random.choice(4)) is int
    assert ht.random.random(()).shape == ()
    for shape in ((0,), (3, 0), (0, 3)):
        for x in (ht.random.rand(*shape, split=0), ht.random.randint(9, size=shape, split=-1)):
            assert x.shape == shape
    assert ht.random.randperm(0, split=0).shape == (0,)
    assert ht.random.normal(mean=0, std=1, shape=(2, 2), dtype=ht.float64).dtype is ht.float64
    assert ht.random.ranf((2,)).shape == ht.random.sample(2).shape == (2,)
    assert ht.random.random_sample(shape=3).dtype is ht.float32
    assert ht.random.standard_normal((2, 3), split=1).split == 1


@pytest.mark.parallel([1, 2])
def test_errors() -> None:
    state = ht.random.get_state()
    for error, match, call in (
        (ValueError, "scale", lambda: ht.random.normal(0, -1, (2,))),
        (ValueError, "p of binomial", lambda: ht.random.binomial(3, 1.5)),
        (ValueError, "broadcast", lambda: ht.random.gamma(np.ones(3), size=(2,))),
        (ValueError, "negative", lambda: ht.random.rand(-1)),
        (TypeError, "real numbers", lambda: ht.random.rand(3, dtype=ht.int32)),
        (ValueError, "no integer", lambda: ht.random.randint(3, 3)),
        (ValueError, "int8", lambda: ht.random.randint(0, 200, 3, dtype=ht.int8)),
        (TypeError, "integers", lambda: ht.random.randint(3, size=3, dtype=ht.float32)),
        (ValueError, "without replacement", lambda: ht.random.choice(3, 4, replace=False)),
        (ValueError, "probabilities", lambda: ht.random.choice(2, 4, p=[0.5, 0.6])),
        (ValueError, "vector", lambda: ht.random.choice(np.ones((2, 2)), 4)),
        (ValueError, "choose", lambda: ht.random.choice(0, 4)),
        (ValueError, "semi-definite", lambda: ht.random.multivariate_normal([0], [[-1.0]])),
        (ValueError, "sum up", lambda: ht.random.multinomial(3, [0.9, 0.9, 0.1])),
        (ht.AxisError, "axis 1", lambda: ht.random.rand(3, split=1)),
        (ValueError, "0-d", lambda: ht.random.permutation(ht.array(1.0))),
    ):
        with pytest.raises(error, match=match):
            call()
    assert ht.random.get_state() == state


@pytest.mark.parallel([1, 2, 3])
def test_choice_from_arrays(every_layout: Any) -> None:
    data = np.arange(10.0) * 1.5
    indices = ht.random.default_rng(3).choice(10, (3, 4)).numpy()
    for x in every_layout(data):
        for split in (None, 0, 1):
            y = ht.random.default_rng(3).choice(x, (3, 4), split=split)
            assert y.split == split
            np.testing.assert_array_equal(y.numpy(), data[indices])
        assert ht.random.choice(x) in data
