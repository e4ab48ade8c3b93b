"""Householder QR of a matrix that is cut in columns, by panels."""

from __future__ import annotations

import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import replicated, to_layout
from heat_core.linalg.panels import Panel, panels, received, right_of
from heat_core.ops.diagonals import diagonal as diagonal_of
from heat_core.ops.diagonals import triu
from heat_core.ops.ranges import eye

__all__ = ["column_qr"]


def column_qr(x: DNDarray, with_q: bool = True) -> tuple[DNDarray | None, DNDarray]:
    """The reduced factors of one matrix, (m, n), of which no rank holds all. Collective.

    Orthogonal to machine precision whatever the condition (Golub and Van Loan, Matrix Computations,
    section "Block Householder QR").

    Returns
    -------
    (Q, R)
        Split along columns; the diagonal of R is real and not negative.
    """
    comm, (m, n) = x.comm, x.shape
    k = min(m, n)
    layout = x.layout.with_split(1, comm.size)
    a = to_layout(x, layout).larray.clone(memory_format=torch.contiguous_format)
    assert layout.counts is not None
    marched = panels(layout.counts, k)
    taus = []
    for panel in marched:
        factored = scales = None
        if comm.rank == panel.owner:
            factored, scales = torch.geqrf(a[panel.start :, panel.columns])
            a[panel.start :, panel.columns] = factored
        reflectors, tau = _shared(x, panel, factored, scales, a)
        taus.append(tau)
        right = right_of(panel, layout.offset(comm.rank), a.shape[1])
        if right.start < right.stop:
            a[panel.start :, right] = torch.ormqr(
                reflectors, tau, a[panel.start :, right], left=True, transpose=True
            )
    r = triu(wrap(a, layout, comm)[:k])
    diagonal = replicated(diagonal_of(r))
    phase = torch.where(diagonal == 0, torch.ones_like(diagonal), torch.sgn(diagonal))
    scaled = r.larray * phase.conj().unsqueeze(1)
    if with_q:
        q = _orthogonal(x, a, marched, taus)
        columns = q.larray * phase[q.layout.slices(comm.rank)[1]]
        return wrap(columns, q.layout, comm), triu(wrap(scaled, r.layout, comm))
    return None, triu(wrap(scaled, r.layout, comm))


def _shared(
    x: DNDarray,
    panel: Panel,
    factored: torch.Tensor | None,
    scales: torch.Tensor | None,
    like: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The owner's reflectors, as many as the panel has rows or columns. Collective."""
    height = x.shape[0] - panel.start
    number = min(height, panel.width)
    if factored is not None:
        factored = factored[:, :number]
    reflectors = received(x.comm, panel, factored, (height, number), like)
    return reflectors, received(x.comm, panel, scales, (number,), like)


def _orthogonal(
    x: DNDarray, a: torch.Tensor, marched: list[Panel], taus: list[torch.Tensor]
) -> DNDarray:
    """The first columns of the product of all reflections, split along columns. Collective."""
    comm, (m, n) = x.comm, x.shape
    q = eye(m, min(m, n), dtype=x.dtype, split=1, comm=comm)
    local, offset = q.larray, q.layout.offset(comm.rank)
    for panel, tau in zip(reversed(marched), reversed(taus), strict=True):
        factored = a[panel.start :, panel.columns] if comm.rank == panel.owner else None
        number = min(m - panel.start, panel.width)
        if factored is not None:
            factored = factored[:, :number]
        reflectors = received(comm, panel, factored, (m - panel.start, number), local)
        # Columns before the panel are still those of the identity, zero from its rows on.
        later = slice(min(max(panel.start - offset, 0), local.shape[1]), local.shape[1])
        if later.start < later.stop:
            local[panel.start :, later] = torch.ormqr(
                reflectors, tau, local[panel.start :, later], left=True, transpose=False
            )
    return q
