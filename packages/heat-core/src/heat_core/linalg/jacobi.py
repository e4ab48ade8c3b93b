"""Singular values of a matrix that no rank can hold, by rotations of pairs of column blocks.

One-sided Jacobi: two blocks at a time are made orthogonal by the right singular vectors of the two
together, until all are. Every rank holds two blocks and works on them; then the blocks move on, so
that each meets each other once in a sweep.

R. P. Brent, F. T. Luk: The solution of singular-value and symmetric eigenvalue problems on
multiprocessor arrays, SIAM J. Sci. Stat. Comput. 6 (1985).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import replicated, to_layout
from heat_core.comm import Communicator
from heat_core.errors import LinAlgError
from heat_core.indexing.functions import take
from heat_core.layout import Layout, replicated_layout
from heat_core.linalg.column_qr import column_qr
from heat_core.ops.complex_numbers import conj
from heat_core.ops.diagonals import diagonal
from heat_core.ops.ranges import eye
from heat_core.ops.shape import transpose

__all__ = ["jacobi_svd"]

MAX_SWEEPS = 30

T = TypeVar("T")


def jacobi_svd(x: DNDarray) -> tuple[DNDarray, DNDarray, DNDarray]:
    """U, S and Vh of one matrix, (m, n) with m >= n, of which no rank holds all. Collective.

    Returns
    -------
    (U, S, Vh)
        U, (m, n), split along columns, or along rows if ``x`` is; S, (n,), replicated; Vh, (n, n),
        split along rows.
    """
    comm, (m, n) = x.comm, x.shape
    layout = x.layout.with_split(1, comm.size)
    blocks = _Blocks(to_layout(x, layout))
    # What a sweep meets is squared by its rotations: below this, nothing is left.
    converged = torch.finfo(x.larray.dtype).eps ** 0.75
    for _ in range(MAX_SWEEPS):
        if blocks.sweep() <= converged:
            break
    rows = blocks.sorted_rows()
    # x @ V is U * S but for rounding: QR makes U orthogonal even for singular values near zero.
    u, r = column_qr(transpose(rows[:, :m]))
    assert u is not None
    s = replicated(diagonal(r)).abs().sort(descending=True).values
    return (
        to_layout(u, u.layout.with_split(x.split, comm.size)),
        wrap(s, replicated_layout((n,)), comm),
        conj(rows[:, m:]),
    )


def moved(tops: Sequence[T], bottoms: Sequence[T]) -> tuple[list[T], list[T]]:
    """What each of two or more ranks holds after a step, of what it held before."""
    last = len(tops) - 1
    new_tops = [tops[0], bottoms[0], *tops[1:last]]
    return new_tops, [*bottoms[1:], tops[last]]


def _in_place_order(right: torch.Tensor) -> torch.Tensor:
    """Singular vectors, (w, w), each in the place of its largest component.

    Sorted by singular values they would exchange columns between the blocks, and some columns would
    never meet.
    """
    strengths = right.abs()
    order = torch.empty(len(right), dtype=torch.int64, device=right.device)
    for row in range(len(right)):
        place = strengths[row].argmax()
        order[place] = row
        strengths[:, place] = -1
    return right[order]


class _Blocks:
    """The two blocks of this rank: as rows, each column of ``x @ V`` followed by that of V."""

    def __init__(self, x: DNDarray) -> None:
        self.comm: Communicator = x.comm
        self.height = x.shape[0]
        counts = x.layout.counts
        assert counts is not None
        identity = eye(x.shape[1], dtype=x.dtype, split=0, comm=x.comm)
        own = to_layout(identity, Layout(identity.shape, 0, counts)).larray
        local = torch.cat((x.larray.T, own), dim=1)
        self.tops = [count // 2 for count in counts]
        self.bottoms = [count - count // 2 for count in counts]
        self.top, self.bottom = local.split((self.tops[x.comm.rank], self.bottoms[x.comm.rank]))
        squares = x.larray.abs().double().square().sum()
        self.scale = math.sqrt(float(self.comm.allreduce(squares, "sum")))
        if not math.isfinite(self.scale):
            raise LinAlgError("the matrix contains NaN, infinite or too large numbers")

    def sweep(self) -> float:
        """All pairs of blocks once. Collective.

        Returns
        -------
        float
            The largest cosine between columns that were met, relative to the norm of the matrix for
            the shorter column: what is below the rounding errors counts as orthogonal.
        """
        largest = 0.0
        for _ in range(2 * self.comm.size - 1):
            largest = max(largest, self._rotate())
            self._move()
        return float(self.comm.allreduce(torch.tensor(largest, dtype=torch.float64), "max"))

    def _rotate(self) -> float:
        pair = torch.cat((self.top, self.bottom))
        if len(pair) == 0 or self.scale == 0:
            return 0.0
        columns = pair[:, : self.height]
        gram = columns @ columns.mH
        norms = gram.diagonal().real.clamp_min(0).sqrt()
        longer = torch.maximum(norms[:, None], norms).clamp_min(torch.finfo(norms.dtype).tiny)
        cosines = gram.abs().fill_diagonal_(0) / (longer * self.scale)
        triangle = torch.linalg.qr(columns.T, mode="r")[1]
        right = _in_place_order(torch.linalg.svd(triangle)[2])
        pair = right.conj() @ pair
        self.top, self.bottom = pair.split((len(self.top), len(self.bottom)))
        return float(cosines.max())

    def _move(self) -> None:
        """Give the blocks to the ranks where they meet others. Collective."""
        rank, size = self.comm.rank, self.comm.size
        self.tops, self.bottoms = moved(self.tops, self.bottoms)
        width = self.top.shape[1]
        top = self.top.new_empty((self.tops[rank], width))
        bottom = self.bottom.new_empty((self.bottoms[rank], width))
        sends, receives = [], []
        if rank == 0:
            top = self.top
            sends.append((1, self.bottom.contiguous()))
        else:
            sends.append((rank - 1, self.bottom.contiguous()))
            receives.append((rank - 1, top))
        if rank == size - 1:
            bottom = self.top
        else:
            receives.append((rank + 1, bottom))
            if rank > 0:
                sends.append((rank + 1, self.top.contiguous()))
        self.comm.exchange(sends, receives)
        self.top, self.bottom = top, bottom

    def sorted_rows(self) -> DNDarray:
        """All rows, (n, m + n), by falling norm of the columns of ``x @ V``. Collective."""
        local = torch.cat((self.top, self.bottom))
        counts = tuple(a + b for a, b in zip(self.tops, self.bottoms, strict=True))
        norms = torch.linalg.vector_norm(local[:, : self.height], dim=1)
        order = self.comm.allgatherv(norms, counts).argsort(descending=True)
        layout = Layout((sum(counts), local.shape[1]), 0, counts)
        rows = wrap(local, layout, self.comm)
        return take(rows, wrap(order, replicated_layout(tuple(order.shape)), self.comm), axis=0)
