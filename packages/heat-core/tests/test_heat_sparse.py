"""Sparse matrices against SciPy, in every layout."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch

import heat_core as ht
from heat_core.layout import Layout
from heat_core.sparse.coordinates import to_layout
from heat_core.sparse.matrix import Compressed
from mpi_utils import traffic

RANKS = [1, 2, 3, 4]
SHAPE = (11, 7)


def example(seed: int = 0, shape: tuple[int, int] = SHAPE, dtype: str = "float64") -> Any:
    rng = np.random.default_rng(seed)
    matrix = sp.random(*shape, density=0.3, random_state=rng, format="csr")
    matrix.data = rng.integers(-9, 9, matrix.nnz) + 0.0
    return matrix.astype(dtype)


def every(matrix: Any) -> Iterator[Compressed]:
    """Both forms, replicated, balanced and with everything on the last rank."""
    size = ht.get_comm().size
    for major, make in ((0, ht.sparse.sparse_csr_matrix), (1, ht.sparse.sparse_csc_matrix)):
        yield make(matrix)
        balanced = make(matrix, split=major)
        yield balanced
        counts = (*(0,) * (size - 1), matrix.shape[major])
        yield to_layout(balanced, Layout(matrix.shape, major, counts))


@pytest.fixture
def same(check: Any) -> Any:
    """Compare a sparse result with SciPy's, zeros included."""

    def compare(result: Compressed, expected: Any) -> None:
        assert result.lindices.dtype is torch.int64 and result.lindptr.dtype is torch.int64
        assert result.lindptr.numel() == result.lshape[result.major] + 1
        check(result.todense(), getattr(expected, "toarray", lambda: expected)())

    return compare


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("dtype", ["float32", "int64", "complex64", "bool"])
def test_construction_and_conversion(dtype: str, same: Any, check: Any) -> None:
    matrix = example(dtype=dtype)
    for x in every(matrix):
        assert x.shape == SHAPE and x.dtype == dtype
        assert x.nnz == matrix.nnz and isinstance(x.nnz, int)
        same(x, matrix)
        same(x.to_sparse_csr(), matrix)
        same(x.to_sparse_csc(), matrix)
        check(x.todense(order="F"), matrix.toarray())
        out = ht.zeros(SHAPE, dtype=dtype, split=1)
        assert ht.sparse.to_dense(x, out=out) is out
        check(out, matrix.toarray())
        counts = matrix.tocsr() if x.major == 0 else matrix.tocsc()
        check(x.gindptr, counts.indptr.astype(np.int64))
        check(x.gindices, counts.indices.astype(np.int64))
        check(x.data, counts.data)
        if dtype != "bool":
            assert torch.equal(x.larray.to_dense(), x.todense().larray)
    dense = matrix.toarray()
    for split in (None, 0, 1):
        array = ht.array(dense, split=split)
        same(ht.sparse.to_sparse_csr(array), matrix)
        same(ht.sparse.to_sparse_csc(array), matrix)
    same(ht.sparse.sparse_csr_matrix(dense.tolist(), dtype=dtype, split=0), matrix)
    same(ht.sparse.sparse_csr_matrix(torch.tensor(dense).to_sparse(), split=0), matrix)
    rank, size = ht.get_comm().rank, ht.get_comm().size
    slab = ht.sparse.sparse_csr_matrix(matrix[2 * rank : 2 * rank + 2], is_split=0)
    same(slab, matrix[: min(2 * size, 11)])


@pytest.mark.parallel(RANKS)
def test_arithmetic(same: Any) -> None:
    a, b = example(1), example(2, dtype="float32")
    for x in every(a):
        for y in every(b):
            same(x + y, a + b)
            same(x - y, a - b)
            same(x * y, a.multiply(b))
        same(3 * x, 3 * a)
        same(x / 2, a / 2)
        same(-x, -a)
        same(abs(x), abs(a))
        same(x.square().sqrt(), abs(a))
        same(x.T, a.T)
        assert x.T.ldata.data_ptr() == x.ldata.data_ptr()
        same(x.astype(ht.int32), a.astype(np.int32))
    for name, wanted in (("add", a + a), ("mul", a.multiply(a))):
        for orientation in ("row", "col"):
            found = getattr(ht.sparse, name)(x, x, orientation=orientation)
            assert found.major == (orientation == "col")
            same(found, wanted)
    assert ht.sparse.mul(x, x).shape == ht.sparse.add(x, x).shape == SHAPE
    doubled = sp.coo_matrix(([1, 2, 3], ([0, 0, 4], [1, 1, 0])), shape=(5, 2))
    same(ht.sparse.sparse_csr_matrix(doubled, split=0), doubled)


