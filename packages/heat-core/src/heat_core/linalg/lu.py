"""LU factorisation with partial pivoting."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import to_layout
from heat_core.linalg.panels import Panel, panels, received, right_of
from heat_core.linalg.stacks import as_matrices, fits, map_matrices
from heat_core.ops.creation import zeros
from heat_core.ops.diagonals import tril, triu
from heat_core.ops.ranges import eye

__all__ = ["LUResult", "PackedLU", "distributed_lu", "lu"]


class LUResult(NamedTuple):
    """``x = P @ L @ U``."""

    P: DNDarray
    L: DNDarray
    U: DNDarray


class PackedLU(NamedTuple):
    """Both factors of one matrix in one, split along columns.

    ``packed`` has U on and above the diagonal and L, whose diagonal is 1, below. ``rows`` is the
    permutation, int64 on every rank: row ``i`` of ``L @ U`` is row ``rows[i]`` of the matrix;
    ``sign`` is its sign.
    """

    packed: DNDarray
    rows: torch.Tensor
    sign: int


def lu(x: Any) -> LUResult:
    """The factors of ``x = P @ L @ U`` with partial pivoting. Collective if distributed.

    Parameters
    ----------
    x : DNDarray, (..., m, n)

    Returns
    -------
    (P, L, U)
        A permutation, (..., m, m); lower triangular with ones on the diagonal, (..., m, k); upper
        triangular, (..., k, n), with k = min(m, n). Split like ``x``.

    Notes
    -----
    A matrix beyond ``config.replicate_bytes`` is factorised as it is distributed, by panels of
    columns (Golub and Van Loan, Matrix Computations, section "Blocked LU with pivoting"); memory is
    twice the slab and one panel. The owner of each panel broadcasts its rows from the diagonal on,
    and their order.
    """
    matrices = as_matrices(x, "lu")
    if fits(matrices):
        return LUResult(*map_matrices(torch.linalg.lu, matrices))
    split, (m, n) = matrices.split, matrices.shape
    factors = distributed_lu(matrices)
    packed, k = factors.packed, min(m, n)
    permutation = zeros((m, m), dtype=matrices.dtype, split=1, comm=matrices.comm)
    columns = permutation.layout.slices(permutation.comm.rank)[1]
    # Column i has its one in row rows[i].
    local = permutation.larray
    local[factors.rows[columns], torch.arange(local.shape[1], device=local.device)] = 1
    lower = tril(packed[:, :k], -1) + eye(m, k, dtype=matrices.dtype, split=1, comm=matrices.comm)
    parts = (permutation, lower, triu(packed[:k]))
    return LUResult(*(to_layout(p, p.layout.with_split(split, p.comm.size)) for p in parts))


def distributed_lu(x: DNDarray) -> PackedLU:
    """The packed factors of one matrix, (m, n), of which no rank holds all. Collective."""
    m, n = x.shape
    comm = x.comm
    layout = x.layout.with_split(1, comm.size)
    a = to_layout(x, layout).larray.clone(memory_format=torch.contiguous_format)
    assert layout.counts is not None
    rows, sign = torch.arange(m, device=a.device), 1
    for panel in panels(layout.counts, min(m, n)):
        block, order, swaps = _factorised(x, panel, a)
        sign = -sign if swaps % 2 else sign
        rows[panel.start :] = rows[panel.start :][order]
        moved = a[panel.start :][order]
        if comm.rank == panel.owner:
            moved[:, panel.columns] = block
        a[panel.start :] = moved
        _update(a, block, panel, right_of(panel, layout.offset(comm.rank), a.shape[1]))
    return PackedLU(wrap(a, layout, comm), rows, sign)


def _factorised(
    x: DNDarray, panel: Panel, a: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, int]:
    """The panel's packed factors, the order of its rows, and how many were swapped. Collective."""
    comm, height = x.comm, x.shape[0] - panel.start
    block = pivots = None
    if comm.rank == panel.owner:
        block, pivots, _ = torch.linalg.lu_factor_ex(a[panel.start :, panel.columns])
    block = received(comm, panel, block, (height, panel.width), a)
    number = min(height, panel.width)
    pivots = received(
        comm, panel, pivots, (number,), torch.empty(0, dtype=torch.int32, device=a.device)
    )
    order = list(range(height))
    swaps = 0
    for i, pivot in enumerate(pivots.tolist()):
        # LAPACK counts from 1.
        order[i], order[pivot - 1] = order[pivot - 1], order[i]
        swaps += pivot - 1 != i
    return block, torch.tensor(order, device=a.device), swaps


def _update(a: torch.Tensor, block: torch.Tensor, panel: Panel, right: slice) -> None:
    """Bring the columns to the right of the panel up to date."""
    number = min(block.shape)
    top = a[panel.start : panel.start + number, right]
    top.copy_(
        torch.linalg.solve_triangular(block[:number, :number], top, upper=False, unitriangular=True)
    )
    a[panel.start + number :, right] -= block[number:, :number] @ top
