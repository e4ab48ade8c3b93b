"""Systems of equations, inverses and determinants, by LU."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import replicated, to_layout
from heat_core.dispatch.operands import coerce
from heat_core.errors import LinAlgError
from heat_core.layout import replicated_layout
from heat_core.linalg.lu import PackedLU, distributed_lu
from heat_core.linalg.operands import matrix_and_right_side, restored
from heat_core.linalg.stacks import as_square, fits, map_matrices
from heat_core.linalg.triangular import distributed_triangular_solve
from heat_core.ops.complex_numbers import conj
from heat_core.ops.diagonals import diagonal
from heat_core.ops.ranges import eye
from heat_core.ops.shape import expand_dims, matrix_transpose

__all__ = ["SlogdetResult", "det", "inv", "lu_solve", "slogdet", "solve"]


class SlogdetResult(NamedTuple):
    """Sign and logarithm of the magnitude of a determinant."""

    sign: DNDarray
    logabsdet: DNDarray


def solve(a: Any, b: Any, /) -> DNDarray:
    """The solution of ``a @ x = b``. Collective if an operand is distributed.

    Parameters
    ----------
    a : DNDarray, (..., n, n)
    b : DNDarray, (n,) or (..., n, k)

    Returns
    -------
    DNDarray, (..., n) or (..., n, k)
        Split like ``b``; of stacks, along a numbering axis.

    Raises
    ------
    LinAlgError
        On all ranks, if a matrix is singular.

    Notes
    -----
    A matrix beyond ``config.replicate_bytes`` is factorised as it is distributed; see ``lu``.
    """
    matrix, right = matrix_and_right_side(a, b, "solve")
    if fits(matrix):
        solution = map_matrices(torch.linalg.solve, matrix, right)[0]
    else:
        solution = _substituted(_regular(distributed_lu(matrix)), right)
    return restored(solution, right, b)


def lu_solve(lu_and_piv: Sequence[Any], b: Any, trans: int = 0) -> DNDarray:
    """The solution of ``a @ x = b`` from the factors of ``lu_factor(a)``. Collective as ``solve``.

    Parameters
    ----------
    lu_and_piv : (DNDarray, DNDarray), (..., n, n) and (..., n)
    b : DNDarray, (n,) or (..., n, k)
    trans : {0, 1, 2}
        1: of ``a.mT @ x = b``; 2: of ``conj(a).mT @ x = b``.

    Returns
    -------
    DNDarray, (..., n) or (..., n, k)
        Split like ``b``; of stacks, along a numbering axis.

    Raises
    ------
    LinAlgError
        On all ranks, if a matrix is singular.

    Examples
    --------
    >>> import heat_core as ht
    >>> factors = ht.linalg.lu_factor(ht.array([[0.0, 2.0], [4.0, 0.0]], split=0))
    >>> ht.linalg.lu_solve(factors, ht.array([2.0, 4.0])).tolist()
    [1.0, 1.0]
    """
    if trans not in (0, 1, 2):
        raise ValueError(f"trans is 0, 1 or 2, not {trans!r}")
    if isinstance(lu_and_piv, DNDarray) or len(lu_and_piv) != 2:
        raise TypeError("lu_solve takes the pair that lu_factor returns, and right sides")
    packed, pivots = lu_and_piv
    matrix, right = matrix_and_right_side(packed, b, "lu_solve")
    swaps = coerce(pivots, matrix.comm)
    if not isinstance(swaps, DNDarray) or swaps.shape != matrix.shape[:-1]:
        shape = getattr(swaps, "shape", ())
        raise ValueError(f"lu_solve: pivots of shape {shape} for factors of shape {matrix.shape}")
    if fits(matrix):
        kernel = partial(_solved_from_factors, trans=trans)
        solution = map_matrices(kernel, matrix, expand_dims(swaps, -1), right)[0]
    else:
        factors = _regular(PackedLU(matrix, replicated(swaps)))
        if trans:
            conjugate = trans == 2 and matrix.larray.is_complex()
            solution = _substituted_transposed(factors, right, conjugate)
        else:
            solution = _substituted(factors, right)
    return restored(solution, right, b)


def _solved_from_factors(
    packed: torch.Tensor, pivots: torch.Tensor, right: torch.Tensor, trans: int
) -> torch.Tensor:
    if bool((packed.diagonal(dim1=-2, dim2=-1) == 0).any()):
        raise torch.linalg.LinAlgError("the matrix is singular")  # type: ignore[attr-defined]
    # LAPACK counts from 1.
    swaps = (pivots[..., 0] + 1).int()
    given = right.conj() if trans == 1 else right
    found: torch.Tensor = torch.linalg.lu_solve(packed, swaps, given, adjoint=trans > 0)
    return found.conj().resolve_conj() if trans == 1 else found


def _diagonal(factors: PackedLU) -> torch.Tensor:
    """The diagonal of U on every rank. Collective."""
    return replicated(diagonal(factors.packed))


def _regular(factors: PackedLU) -> PackedLU:
    if bool((_diagonal(factors) == 0).any()):
        raise LinAlgError("the matrix is singular")
    return factors


def _substituted(factors: PackedLU, right: DNDarray) -> DNDarray:
    """The solution from the factors: L @ U @ x = P.T @ b. Collective."""
    split = None if right.split is None or right.shape[1] == 1 else 1
    columns = to_layout(right, right.layout.with_split(split, right.comm.size))
    permuted = wrap(columns.larray[factors.rows], columns.layout, columns.comm)
    lower = distributed_triangular_solve(factors.packed, permuted, upper=False, unitriangular=True)
    return distributed_triangular_solve(factors.packed, lower, upper=True)


def _substituted_transposed(factors: PackedLU, right: DNDarray, conjugate: bool) -> DNDarray:
    """The solution with the matrix transposed: U.T @ L.T @ P.T @ x = b. Collective."""
    turned = matrix_transpose(conj(factors.packed) if conjugate else factors.packed)
    upper = distributed_triangular_solve(turned, right, upper=False)
    lower = distributed_triangular_solve(turned, upper, upper=True, unitriangular=True)
    back = factors.rows.argsort()
    return wrap(lower.larray[back], lower.layout, lower.comm)


def inv(x: Any, /) -> DNDarray:
    """The inverse. Collective if distributed.

    Parameters
    ----------
    x : DNDarray, (..., n, n)

    Returns
    -------
    DNDarray, (..., n, n)
        Split like ``x``.

    Raises
    ------
    LinAlgError
        On all ranks, if a matrix is singular.
    """
    matrices = as_square(x, "inv")
    if fits(matrices):
        return map_matrices(torch.linalg.inv, matrices)[0]
    identity = eye(matrices.shape[-1], dtype=matrices.dtype, split=1, comm=matrices.comm)
    inverse = _substituted(_regular(distributed_lu(matrices)), identity)
    return to_layout(inverse, inverse.layout.with_split(matrices.split, inverse.comm.size))


def slogdet(x: Any, /) -> SlogdetResult:
    """Sign and logarithm of the magnitude of the determinant. Collective if distributed.

    Parameters
    ----------
    x : DNDarray, (..., n, n)

    Returns
    -------
    (sign, logabsdet)
        Both (...); the sign of a complex determinant is a number of magnitude 1. Of a singular
        matrix 0 and -inf.
    """
    matrices = as_square(x, "slogdet")
    if fits(matrices):
        return SlogdetResult(*map_matrices(_slogdet, matrices))
    factors = distributed_lu(matrices)
    pivots = _diagonal(factors)
    sign = torch.sgn(pivots).prod() * factors.sign
    logabsdet = pivots.abs().log().sum()
    layout = replicated_layout(())
    return SlogdetResult(*(wrap(part, layout, matrices.comm) for part in (sign, logabsdet)))


def _slogdet(local: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return tuple(torch.linalg.slogdet(local))


def det(x: Any, /) -> DNDarray:
    """The determinant. Collective if distributed.

    Parameters
    ----------
    x : DNDarray, (..., n, n)

    Returns
    -------
    DNDarray, (...)
    """
    matrices = as_square(x, "det")
    if fits(matrices):
        return map_matrices(torch.linalg.det, matrices)[0]
    factors = distributed_lu(matrices)
    result = _diagonal(factors).prod() * factors.sign
    return wrap(result, replicated_layout(()), matrices.comm)
