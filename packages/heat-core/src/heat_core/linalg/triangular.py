"""Triangular systems of equations."""

from __future__ import annotations

from typing import Any

import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import to_layout
from heat_core.linalg.operands import matrix_and_right_side, restored
from heat_core.linalg.panels import Panel, panels, received
from heat_core.linalg.stacks import fits, map_matrices
from heat_core.ops.shape import matrix_transpose

__all__ = ["distributed_triangular_solve", "solve_triangular"]


def solve_triangular(
    A: Any,
    b: Any,
    *,
    upper: bool = True,
    unitriangular: bool = False,
    left: bool = True,
) -> DNDarray:
    """The solution of ``A @ x = b`` with triangular ``A``. Collective if distributed.

    Parameters
    ----------
    A : DNDarray, (..., n, n)
        The other triangle is not looked at.
    b : DNDarray, (n,) or (..., n, k)
    upper : bool
        Which triangle.
    unitriangular : bool
        The diagonal is taken to be 1.
    left : bool
        False: the solution of ``x @ A = b``, for b of (n,) or (..., k, n).

    Returns
    -------
    DNDarray
        Of the shape and split of ``b``.

    Notes
    -----
    For a matrix beyond ``config.replicate_bytes``, its panels of columns are broadcast one after
    the other, and each rank solves for its columns of ``b``.
    """
    if not left:
        turned = solve_triangular(
            matrix_transpose(A),
            b if getattr(b, "ndim", 1) < 2 else matrix_transpose(b),
            upper=not upper,
            unitriangular=unitriangular,
        )
        return turned if turned.ndim < 2 else matrix_transpose(turned)
    matrix, right = matrix_and_right_side(A, b, "solve_triangular")
    if fits(matrix):
        solution = map_matrices(
            lambda a, r: torch.linalg.solve_triangular(
                a, r, upper=upper, unitriangular=unitriangular
            ),
            matrix,
            right,
        )[0]
    else:
        solution = distributed_triangular_solve(matrix, right, upper, unitriangular)
    return restored(solution, right, b)


def distributed_triangular_solve(
    a: DNDarray, b: DNDarray, upper: bool, unitriangular: bool = False
) -> DNDarray:
    """The solution for one matrix, (n, n), of which no rank holds all. Collective.

    Returns
    -------
    DNDarray, (n, k)
        Split along columns; replicated if ``b`` is.
    """
    comm, n = a.comm, a.shape[0]
    columns = to_layout(a, a.layout.with_split(1, comm.size))
    counts = columns.layout.counts
    assert counts is not None
    split = None if b.split is None or b.shape[1] == 1 else 1
    target = b.layout.with_split(split, comm.size)
    x = to_layout(b, target).larray.clone(memory_format=torch.contiguous_format)
    ordered = panels(counts, n)
    for panel in reversed(ordered) if upper else ordered:
        block = _column_block(columns, panel, upper)
        head = slice(panel.start, panel.stop)
        diagonal = block[-panel.width :] if upper else block[: panel.width]
        solved = torch.linalg.solve_triangular(
            diagonal, x[head], upper=upper, unitriangular=unitriangular
        )
        x[head] = solved
        if upper:
            x[: panel.start] -= block[: panel.start] @ solved
        else:
            x[panel.stop :] -= block[panel.width :] @ solved
    return wrap(x, target, comm)


def _column_block(columns: DNDarray, panel: Panel, upper: bool) -> torch.Tensor:
    """The panel's columns as far as they are in the triangle, on every rank. Collective."""
    rows = slice(0, panel.stop) if upper else slice(panel.start, columns.shape[0])
    owned = columns.comm.rank == panel.owner
    block = columns.larray[rows, panel.columns] if owned else None
    shape = (rows.stop - rows.start, panel.width)
    return received(columns.comm, panel, block, shape, columns.larray)
