"""Products of sparse matrices: each rank fetches just the rows that its columns meet.

Which rows these are, and from where they come, is found by the first product of a matrix and kept:
an iteration that multiplies with the same matrix sends nothing but these rows.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import to_layout as relaid
from heat_core.dispatch.operands import coerce
from heat_core.dtypes import result_type
from heat_core.layout import Layout
from heat_core.sparse.convert import converted
from heat_core.sparse.coordinates import compressed, to_layout
from heat_core.sparse.matrix import Compressed, DCSR_matrix

__all__ = ["matmul", "rmatmul"]


class FetchPlan:
    """The way of the rows of a distributed operand that a rank's columns meet. Collective.

    Parameters
    ----------
    matrix : DCSR_matrix
    counts : tuple of int
        Rows of the operand on each rank.
    """

    def __init__(self, matrix: DCSR_matrix, counts: tuple[int, ...]) -> None:
        comm = matrix.comm
        self.counts, self._comm = counts, comm
        needed, self.columns = torch.unique(matrix.lindices, return_inverse=True)
        ends = torch.tensor(counts, device=needed.device).cumsum(0)
        owners = torch.searchsorted(ends, needed, right=True)
        self._asked = torch.bincount(owners, minlength=comm.size).tolist()
        self._given = comm.alltoall(torch.tensor(self._asked)).tolist()
        wanted = comm.alltoallv(needed, self._asked, self._given)
        self.positions = wanted - sum(counts[: comm.rank])

    def fetch(self, local: torch.Tensor) -> torch.Tensor:
        """The needed rows of an operand, in the order of ``columns``. Collective."""
        rows: torch.Tensor = self._comm.alltoallv(
            local[self.positions].contiguous(), self._given, self._asked
        )
        return rows

    def fetch_lists(
        self, lengths: torch.Tensor, lists: list[torch.Tensor], places: torch.Tensor
    ) -> list[torch.Tensor]:
        """Rows of different lengths: the parts of ``lists`` at ``places``. Collective.

        Parameters
        ----------
        lengths : torch.Tensor, (rows that are given,)
        lists : list of torch.Tensor
        places : torch.Tensor, (sum of lengths,)
        """
        sizes = [int(part.sum()) for part in lengths.split(self._given)]
        arriving = self._comm.alltoall(torch.tensor(sizes)).tolist()
        return [self._comm.alltoallv(part[places].contiguous(), sizes, arriving) for part in lists]


def _plan(matrix: DCSR_matrix, counts: tuple[int, ...]) -> FetchPlan:
    if matrix._plan is None or matrix._plan.counts != counts:
        matrix._plan = FetchPlan(matrix, counts)
    plan: FetchPlan = matrix._plan
    return plan


def matmul(matrix: Compressed, other: Any) -> Any:
    """``matrix @ other`` with a vector, a dense or a sparse matrix.

    Collective if both are distributed, or compressed columns are: these are brought to compressed
    rows first. Each rank then receives the rows of ``other`` that its columns meet, once each, and
    nothing is sent but these after the first product.

    Returns
    -------
    DNDarray, or DCSR_matrix if ``other`` is sparse
        Split along axis 0 like ``matrix``; replicated if that is.
    """
    if not isinstance(other, Compressed):
        other = coerce(other, matrix.comm, matrix.device.torch_device)
        if not isinstance(other, DNDarray) or other.ndim not in (1, 2):
            raise ValueError("the other factor of a product is a vector or a matrix")
    if matrix.shape[1] != other.shape[0]:
        raise ValueError(f"shapes {matrix.shape} and {other.shape} do not fit a product")
    rows = _as_rows(matrix)
    return (
        _times_sparse(rows, other) if isinstance(other, Compressed) else _times_dense(rows, other)
    )


def rmatmul(matrix: Compressed, other: Any) -> Any:
    """``other @ matrix`` with a dense vector or matrix: the transpose of a product. Collective."""
    other = coerce(other, matrix.comm, matrix.device.torch_device)
    if not isinstance(other, DNDarray) or other.ndim not in (1, 2):
        raise ValueError("the other factor of a product is a vector or a matrix")
    product = matmul(matrix.T, other if other.ndim == 1 else other.T)
    return product if other.ndim == 1 else product.T


def _as_rows(matrix: Compressed) -> DCSR_matrix:
    """The matrix in compressed rows; a matrix of columns keeps the conversion, as its plan."""
    if isinstance(matrix, DCSR_matrix):
        return matrix
    if matrix._plan is None:
        matrix._plan = converted(DCSR_matrix, matrix)
    rows: DCSR_matrix = matrix._plan
    return rows


def _times_dense(matrix: DCSR_matrix, x: DNDarray) -> DNDarray:
    dtype = result_type(matrix.dtype, x.dtype).torch
    columns, width = matrix.lindices, matrix.shape[1]
    if matrix.split is None and x.is_distributed():
        x = relaid(x, x.layout.with_split(None, x.comm.size))
    elif x.split == 1:
        x = relaid(x, x.layout.with_split(0, x.comm.size))
    local = x.larray
    if x.is_distributed():
        assert x.layout.counts is not None
        plan = _plan(matrix, x.layout.counts)
        local, columns = plan.fetch(local), plan.columns
        width = local.shape[0]
    local = _local_product(matrix, columns, width, local.to(dtype))
    layout = Layout((matrix.shape[0], *x.shape[1:]), matrix.split, matrix.layout.counts)
    return wrap(local, layout, matrix.comm)


def _local_product(
    matrix: DCSR_matrix, columns: torch.Tensor, width: int, x: torch.Tensor
) -> torch.Tensor:
    n_rows, data = matrix.lshape[0], matrix.ldata.to(x.dtype)
    if x.dtype in (torch.float32, torch.float64) and n_rows and width:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch calls its compressed tensors a beta version
            rows = torch.sparse_csr_tensor(matrix.lindptr, columns, data, (n_rows, width))
        return rows @ x
    shape = (-1, *(1,) * (x.ndim - 1))
    terms = data.reshape(shape) * x[columns]
    return x.new_zeros((n_rows, *x.shape[1:])).index_add_(0, matrix.major_numbers(), terms)


def _times_sparse(a: DCSR_matrix, other: Compressed) -> DCSR_matrix:
    b = _as_rows(other)
    lengths, indices, data, columns = b.lindptr.diff(), b.lindices, b.ldata, a.lindices
    if a.split is None and b.is_distributed():
        b = to_layout(b, Layout(b.shape))
        lengths, indices, data = b.lindptr.diff(), b.lindices, b.ldata
    elif b.is_distributed():
        assert b.layout.counts is not None
        plan = _plan(a, b.layout.counts)
        given = lengths[plan.positions]
        places = _ranges(b.lindptr[:-1][plan.positions], given)
        indices, data = plan.fetch_lists(given, [indices, data], places)
        lengths, columns = plan.fetch(lengths), plan.columns
    # Each element of a row of A meets a row of B.
    starts = lengths.cumsum(0) - lengths
    met = lengths[columns]
    places = _ranges(starts[columns], met)
    dtype = result_type(a.dtype, b.dtype).torch
    terms = a.ldata.to(dtype).repeat_interleave(met) * data.to(dtype)[places]
    rows = a.major_numbers().repeat_interleave(met)
    layout = Layout((a.shape[0], b.shape[1]), a.split, a.layout.counts)
    return compressed(DCSR_matrix, rows, indices[places], terms, layout, a.comm)


def _ranges(starts: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """The numbers from each start on, as many as its length says, one after the other."""
    before = lengths.cumsum(0) - lengths
    inside = torch.arange(int(lengths.sum()), device=starts.device)
    return inside + (starts - before).repeat_interleave(lengths)
