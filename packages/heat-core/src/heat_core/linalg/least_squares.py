"""Least squares and pseudo-inverses, by singular values."""

from __future__ import annotations

from typing import Any, NamedTuple

from heat_core.array.dndarray import DNDarray
from heat_core.indexing.functions import count_nonzero, where
from heat_core.linalg.adjoint import adjoint
from heat_core.linalg.matmul import matmul
from heat_core.linalg.operands import matrix_and_right_side
from heat_core.linalg.stacks import as_matrices
from heat_core.linalg.svd import SVDResult, svd
from heat_core.linalg.tolerance import relative_tolerance
from heat_core.ops.arithmetic import absolute, square
from heat_core.ops.reductions import max as max_of
from heat_core.ops.reductions import sum as sum_of
from heat_core.ops.shape import expand_dims, squeeze

__all__ = ["LstsqResult", "lstsq", "pinv"]


class LstsqResult(NamedTuple):
    """The solution, the sums of squared residuals, the rank and the singular values."""

    x: DNDarray
    residuals: DNDarray
    rank: DNDarray
    s: DNDarray


def _decomposed(x: DNDarray, rtol: Any) -> tuple[SVDResult, DNDarray]:
    """The factors, and the inverses of the singular values that count, 0 for the others."""
    factors = svd(x, full_matrices=False)
    assert isinstance(factors, SVDResult)
    s = factors.S
    if s.shape[-1] == 0:
        return factors, s
    counts = s > max_of(s, axis=-1, keepdims=True) * relative_tolerance(x, rtol)
    return factors, where(counts, 1 / where(counts, s, 1), 0)


def pinv(x: Any, /, *, rtol: Any = None) -> DNDarray:
    """The Moore-Penrose pseudo-inverse. Collective if distributed.

    Parameters
    ----------
    x : DNDarray, (..., m, n)
    rtol : float or array_like, (...), optional
        Singular values below ``rtol`` times the largest count as 0. Default: ``max(m, n)`` times
        the machine epsilon.

    Returns
    -------
    DNDarray, (..., n, m)
    """
    matrices = as_matrices(x, "pinv")
    factors, inverses = _decomposed(matrices, rtol)
    scaled = adjoint(factors.Vh) * expand_dims(inverses, -2)
    return matmul(scaled, adjoint(factors.U))


def lstsq(a: Any, b: Any, rcond: float | None = None) -> LstsqResult:
    """The ``x`` that minimises ``norm(b - a @ x)``, the shortest if there are several. Collective.

    Parameters
    ----------
    a : DNDarray, (m, n)
    b : DNDarray, (m,) or (m, k)
    rcond : float, optional
        Singular values below ``rcond`` times the largest count as 0. Default: ``max(m, n)`` times
        the machine epsilon.

    Returns
    -------
    (x, residuals, rank, s)
        The solution, (n,) or (n, k); the sum of squared residuals, () or (k,), also where NumPy
        leaves it empty; the number and the values of singular values, 0-d and (min(m, n),).
    """
    matrix, right = matrix_and_right_side(a, b, "lstsq", square=False)
    if matrix.ndim != 2 or right.ndim != 2:
        raise ValueError(f"lstsq takes one matrix, not shapes {matrix.shape} and {right.shape}")
    factors, inverses = _decomposed(matrix, rcond)
    coordinates = matmul(adjoint(factors.U), right) * expand_dims(inverses, 1)
    solution = matmul(adjoint(factors.Vh), coordinates)
    residuals = sum_of(square(absolute(right - matmul(matrix, solution))), axis=0)
    if getattr(b, "ndim", 1) == 1:
        solution, residuals = squeeze(solution, 1), squeeze(residuals, 0)
    return LstsqResult(solution, residuals, count_nonzero(inverses), factors.S)
