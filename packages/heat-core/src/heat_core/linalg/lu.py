"""LU factorisation with partial pivoting."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import to_layout
from heat_core.layout import replicated_layout
from heat_core.linalg.panels import Panel, panels, received, right_of
from heat_core.linalg.stacks import as_matrices, fits, map_matrices
from heat_core.ops.creation import zeros
from heat_core.ops.diagonals import tril, triu
from heat_core.ops.ranges import eye

__all__ = ["LUFactors", "LUResult", "PackedLU", "distributed_lu", "lu", "lu_factor", "order_of"]


class LUResult(NamedTuple):
    """``x = P @ L @ U``."""

    P: DNDarray
    L: DNDarray
    U: DNDarray


class LUFactors(NamedTuple):
    """What ``lu_solve`` takes: both factors in one array, and the swaps of rows."""

    lu: DNDarray
    piv: DNDarray


class PackedLU(NamedTuple):
    """Both factors of one matrix in one, split along columns.

    ``packed`` has U on and above the diagonal and L, whose diagonal is 1, below. ``pivots``, int64
    on every rank, tells the swaps one after the other: row ``i`` with row ``pivots[i]``.
    """

    packed: DNDarray
    pivots: torch.Tensor

    @property
    def rows(self) -> torch.Tensor:
        """The permutation, (m,): row ``i`` of ``L @ U`` is row ``rows[i]`` of the matrix."""
        return order_of(self.pivots, self.packed.shape[0])

    @property
    def sign(self) -> int:
        """The sign of the permutation."""
        own = torch.arange(len(self.pivots), device=self.pivots.device)
        return -1 if int((self.pivots != own).sum()) % 2 else 1


def order_of(pivots: torch.Tensor, n: int) -> torch.Tensor:
    """Where the rows, (n,), come from when each is swapped with its pivot in turn; pure."""
    order = list(range(n))
    for i, pivot in enumerate(pivots.tolist()):
        order[i], order[pivot] = order[pivot], order[i]
    return torch.tensor(order, dtype=torch.int64, device=pivots.device)


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
    rows = factors.rows
    local[rows[columns], torch.arange(local.shape[1], device=local.device)] = 1
    lower = tril(packed[:, :k], -1) + eye(m, k, dtype=matrices.dtype, split=1, comm=matrices.comm)
    parts = (permutation, lower, triu(packed[:k]))
    return LUResult(*(to_layout(p, p.layout.with_split(split, p.comm.size)) for p in parts))


def lu_factor(x: Any) -> LUFactors:
    """The factors that ``lu_solve`` takes, for many right sides one after the other. Collective.

    Parameters
    ----------
    x : DNDarray, (..., m, n)

    Returns
    -------
    (lu, piv)
        U on and above the diagonal and L, whose diagonal of ones is left out, below, (..., m, n);
        split like ``x``, beyond ``config.replicate_bytes`` along columns. Row ``i`` was swapped
        with row ``piv[i]``, one after the other: int64, (..., k), k = min(m, n), replicated for one
        matrix.

    Notes
    -----
    The algorithm is that of ``lu``. A singular matrix has factors, too; ``lu_solve`` raises.
    """
    matrices = as_matrices(x, "lu_factor")
    if fits(matrices):
        return LUFactors(*map_matrices(_packed, matrices))
    factors = distributed_lu(matrices)
    pivots = wrap(factors.pivots, replicated_layout(tuple(factors.pivots.shape)), x.comm)
    return LUFactors(factors.packed, pivots)


def _packed(local: torch.Tensor) -> tuple[torch.Tensor, ...]:
    packed, pivots, _ = torch.linalg.lu_factor_ex(local)
    return packed, pivots.long() - 1  # LAPACK counts from 1


def distributed_lu(x: DNDarray) -> PackedLU:
    """The packed factors of one matrix, (m, n), of which no rank holds all. Collective."""
    m, n = x.shape
    comm = x.comm
    layout = x.layout.with_split(1, comm.size)
    a = to_layout(x, layout).larray.clone(memory_format=torch.contiguous_format)
    assert layout.counts is not None
    pivots = torch.arange(min(m, n), device=a.device)
    for panel in panels(layout.counts, min(m, n)):
        block, own = _factorised(x, panel, a)
        pivots[panel.start : panel.start + len(own)] = own + panel.start
        moved = a[panel.start :][order_of(own, m - panel.start)]
        if comm.rank == panel.owner:
            moved[:, panel.columns] = block
        a[panel.start :] = moved
        _update(a, block, panel, right_of(panel, layout.offset(comm.rank), a.shape[1]))
    return PackedLU(wrap(a, layout, comm), pivots)


def _factorised(x: DNDarray, panel: Panel, a: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The panel's packed factors, and its pivots from its own first row on. Collective."""
    comm, height = x.comm, x.shape[0] - panel.start
    block = pivots = None
    if comm.rank == panel.owner:
        block, pivots, _ = torch.linalg.lu_factor_ex(a[panel.start :, panel.columns])
    block = received(comm, panel, block, (height, panel.width), a)
    number = min(height, panel.width)
    pivots = received(
        comm, panel, pivots, (number,), torch.empty(0, dtype=torch.int32, device=a.device)
    )
    # LAPACK counts from 1.
    return block, pivots.long() - 1


def _update(a: torch.Tensor, block: torch.Tensor, panel: Panel, right: slice) -> None:
    """Bring the columns to the right of the panel up to date."""
    number = min(block.shape)
    top = a[panel.start : panel.start + number, right]
    top.copy_(
        torch.linalg.solve_triangular(block[:number, :number], top, upper=False, unitriangular=True)
    )
    a[panel.start + number :, right] -= block[number:, :number] @ top
