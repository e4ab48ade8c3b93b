"""Eigenvalues and eigenvectors."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import replicated, to_layout
from heat_core.indexing.functions import take
from heat_core.layout import replicated_layout
from heat_core.linalg import lapack
from heat_core.linalg.jacobi import jacobi_svd
from heat_core.linalg.matmul import matmul
from heat_core.linalg.stacks import as_square, fits, map_matrices
from heat_core.ops.arithmetic import absolute, multiply
from heat_core.ops.complex_numbers import conj
from heat_core.ops.ranges import eye
from heat_core.ops.reductions import max as max_of
from heat_core.ops.reductions import sum as sum_of
from heat_core.ops.shape import matrix_transpose

__all__ = ["EigResult", "EighResult", "eig", "eigh", "eigvals", "eigvalsh"]


class EigResult(NamedTuple):
    """``x @ eigenvectors = eigenvectors * eigenvalues``, complex."""

    eigenvalues: DNDarray
    eigenvectors: DNDarray


class EighResult(NamedTuple):
    """``x = (eigenvectors * eigenvalues) @ conj(eigenvectors).mT``."""

    eigenvalues: DNDarray
    eigenvectors: DNDarray


def eig(x: Any, /) -> EigResult:
    """Eigenvalues and right eigenvectors of general matrices. Collective if distributed.

    Parameters
    ----------
    x : DNDarray, (..., n, n)
        One distributed matrix is gathered on every rank.

    Returns
    -------
    (eigenvalues, eigenvectors)
        Complex; (..., n) and (..., n, n), where column ``i`` has norm 1 and belongs to value ``i``.
        The order is LAPACK's.
    """
    return EigResult(*map_matrices(_eig, as_square(x, "eig")))


def _eig(local: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return tuple(torch.linalg.eig(local))


def eigvals(x: Any, /) -> DNDarray:
    """The eigenvalues of general matrices, complex, (..., n); see ``eig``. Collective."""
    return map_matrices(torch.linalg.eigvals, as_square(x, "eigvals"))[0]


def eigh(x: Any, /) -> EighResult:
    """Eigenvalues and orthonormal eigenvectors of Hermitian matrices. Collective if distributed.

    Parameters
    ----------
    x : DNDarray, (..., n, n)
        Only the lower triangle is looked at, of a matrix within ``config.replicate_bytes``.

    Returns
    -------
    (eigenvalues, eigenvectors)
        Real and rising, (..., n), replicated for one matrix; (..., n, n) split like ``x``.

    Notes
    -----
    A matrix beyond ``config.replicate_bytes`` is made positive definite by adding a multiple of the
    identity, which leaves its eigenvectors as they are: they are its singular vectors then, found
    by Jacobi rotations of blocks without gathering.
    """
    matrices = as_square(x, "eigh")
    if fits(matrices):
        return EighResult(*map_matrices(lapack.eigh, matrices))
    return _distributed_eigh(matrices)


def _distributed_eigh(x: DNDarray) -> EighResult:
    comm, n = x.comm, x.shape[0]
    # Twice the largest row sum, which no eigenvalue exceeds: the condition becomes at most 3.
    bound = 2 * float(replicated(max_of(sum_of(absolute(x), axis=1))))
    identity = eye(n, dtype=x.dtype, split=x.split, comm=comm)
    shifted = x + multiply(identity, bound if bound > 0 else 1.0)
    _, _, vh = jacobi_svd(shifted)
    falling = matrix_transpose(conj(vh))
    # Rayleigh quotients: the shift would cost digits of small eigenvalues.
    quotients = sum_of(multiply(conj(falling), matmul(x, falling)), axis=0)
    values = replicated(quotients)
    values = values.real if values.is_complex() else values
    order = values.argsort()
    vectors = take(falling, wrap(order, replicated_layout((n,)), comm), axis=1)
    return EighResult(
        wrap(values[order], replicated_layout((n,)), comm),
        to_layout(vectors, vectors.layout.with_split(x.split, comm.size)),
    )


def eigvalsh(x: Any, /) -> DNDarray:
    """The rising eigenvalues of Hermitian matrices, (..., n); see ``eigh``. Collective."""
    matrices = as_square(x, "eigvalsh")
    if fits(matrices):
        return map_matrices(lapack.eigvalsh, matrices)[0]
    return _distributed_eigh(matrices).eigenvalues