@pytest.mark.parallel(RANKS)
def test_reductions_and_parts(same: Any, check: Any) -> None:
    for matrix in (example(3), -abs(example(4, (4, 9))), example(5, dtype="int64")):
        dense = matrix.toarray()
        for x in every(matrix):
            for axis in (None, 0, 1):
                check(x.sum(axis), dense.sum(axis))
                check(x.max(axis), dense.max(axis))
                check(x.min(axis), dense.min(axis))
                mean = dense.mean(axis)
                check(x.mean(axis).astype(ht.float64), mean, rtol=1e-6)
            check(x.diagonal(), dense.diagonal())
            for key in (
                *(slice(2, 9, 3), (slice(None), slice(1, 6, 2)), (slice(1, -1), slice(3)), -1),
                *((2, slice(None, None, 4)), slice(3, 3), (1, 2)),
            ):
                pair = key if isinstance(key, tuple) else (key, slice(None))
                kept = tuple([one] if isinstance(one, int) else one for one in pair)
                same(x[key], sp.csr_matrix(dense[kept[0]][:, kept[1]]))


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("dtype", ["float64", "int64", "complex64"])
def test_products(dtype: str, same: Any, check: Any) -> None:
    matrix, other = example(6, dtype=dtype), example(7, (7, 5), dtype=dtype)
    vector, block = np.arange(7.0).astype(dtype), np.arange(21.0).reshape(7, 3).astype(dtype)
    left = np.arange(22.0).reshape(2, 11).astype(dtype)
    for x in every(matrix):
        for split in (None, 0):
            check(x @ ht.array(vector, split=split), matrix @ vector)
        for split in (None, 0, 1):
            check(x @ ht.array(block, split=split), matrix @ block)
            check(ht.array(left, split=split) @ x, left @ matrix)
        check(x @ vector, matrix @ vector)
        check(left @ x, left @ matrix)
        for y in every(other):
            same(x @ y, matrix @ other)


