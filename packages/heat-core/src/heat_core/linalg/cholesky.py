"""Cholesky factorisation."""

from __future__ import annotations

from typing import Any

import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import to_layout
from heat_core.linalg.panels import Panel, panels, received, right_of
from heat_core.linalg.stacks import as_square, fits, lapack_errors, map_matrices
from heat_core.ops.complex_numbers import conj
from heat_core.ops.diagonals import tril
from heat_core.ops.shape import matrix_transpose

__all__ = ["cholesky"]


def cholesky(x: Any, /, *, upper: bool = False) -> DNDarray:
    """The factor of ``x = L @ conj(L).mT``. Collective if distributed.

    Parameters
    ----------
    x : DNDarray, (..., n, n)
        Hermitian and positive definite; one triangle is looked at.
    upper : bool
        The factor of ``x = conj(U).mT @ U``.

    Returns
    -------
    DNDarray, (..., n, n)
        Split like ``x``.

    Raises
    ------
    LinAlgError
        On all ranks, if a matrix is not positive definite.

    Notes
    -----
    A matrix beyond ``config.replicate_bytes`` is factorised as it is distributed, by panels of
    columns: the owner of each broadcasts its rows from the diagonal on, n**2 / 2 numbers in all.
    """
    matrices = as_square(x, "cholesky")
    if fits(matrices):
        return map_matrices(lambda a: torch.linalg.cholesky(a, upper=upper), matrices)[0]
    split = matrices.split
    lower = _distributed(conj(matrix_transpose(matrices)) if upper else matrices)
    factor = conj(matrix_transpose(lower)) if upper else lower
    return to_layout(factor, factor.layout.with_split(split, factor.comm.size))


def _distributed(x: DNDarray) -> DNDarray:
    """The lower factor of one matrix, split along columns. Collective."""
    comm, n = x.comm, x.shape[0]
    layout = x.layout.with_split(1, comm.size)
    a = to_layout(x, layout).larray.clone(memory_format=torch.contiguous_format)
    assert layout.counts is not None
    offset = layout.offset(comm.rank)
    for panel in panels(layout.counts, n):
        block = _factorised(x, panel, a)
        if comm.rank == panel.owner:
            a[panel.start :, panel.columns] = block
        right = right_of(panel, offset, a.shape[1])
        # Rows of L that have the numbers of the columns to the right.
        below = block[panel.width :]
        first = offset + right.start - panel.stop
        partner = below[first : first + right.stop - right.start]
        a[panel.stop :, right] -= below @ partner.mH
    return tril(wrap(a, layout, comm))


def _factorised(x: DNDarray, panel: Panel, a: torch.Tensor) -> torch.Tensor:
    """The panel's columns of L from its first row on. Collective."""
    block = None
    with lapack_errors(x.comm, distributed=True):
        if x.comm.rank == panel.owner:
            block = a[panel.start :, panel.columns].clone()
            top = torch.linalg.cholesky(block[: panel.width])
            block[: panel.width] = top
            # L21 = A21 L11^-H
            block[panel.width :] = torch.linalg.solve_triangular(
                top.mH, block[panel.width :], upper=True, left=False
            )
    return received(x.comm, panel, block, (x.shape[0] - panel.start, panel.width), a)
