"""Few singular values or eigenvalues of large matrices, by random projections.

N. Halko, P. G. Martinsson, J. A. Tropp: Finding structure with randomness, SIAM Review 53 (2011).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from heat_core.array.dndarray import DNDarray
from heat_core.linalg.adjoint import adjoint
from heat_core.linalg.eigen import EighResult, eigh
from heat_core.linalg.matmul import matmul
from heat_core.linalg.qr import reduced_qr
from heat_core.linalg.stacks import as_matrices, as_square
from heat_core.linalg.svd import SVDResult, svd
from heat_core.ops.arithmetic import absolute
from heat_core.ops.sorting import argsort
from heat_core.parameters import check_parameters, whole

if TYPE_CHECKING:
    from heat_core.random import Generator

__all__ = ["dominant_eigenpairs", "reigh", "rsvd"]


def rsvd(
    A: Any,
    svd_rank: int,
    n_oversamples: int = 10,
    power_iter: int = 0,
    qr_procs_to_merge: int = 2,  # noqa: ARG001 - an argument that callers of the original pass
    *,
    random_state: int | Generator | None = None,
) -> SVDResult:
    """The largest singular values and their vectors, ``A ~ (U * S) @ Vh``. Collective.

    Parameters
    ----------
    A : DNDarray, (m, n)
    svd_rank : int
        How many.
    n_oversamples : int
        Additional random directions.
    power_iter : int
        Products with ``A @ A^H`` that favour the large singular values. One or two are enough where
        the singular values fall slowly.
    qr_procs_to_merge : int
        Has no effect.
    random_state : int, Generator or None
        The directions, and so the result, are the same on any number of ranks.

    Returns
    -------
    (U, S, Vh)
        (m, k), (k,) and (k, n) with k = ``min(svd_rank, m, n)``; U is split like ``A`` if that is
        split along rows, Vh if it is split along columns.

    Notes
    -----
    Halko et al., algorithms 4.4 and 5.1. ``A`` is read ``2 + 2 * power_iter`` times.
    """
    matrix = _one_matrix(A, "rsvd", svd_rank, n_oversamples, power_iter)
    directions = min(svd_rank + n_oversamples, *matrix.shape)
    basis = _range_of(matrix, directions, power_iter, random_state)
    found = svd(matmul(adjoint(basis), matrix), full_matrices=False)
    assert isinstance(found, SVDResult)
    k = min(svd_rank, directions)
    return SVDResult(matmul(basis, found.U[:, :k]), found.S[:k], found.Vh[:k])


def reigh(
    A: Any,
    n_eigenvalues: int,
    n_oversamples: int = 10,
    power_iter: int = 0,
    qr_procs_to_merge: int = 2,  # noqa: ARG001 - an argument that callers of the original pass
    *,
    random_state: int | Generator | None = None,
) -> EighResult:
    """The eigenvalues of largest magnitude of a Hermitian matrix, and their vectors. Collective.

    Parameters
    ----------
    A : DNDarray, (n, n)
    n_eigenvalues : int
    n_oversamples, power_iter, qr_procs_to_merge, random_state
        As of ``rsvd``; a power is one product with ``A``.

    Returns
    -------
    (eigenvalues, eigenvectors)
        By falling magnitude, (k,), and (n, k) with orthonormal columns.
    """
    matrix = _one_matrix(as_square(A, "reigh"), "reigh", n_eigenvalues, n_oversamples, power_iter)
    directions = min(n_eigenvalues + n_oversamples, matrix.shape[0])
    start = _random_columns(matrix, directions, random_state)
    values, vectors = dominant_eigenpairs(partial(matmul, matrix), start, power_iter)
    return EighResult(values[:n_eigenvalues], vectors[:, :n_eigenvalues])


def dominant_eigenpairs(
    apply: Callable[[DNDarray], DNDarray], start: DNDarray, power_iter: int
) -> EighResult:
    """Eigenvalues of largest magnitude of a Hermitian operator, from random columns. Collective.

    Parameters
    ----------
    apply : callable
        The product of the operator with (n, k).
    start : DNDarray, (n, k)
    power_iter : int

    Returns
    -------
    (eigenvalues, eigenvectors)
        (k,) by falling magnitude, and (n, k).
    """
    basis = _orthonormal(apply(start))
    for _ in range(power_iter):
        basis = _orthonormal(apply(basis))
    found = eigh(matmul(adjoint(basis), apply(basis), out_split=None))
    order = argsort(absolute(found.eigenvalues), descending=True)
    return EighResult(found.eigenvalues[order], matmul(basis, found.eigenvectors[:, order]))


def _one_matrix(x: Any, name: str, rank: int, n_oversamples: int, power_iter: int) -> DNDarray:
    matrix = as_matrices(x, name)
    if matrix.ndim != 2:
        raise ValueError(f"{name} takes one matrix, not shape {matrix.shape}")
    given = {"rank": rank, "n_oversamples": n_oversamples, "power_iter": power_iter}
    least = {"rank": whole(1), "n_oversamples": whole(0), "power_iter": whole(0)}
    check_parameters(given, least)
    return matrix


def _random_columns(
    matrix: DNDarray, directions: int, random_state: int | Generator | None
) -> DNDarray:
    """Normal numbers, (n, directions), replicated: all ranks draw the same, nothing is sent."""
    from heat_core.random import default_rng

    dtype = str(matrix.larray.dtype.to_real()).removeprefix("torch.")
    shape = (matrix.shape[1], directions)
    rng = default_rng(random_state)
    columns: DNDarray = rng.standard_normal(shape, dtype=dtype, comm=matrix.comm)
    return columns


def _range_of(
    matrix: DNDarray, directions: int, power_iter: int, random_state: int | Generator | None
) -> DNDarray:
    """Orthonormal columns, (m, directions), that nearly span the range. Collective."""
    basis = _orthonormal(matmul(matrix, _random_columns(matrix, directions, random_state)))
    for _ in range(power_iter):
        # Orthonormal after each product: the small singular values would drown otherwise.
        basis = _orthonormal(matmul(adjoint(matrix), basis))
        basis = _orthonormal(matmul(matrix, basis))
    return basis


def _orthonormal(x: DNDarray) -> DNDarray:
    q, _ = reduced_qr(x)
    assert q is not None
    return q
