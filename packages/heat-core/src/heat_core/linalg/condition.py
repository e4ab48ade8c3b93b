"""Estimates of condition numbers without singular values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heat_core.array.dndarray import DNDarray
from heat_core.linalg.adjoint import adjoint
from heat_core.linalg.matmul import matmul
from heat_core.linalg.qr import reduced_qr
from heat_core.linalg.stacks import as_matrices
from heat_core.linalg.svd import svdvals
from heat_core.linalg.triangular import solve_triangular

if TYPE_CHECKING:
    from heat_core.random import Generator

__all__ = ["condest"]


def condest(
    A: Any,
    p: float | None = None,
    algorithm: str = "randomized",
    params: dict[str, int] | None = None,
    *,
    random_state: int | Generator | None = 0,
) -> DNDarray:
    """An estimate of the condition number in the 2-norm, from below. Collective if distributed.

    Parameters
    ----------
    A : DNDarray, (m, n)
        m >= n, of full rank.
    p : {None, 2}
    algorithm : {"randomized"}
        Subspace iterations with the triangular factor and its inverse.
    params : dict, optional
        ``{"nsamples": 5, "iterations": 5}``: random vectors, and products of each kind.
    random_state : int, Generator or None

    Returns
    -------
    DNDarray, ()
        At most the condition number up to rounding, and usually within a few percent of it.
    """
    matrix = as_matrices(A, "condest")
    if p not in (None, 2) or algorithm != "randomized":
        raise ValueError("condest estimates in the 2-norm, by algorithm 'randomized'")
    if matrix.ndim != 2 or matrix.shape[0] < matrix.shape[1]:
        raise ValueError(f"condest takes one matrix with m >= n, not shape {matrix.shape}")
    given = {"nsamples": 5, "iterations": 5, **(params or {})}
    _, triangle = reduced_qr(matrix, with_q=False)
    turned = adjoint(triangle)
    largest = _largest(
        triangle, given, random_state,
        lambda x: matmul(triangle, x), lambda x: matmul(turned, x),
    )  # fmt: skip
    inverse = _largest(
        triangle, given, random_state,
        lambda x: solve_triangular(triangle, x),
        lambda x: solve_triangular(turned, x, upper=False),
    )  # fmt: skip
    return largest * inverse


def _largest(
    triangle: DNDarray, given: dict[str, int], random_state: Any, forward: Any, back: Any
) -> DNDarray:
    """The largest singular value of an operator, nearly. Collective."""
    from heat_core.random import default_rng

    n = triangle.shape[0]
    real = str(triangle.larray.dtype.to_real()).removeprefix("torch.")
    shape = (n, min(given["nsamples"], n))
    columns = default_rng(random_state).standard_normal(shape, dtype=real, comm=triangle.comm)
    columns = columns.astype(triangle.dtype)
    for _ in range(given["iterations"]):
        basis, _ = reduced_qr(back(forward(columns)))
        assert basis is not None
        columns = basis
    return svdvals(forward(columns))[0]