@pytest.mark.parallel(RANKS)
def test_identities_and_random_matrices(same: Any) -> None:
    for kind, major in (("csr", 0), ("csc", 1)):
        for split in (None, major):
            for m, n, k in ((5, None, 0), (4, 7, 2), (7, 4, -3), (3, 3, 5), (0, 2, 0)):
                found = ht.sparse.eye(m, n, k, "int32", kind, split=split)
                same(found, np.eye(m, n, k, dtype=np.int32))
                assert found.major == major and found.split == split
        alone = ht.sparse.random(30, 20, 0.1, kind, random_state=3, comm=ht.MPI_SELF)
        assert alone.nnz == 60 and alone.dtype is ht.float32
        assert 0 <= alone.ldata.min() < alone.ldata.mean() < alone.ldata.max() < 1
        same(ht.sparse.random(30, 20, 0.1, kind, random_state=3, split=major), scipy_of(alone))
    assert ht.sparse.random(9, 9, 0, split=0).nnz == 0
    assert ht.sparse.random(4, 5, 1, dtype="float64", random_state=0, split=0).nnz == 20
    for wrong in ({"density": 2}, {"format": "coo"}, {"split": 1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            ht.sparse.random(3, 3, **wrong)


def scipy_of(matrix: Compressed) -> Any:
    make = sp.csr_array if matrix.major == 0 else sp.csc_array
    return make((matrix.ldata, matrix.lindices, matrix.lindptr), shape=matrix.shape)


@pytest.mark.parallel(RANKS)
def test_files_of_scipy(tmp_path: Path, same: Any) -> None:
    comm = ht.get_comm()
    path = comm.handle.bcast(tmp_path) / "matrix.npz"
    for dtype in ("float32", "bool", "complex128"):
        matrix = example(8, dtype=dtype)
        for x in every(matrix):
            ht.sparse.save_npz(path, x, compressed=dtype != "bool")
            read = sp.load_npz(path)
            assert read.format == ("csr" if x.major == 0 else "csc") and read.dtype == dtype
            np.testing.assert_array_equal(read.toarray(), matrix.toarray())
            comm.barrier()
    if comm.rank == 0:
        unsorted = sp.csr_array(([1, 2], [2, 0], [0, 2, 2]), shape=(2, 3))
        sp.save_npz(path, unsorted)
        sp.save_npz(path.with_name("coo.npz"), matrix.tocoo())
        np.savez(path.with_name("dense.npz"), np.ones(3))
    comm.barrier()
    for split in (None, 0):
        same(ht.sparse.load_npz(path, split=split, dtype="float32"), np.array([[2, 0, 1], [0] * 3]))
    for name, split, error in (
        ("matrix", 1, "split"), ("coo", 0, "tocsr"), ("dense", None, "load_npz"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=error):
            ht.sparse.load_npz(path.with_name(f"{name}.npz"), split=split)
    with pytest.raises(OSError, match="none"):
        ht.sparse.save_npz(path.parent / "none" / "matrix.npz", x)


@pytest.mark.parallel(RANKS)
def test_slabs_of_equal_numbers_of_elements(same: Any) -> None:
    size = ht.get_comm().size
    rows = np.zeros((40, 50))
    for row, number in enumerate([50, 49, *[1] * 30, 0, 0, 9, 9, 9, 9, 9, 9]):
        rows[row, :number] = 1
    for x in every(sp.csr_array(rows)):
        for by in ("nnz", "rows"):
            balanced = x.balance(by)
            same(balanced, sp.csr_array(rows))
            assert by == "nnz" or balanced.balanced
        if x.is_distributed():
            counts, _ = x.balance(by="nnz").counts_displs_nnz()
            # Off by no more than half of the longest row at each end.
            longest = rows.sum(1 - x.major).max()
            assert max(abs(count - rows.sum() / size) for count in counts) <= longest
    with pytest.raises(ValueError, match="nnz"):
        x.balance("columns")


@pytest.mark.parallel([2, 3])
def test_a_product_fetches_only_what_it_needs() -> None:
    n, comm = 1200, ht.get_comm()
    chain = sp.diags([1.0, -2.0, 1.0], [-1, 0, 1], shape=(n, n), format="csr")
    a, x = ht.sparse.sparse_csr_matrix(chain, split=0), ht.arange(n, dtype=ht.float64, split=0)
    y = a @ x
    with traffic(comm) as sent:
        z = a @ y
    # The plan is kept: one exchange, of the own elements and two neighbours' ones.
    assert sent.messages("alltoall") == 0
    assert sent.bytes() <= 8 * (n // comm.size + 3)
    np.testing.assert_allclose(z.numpy(), chain @ (chain @ np.arange(n)))


@pytest.mark.parallel([1, 2])
def test_errors() -> None:
    a = ht.sparse.sparse_csr_matrix(example(), split=0)
    with pytest.raises(ValueError, match="axis 0"):
        ht.sparse.sparse_csr_matrix(example(), split=1)
    with pytest.raises(ValueError, match="exclude"):
        ht.sparse.sparse_csr_matrix(example(), split=0, is_split=0)
    with pytest.raises(ValueError, match="two axes"):
        ht.sparse.sparse_csr_matrix(np.ones(3))
    with pytest.raises(ValueError, match="fit"):
        a @ np.ones(5)
    with pytest.raises(ValueError, match="differ"):
        a + a.T
    for operation in (operator.add, operator.truediv):
        with pytest.raises(TypeError):
            operation(a, np.ones(SHAPE))
    with pytest.raises(IndexError):
        a[11]
    with pytest.raises(ValueError, match="positive"):
        a[::-1]
    with pytest.raises(ht.AxisError):
        a.sum(2)
    with pytest.raises(TypeError, match="complex"):
        a.astype(ht.complex64).max()
    if a.comm.size > 1:
        with pytest.raises(ValueError, match="slabs differ"):
            ht.sparse.sparse_csr_matrix(np.ones((2, 2 + a.comm.rank)), is_split=0)
