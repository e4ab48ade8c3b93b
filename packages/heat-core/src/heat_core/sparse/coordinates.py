"""Coordinates of elements: sorted into compressed form, and brought to the ranks that hold them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import torch

from heat_core.layout import Layout
from heat_core.sparse.matrix import Compressed

if TYPE_CHECKING:
    from heat_core.comm import Communicator

__all__ = ["balance", "compressed", "global_coordinates", "routed", "to_layout"]

M = TypeVar("M", bound=Compressed)


def compressed(
    kind: type[M],
    major: torch.Tensor,
    minor: torch.Tensor,
    data: torch.Tensor,
    layout: Layout,
    comm: Communicator,
) -> M:
    """The matrix of this rank's elements; those at the same place are added. Local.

    Parameters
    ----------
    kind : DCSR_matrix or DCSC_matrix
    major, minor : torch.Tensor of int64, (n,)
        Local number of the row or column that is compressed, and global number along the other.
    data : torch.Tensor, (n,)
    layout : Layout
    comm : Communicator
    """
    n_major, n_minor = layout.lshape(comm.rank)[kind.major], layout.gshape[1 - kind.major]
    keys, order = torch.sort(major * n_minor + minor, stable=True)
    data = data[order]
    if keys.numel() and bool((keys[1:] == keys[:-1]).any()):
        keys, place = torch.unique_consecutive(keys, return_inverse=True)
        wide = torch.int64 if data.dtype is torch.bool else data.dtype
        sums = torch.zeros(keys.numel(), dtype=wide, device=data.device)
        data = sums.index_add_(0, place, data.to(wide)).to(data.dtype)
    borders = torch.arange(n_major + 1, device=keys.device) * n_minor
    indptr = torch.searchsorted(keys, borders)
    return kind(indptr, keys % n_minor if n_minor else keys, data, layout, comm)


def global_coordinates(matrix: Compressed) -> tuple[torch.Tensor, torch.Tensor]:
    """(row, column) of each element that this rank stores. Local."""
    major = matrix.major_numbers() + matrix.layout.offset(matrix.comm.rank)
    return (major, matrix.lindices) if matrix.major == 0 else (matrix.lindices, major)


def routed(
    comm: Communicator, layout: Layout, major: torch.Tensor, columns: list[torch.Tensor]
) -> list[torch.Tensor]:
    """Rows of ``columns`` at the ranks that hold their ``major`` numbers. Collective."""
    assert layout.counts is not None
    ends = torch.tensor(layout.counts, device=major.device).cumsum(0)
    owners = torch.searchsorted(ends, major, right=True)
    order = torch.argsort(owners, stable=True)
    counts = torch.bincount(owners, minlength=comm.size).tolist()
    received = comm.alltoall(torch.tensor(counts)).tolist()
    return [comm.alltoallv(column[order], counts, received) for column in columns]


def to_layout(matrix: M, layout: Layout) -> M:
    """The matrix under another layout, itself if it has it. Collective unless it is replicated."""
    if layout == matrix.layout:
        return matrix
    comm, kind = matrix.comm, type(matrix)
    major = matrix.major_numbers() + matrix.layout.offset(comm.rank)
    parts = [major, matrix.lindices, matrix.ldata]
    if layout.split is None:
        parts = [_gathered(comm, part) for part in parts]
    elif matrix.is_distributed():
        parts = routed(comm, layout, major, parts)
    else:
        start = layout.offset(comm.rank)
        mine = (major >= start) & (major < start + layout.lshape(comm.rank)[kind.major])
        parts = [part[mine] for part in parts]
    major, minor, data = parts
    return compressed(kind, major - layout.offset(comm.rank), minor, data, layout, comm)


def balance(matrix: M, by: str = "rows") -> M:
    """The matrix with equal slabs, itself if it has them. Collective.

    Parameters
    ----------
    matrix : DCSR_matrix or DCSC_matrix
    by : {"rows", "nnz"}
        Equal numbers of rows (of columns, if these are compressed), or of stored elements as nearly
        as whole rows allow: what products take as long for.
    """
    if by not in ("rows", "nnz"):
        raise ValueError(f"by is 'rows' or 'nnz', not {by!r}")
    if not matrix.is_distributed():
        return matrix
    if by == "rows":
        return to_layout(matrix, matrix.layout.canonical())
    size, starts = matrix.comm.size, matrix.global_indptr().larray
    shares = torch.arange(1, size, device=starts.device) * starts[-1] / size
    # The border that is nearest to an equal share.
    after = torch.searchsorted(starts, shares.ceil().long()).clamp_(1, len(starts) - 1)
    cuts = torch.where(shares - starts[after - 1] < starts[after] - shares, after - 1, after)
    counts = [0, *cuts.tolist(), len(starts) - 1]
    counts = [stop - start for start, stop in pairwise(counts)]
    return to_layout(matrix, Layout(matrix.shape, matrix.major, tuple(counts)))


def _gathered(comm: Communicator, part: torch.Tensor) -> torch.Tensor:
    counts = comm.allgather(torch.tensor([part.numel()])).flatten().tolist()
    whole: torch.Tensor = comm.allgatherv(part, counts)
    return whole
