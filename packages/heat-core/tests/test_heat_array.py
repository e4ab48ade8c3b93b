"""Making arrays, moving them between layouts, indexing, converting and printing them."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import heat_core as ht
from heat_core.layout import Layout

RANKS = [1, 2, 3, 4]


# -- creation --------------------------------------------------------------------------------
@pytest.mark.parallel([1, 2, 3, 4, 7])
def test_array_of_data(check: Any) -> None:
    data = np.arange(12).reshape(3, 4)
    for split in (None, 0, 1, -1):
        x = ht.array(data, split=split)
        check(x, data)
        assert x.is_balanced()
        assert x.split == (None if split is None else split % 2)
    assert ht.array([[1, 2], [3, 4]]).dtype is ht.int64
    assert ht.array([1.5, 2]).dtype is ht.float32
    assert ht.array([True, False]).dtype is ht.bool
    assert ht.array(1 + 2j).dtype is ht.complex64
    assert ht.array(np.float64(1)).dtype is ht.float64
    assert ht.array([]).shape == (0,)
    assert ht.array([1, 2], ndmin=3).shape == (1, 1, 2)
    assert ht.float32([1, 2]).dtype is ht.float32
    check(ht.array(data.astype(">i4"), split=0), data)
    check(ht.array(data[::-1, ::-2], split=1), data[::-1, ::-2])


@pytest.mark.parallel(RANKS)
def test_slabs_of_the_ranks(check: Any) -> None:
    comm = ht.get_comm()
    own = torch.full((comm.rank, 2), comm.rank)
    x = ht.array(own, is_split=0)
    check(x, np.repeat(np.arange(comm.size), np.arange(comm.size))[:, None].repeat(2, 1))
    assert x.layout.counts == tuple(range(comm.size))
    assert ht.from_local(own).shape == x.shape


@pytest.mark.parallel([2, 3])
@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        (lambda rank: (2, 2 + (rank == 1)), torch.float32),
        (lambda rank: (2,) * (1 + (rank == 1)), torch.float32),
        (lambda rank: (2, 2), None),
    ],
)
def test_slabs_that_do_not_match_are_an_error_on_all_ranks(shape: Any, dtype: Any) -> None:
    rank = ht.get_comm().rank
    own_dtype = dtype or (torch.int32 if rank else torch.float32)
    with pytest.raises(ValueError, match="slabs differ"):
        ht.array(torch.zeros(shape(rank), dtype=own_dtype), is_split=0)


@pytest.mark.parallel([1, 2])
def test_arguments_of_array() -> None:
    x = ht.arange(4, split=0)
    with pytest.raises(ValueError, match="exclude"):
        ht.array([1], split=0, is_split=0)
    with pytest.raises(ValueError, match="resplit"):
        ht.array(ht.ones((2, 2), split=0), split=1)
    with pytest.raises(ht.AxisError):
        ht.array([1, 2], split=1)
    with pytest.raises(TypeError):
        ht.array(["text"])
    assert ht.asarray(x) is x
    assert ht.asarray(x, dtype=ht.float32).dtype is ht.float32
    source = np.zeros(3)
    shared = ht.array(source, copy=False)
    source[0] = 1
    assert shared[0].item() == 1
    with pytest.raises(ValueError, match="copy"):
        ht.array([1, 2], copy=False)
    with pytest.raises(ValueError, match="copy"):
        ht.array(source, dtype=ht.float32, copy=False)


@pytest.mark.parallel([1, 2, 3, 4, 7])
def test_ranges_and_constants(check: Any) -> None:
    for split in (None, 0):
        check(ht.arange(10, split=split), np.arange(10))
        check(ht.arange(2, 20, 3, split=split), np.arange(2, 20, 3))
        check(ht.arange(5, -5, -2, split=split), np.arange(5, -5, -2))
        check(ht.arange(0.0, 1.0, 0.1, split=split), np.arange(0, 1, 0.1, dtype=np.float32))
        check(ht.linspace(0, 1, 7, split=split), np.linspace(0, 1, 7))
        check(ht.linspace(3, 1, 4, endpoint=False, split=split), np.linspace(3, 1, 4, False))
        check(ht.full((3, 2), 7, split=split), np.full((3, 2), 7))
        check(ht.zeros(5, split=split), np.zeros(5))
    assert ht.arange(3).dtype is ht.int64
    assert ht.arange(3.0).dtype is ht.float32
    assert ht.full(2, True).dtype is ht.bool
    _, step = ht.linspace(0, 1, 5, retstep=True)
    assert step == 0.25
    for split in (None, 0, 1):
        check(ht.eye(4, split=split), np.eye(4))
        check(ht.eye((3, 5), k=1, split=split), np.eye(3, 5, 1))
        check(ht.ones_like(ht.zeros((3, 2), split=split)), np.ones((3, 2)))
    like = ht.full_like(ht.zeros((3, 2), split=1), 2, dtype=ht.int8, split=0)
    assert (like.split, like.dtype) == (0, ht.int8)
    assert ht.empty((2, 3), order="F").stride() == (1, 2)
    with pytest.raises(ValueError, match="step"):
        ht.arange(1, 2, 0)
    with pytest.raises(ValueError, match="negative"):
        ht.zeros((2, -1))


# -- layouts ---------------------------------------------------------------------------------
@pytest.mark.parallel([1, 2, 3, 4, 7])
@pytest.mark.parametrize("dtype", ["float32", "bool", "uint16", "complex128", "int8"])
def test_resplit_between_all_layouts(dtype: str, every_layout: Any, check: Any) -> None:
    data = np.arange(30).reshape(5, 3, 2).astype(dtype)
    for x in every_layout(data):
        layout = x.layout
        for split in (None, 0, 1, 2):
            y = ht.resplit(x, split)
            assert y.split == split
            check(y, data)
            assert x.layout == layout
            # The result is a copy.
            if y.lnumel and x.lnumel:
                assert y.larray.data_ptr() != x.larray.data_ptr()
            z = x.copy()
            assert z.resplit_(split) is z
            check(z, data)


@pytest.mark.parallel(RANKS)
def test_resplit_of_transposed_data(check: Any) -> None:
    """Pitfall 15: this deadlocked or raised."""
    data = np.arange(24.0).reshape(4, 6)
    for split in (0, 1):
        x = ht.array(data, split=split).T
        for target in (None, 0, 1):
            check(ht.resplit(x, target), data.T)


@pytest.mark.parallel(RANKS)
def test_redistribute_and_balance(every_layout: Any, check: Any) -> None:
    data = np.arange(14).reshape(7, 2)
    comm = ht.get_comm()
    target = torch.zeros(comm.size, 2, dtype=torch.int64)
    target[0, 0], target[-1, 0] = 2, 7 - 2 * (comm.size > 1)
    for x in every_layout(data):
        balanced = ht.balance(x, copy=True)
        assert balanced.is_balanced()
        check(balanced, data)
        if x.split != 0:
            continue
        moved = x.redistribute(target_map=target)
        assert list(moved.layout.counts) == target[:, 0].tolist()
        check(moved, data)
        again = x.copy()
        again.redistribute_(target_map=target)
        again.balance_()
        assert again.layout == balanced.layout
        check(again, data)
        assert again.lshape_map.tolist()[comm.rank] == list(again.lshape)
    with pytest.raises(ValueError, match="sum up"):
        ht.redistribute(ht.zeros(4, split=0), target_map=torch.full((comm.size, 1), 5))
    with pytest.raises(ValueError, match="replicated"):
        ht.redistribute(ht.zeros(4))
    with pytest.raises(ValueError, match="counts"):
        ht.zeros(4).counts_displs()


@pytest.mark.parallel(RANKS)
def test_attributes() -> None:
    x = ht.zeros((5, 4), dtype=ht.int16, split=0)
    assert (x.shape, x.ndim, x.size, x.nbytes, x.itemsize) == ((5, 4), 2, 20, 40, 2)
    assert x.lshape == tuple(x.larray.shape)
    assert (x.lnumel, x.lnbytes) == (x.larray.numel(), x.larray.numel() * 2)
    assert x.is_distributed() == (ht.get_comm().size > 1)
    assert str(x.device) == "cpu:0"
    assert len(x) == 5
    x.larray = x.larray + 1
    assert x.sum().item() == 20
    with pytest.raises(ValueError, match="local tensor"):
        x.larray = torch.zeros(77)
    with pytest.raises(TypeError):
        len(ht.array(1))
    with pytest.raises(TypeError):
        hash(x)
    rebuilt = ht.DNDarray(x.larray, x.shape, x.dtype, 0, x.device, x.comm)
    assert rebuilt.layout == x.layout


# -- conversion ------------------------------------------------------------------------------
@pytest.mark.parallel(RANKS)
def test_to_numpy_and_scalars(every_layout: Any) -> None:
    comm = ht.get_comm()
    for x in every_layout(np.arange(6).reshape(2, 3)):
        gathered = x.numpy(root=comm.size - 1)
        if comm.rank == comm.size - 1:
            np.testing.assert_array_equal(gathered, np.arange(6).reshape(2, 3))
        else:
            assert gathered is None
        assert x.tolist() == [[0, 1, 2], [3, 4, 5]]
    for x in every_layout([[2.5]]):
        layout = x.layout
        assert (x.item(), float(x), int(x), bool(x), complex(x)) == (2.5, 2.5, 2, True, 2.5)
        assert x.layout == layout
        with pytest.raises(TypeError, match="not an index"):
            operator.index(x)
    assert operator.index(ht.array(3)) == 3
    many = ht.arange(3, split=0)
    with pytest.raises(ValueError, match="one element"):
        many.item()
    with pytest.raises(TypeError):
        bool(many)
    with pytest.raises(ValueError, match="root"):
        many.numpy(root=99)


@pytest.mark.parallel([1, 2])
def test_astype() -> None:
    x = ht.array([0.0, 1.5, -2.5], split=0)
    assert x.astype(ht.int64).tolist() == [0, 1, -2]
    assert x.astype("bool").tolist() == [False, True, True]
    assert x.astype(ht.float32, copy=False) is x
    assert x.astype(ht.float32) is not x
    assert x.dtype is ht.float32
    assert (x + 1j).astype(ht.float64).tolist() == [0.0, 1.5, -2.5]


@pytest.mark.parallel([1, 2, 3])
def test_axes_move_with_their_split(every_layout: Any, check: Any) -> None:
    data = np.arange(24).reshape(2, 3, 4)
    for x in every_layout(data):
        check(ht.transpose(x), data.T)
        check(ht.transpose(x, (1, 2, 0)), data.transpose(1, 2, 0))
        check(ht.moveaxis(x, 0, -1), np.moveaxis(data, 0, -1))
        check(ht.swapaxes(x, 0, 2), data.swapaxes(0, 2))
        check(ht.expand_dims(x, (0, -1)), np.expand_dims(data, (0, -1)))
        check(ht.squeeze(ht.expand_dims(x, 1)), data)
    for x in every_layout(np.ones((1, 4, 1))):
        check(ht.squeeze(x), np.ones(4))
        check(ht.squeeze(x, 0), np.ones((4, 1)))
        with pytest.raises(ValueError, match="extent"):
            ht.squeeze(x, 1)


# -- indexing --------------------------------------------------------------------------------
KEYS: list[Any] = [
    *(0, -1, 3, slice(None), slice(1, 4), slice(None, None, 2), slice(None, None, -1)),
    *(slice(4, 0, -2), slice(-3, None), slice(5, 2), slice(100, None), slice(None, None, -7)),
    *(None, ..., (..., 1), (1, ...), (None, 2), (slice(None), 1), (slice(None), slice(1, 3))),
    *((slice(None, None, -1), slice(None, None, -1)), (2, slice(None, None, -1)), (1, 2)),
    *((slice(1, 5, 2), None, -1), (None, ..., None), (slice(None), slice(None, None, -2), None)),
    *((np.int64(2),), (slice(2, 2), 0), (Ellipsis, slice(3, 0, -1))),
]


@pytest.mark.parallel([1, 2, 3, 4, 7])
@pytest.mark.parametrize("key", KEYS, ids=str)
def test_indexing(key: Any, every_layout: Any, check: Any) -> None:
    """Pitfall 3: negative steps raised."""
    data = np.arange(24).reshape(6, 4)
    for x in every_layout(data):
        layout = x.layout
        check(x[key], data[key])
        assert x.layout == layout


_slices = st.builds(
    slice,
    st.none() | st.integers(-7, 7),
    st.none() | st.integers(-7, 7),
    st.none() | st.sampled_from([-3, -2, -1, 1, 2, 3]),
)


@pytest.mark.parallel([1, 2, 3, 4])
@given(
    shape=st.tuples(st.integers(1, 6), st.integers(1, 5), st.integers(1, 3)),
    parts=st.lists(_slices | st.integers(-1, 0) | st.none(), max_size=3),
    split=st.integers(0, 2),
    rest=_slices,
)
def test_any_key(
    shape: tuple[int, ...], parts: list[Any], split: int, rest: slice, check: Any
) -> None:
    data = np.arange(np.prod(shape)).reshape(shape)
    x = ht.array(data, split=split)
    check(x[tuple(parts)], data[tuple(parts)])
    # Results of slicing are unbalanced; they must be arrays like any other.
    check(
        x[rest][tuple(parts)[:1]] if len(data[rest]) else x[rest],
        (data[rest][tuple(parts)[:1]] if len(data[rest]) else data[rest]),
    )
    check(x[rest].sum(0) + x[rest].sum(0), 2 * data[rest].sum(0))


@pytest.mark.parallel([1, 2])
def test_bad_keys() -> None:
    x = ht.zeros((3, 2), split=0)
    for key in (3, -4, (0, 2), (0, 0, 0), (..., ...)):
        with pytest.raises(IndexError):
            x[key]
    for key in (1.5, "a", [0.5], ht.array([True]), ([0, 3],), ([0, 1], [0, 1, 0])):
        with pytest.raises(IndexError):
            x[key]


@pytest.mark.parallel([1, 2, 3])
def test_iteration_ends(check: Any) -> None:
    data = np.arange(6).reshape(3, 2)
    for number, row in enumerate(ht.array(data, split=0)):
        check(row, data[number])
    assert number == 2
    with pytest.raises(TypeError):
        iter(ht.array(1))


@pytest.mark.parallel([2, 3])
def test_slices_can_be_balanced_automatically(check: Any) -> None:
    x = ht.arange(20, split=0)
    assert not x[:5].is_balanced()
    with ht.config(auto_balance_threshold=1.5):
        assert x[:5].is_balanced()
        check(x[:5], np.arange(5))


# -- printing --------------------------------------------------------------------------------
@pytest.mark.parallel([1, 2, 3, 4])
@pytest.mark.parametrize(
    "data",
    [
        np.float32(1.5),
        np.arange(6.0).reshape(2, 3),
        np.zeros((0, 3)),
        np.arange(4000).reshape(40, 100),
        np.arange(2000) % 2 == 0,
        np.array([1 + 2j, 3 - 4j]),
        np.arange(1200).reshape(1, 6, 200),
        np.arange(1400).reshape(7, 200),
    ],
    ids=lambda data: str(np.shape(data)),
)
def test_text_is_that_of_numpy(data: Any, every_layout: Any) -> None:
    for x in every_layout(data):
        text = str(x)
        if ht.get_comm().rank:
            assert text == ""
            continue
        expected = np.array2string(
            np.asarray(data),
            precision=4,
            threshold=1000,
            edgeitems=3,
            max_line_width=120,
            separator=", ",
            suppress_small=True,
            prefix="DNDarray(",
        )
        suffix = f", dtype=ht.{x.dtype.name}, device=cpu:0, split={x.split})"
        assert text == f"DNDarray({expected}{suffix}"


@pytest.mark.parallel([2])
def test_only_edges_travel() -> None:
    from mpi_utils import traffic

    x = ht.zeros((1000, 1000), split=0)
    with traffic(ht.get_comm()) as counted:
        str(x)
    assert counted.bytes("gather") + counted.bytes("gatherv") <= 8 * 8 * 4
    assert "local shape=(500, 1000)" in repr(x)


@pytest.mark.parallel([1, 2])
def test_print_options(capsys: pytest.CaptureFixture[str]) -> None:
    options = ht.get_printoptions()
    try:
        ht.set_printoptions(precision=1, sci_mode=True)
        if ht.get_comm().rank == 0:
            assert "1.2e+00" in str(ht.array([1.234]))
        ht.set_printoptions(profile="default")
        assert ht.get_printoptions() == options
        ht.local_printing()
        assert "local shape" in str(ht.zeros(3, split=0))
    finally:
        ht.global_printing()
        ht.set_printoptions(profile="default")
    with pytest.raises(ValueError, match="profile"):
        ht.set_printoptions(profile="long")
    capsys.readouterr()
    ht.print0("values", ht.arange(2, split=0))
    printed = capsys.readouterr().out
    assert printed.startswith("values DNDarray([0, 1]") == (ht.get_comm().rank == 0)


# -- communicators ---------------------------------------------------------------------------
@pytest.mark.parallel([1, 2, 3])
def test_communicators(check: Any) -> None:
    comm = ht.get_comm()
    assert ht.sanitize_comm(None) is comm
    assert comm.chunk((7, 2), 0, rank=0, w_size=3) == (0, (3, 2), (slice(0, 3), slice(0, 2)))
    counts, displs, shape = comm.counts_displs_shape((7, 2), 0)
    assert (counts[comm.rank], 2) == shape
    assert displs[0] == 0
    own = ht.Communicator(comm.handle.Split(comm.rank), duplicate=False)
    alone = ht.arange(5, split=0, comm=own)
    assert alone.lshape == (5,)
    with pytest.raises(ValueError, match="communicators"):
        alone + ht.arange(5, split=0)
    with pytest.raises(TypeError):
        ht.sanitize_comm("world")
    assert isinstance(alone.layout, Layout)
