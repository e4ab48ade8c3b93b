"""What the operations send, counted: no more than they have to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import heat_core as ht
from mpi_utils import TrafficCounter, traffic

N = 40_000


def sent(call: Callable[[], object]) -> TrafficCounter:
    """What this rank sends during the call."""
    with traffic(ht.get_comm()) as counted:
        call()
    return counted


@pytest.mark.parallel([2, 3, 4])
def test_local_operations_send_nothing() -> None:
    x = ht.random.rand(200, 30, split=0)
    y = ht.random.rand(200, 30, split=0)
    for call in (
        lambda: x * y + 2 - ht.exp(x),
        lambda: ht.where(x > y, x, y),
        lambda: (x.sum(1), x.max(1), x.mean(1), ht.sort(x, axis=1), ht.cumsum(x, 1)),
        lambda: (x[3:, ::2], x.T, x[:, [1, 0]], ht.flip(x, 1), ht.expand_dims(x, 0)),
        lambda: (ht.tril(x), ht.pad(x, ((0, 0), (1, 1))), ht.median(x, 1), x[x.shape[0] :]),
        lambda: (ht.zeros((9, 9), split=1), ht.arange(9, split=0), ht.random.randn(99, split=0)),
        lambda: (x.astype(ht.float64), x.copy(), repr(x), x.lshape_map, x.is_balanced()),
        lambda: ht.resplit(ht.ones((8, 8)), 0),
    ):
        assert sent(call).messages() == 0


@pytest.mark.parallel([2, 3, 4])
def test_resplit_moves_each_byte_once() -> None:
    x = ht.random.rand(240, 360, split=0)
    size, rank = x.comm.size, x.comm.rank
    own = x.lshape[0] * ht.resplit(x, 1).lshape[1] * x.itemsize  # what stays here
    counted = sent(lambda: ht.resplit(x, 1))
    assert counted.bytes() == x.lnbytes - own
    assert counted.messages() <= size - 1
    # Balanced slabs from all data on one rank: the owner sends what the others get.
    one = ht.collect(x, 0)
    assert sent(lambda: ht.balance(one)).bytes() == (x.nbytes - x.lnbytes) * (rank == 0)
    assert sent(lambda: ht.balance(x)).messages() == 0
    # To every rank: each gives its own part.
    assert sent(lambda: ht.resplit(x, None)).bytes() <= x.lnbytes * (size - 1)


@pytest.mark.parallel([2, 3, 4])
def test_sorting_exchanges_twice_and_quantiles_nothing() -> None:
    x = ht.array(np.random.default_rng(1).permutation(N).astype("f8"), split=0)
    counted = sent(lambda: ht.sort(x))
    assert counted.bytes("alltoallv") + counted.bytes("exchange") <= 2 * 1.1 * x.lnbytes
    # Samples and the last few candidates of three quantiles, whatever the number of elements.
    large = ht.random.rand(2_000_000, split=0)
    counted = sent(lambda: ht.quantile(large, [0.1, 0.5, 0.9]))
    assert counted.bytes("alltoallv") + counted.bytes("exchange") == 0
    assert counted.bytes() < 3 * 8 * (2**14 + 2**12) < large.lnbytes
    for call in (x.sum, x.max, x.var, x.any):
        assert sent(call).bytes() <= 64
    # One element of the neighbour, and one sum.
    assert sent(lambda: ht.diff(x)).bytes() <= 8
    assert sent(lambda: ht.cumsum(x)).bytes() <= 8
