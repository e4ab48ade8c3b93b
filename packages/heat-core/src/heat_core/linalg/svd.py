"""Singular value decomposition."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import to_layout
from heat_core.layout import replicated_layout
from heat_core.linalg import lapack
from heat_core.linalg.adjoint import adjoint
from heat_core.linalg.jacobi import jacobi_svd
from heat_core.linalg.matmul import matmul
from heat_core.linalg.qr import is_tall, reduced_qr
from heat_core.linalg.stacks import as_matrices, fits, map_matrices

__all__ = ["SVDResult", "svd", "svdvals"]


class SVDResult(NamedTuple):
    """``x = (U * S) @ Vh``."""

    U: DNDarray
    S: DNDarray
    Vh: DNDarray


def svd(x: Any, /, full_matrices: bool = True, compute_uv: bool = True) -> SVDResult | DNDarray:
    """Singular values and vectors, ``x = (U * S) @ Vh``. Collective if distributed.

    Parameters
    ----------
    x : DNDarray, (..., m, n)
    full_matrices : bool
        U of shape (..., m, m) and Vh of (..., n, n), as in NumPy; one distributed matrix is then
        gathered on every rank. False: (..., m, k) and (..., k, n), k = min(m, n).
    compute_uv : bool
        False: only the singular values, as ``svdvals``.

    Returns
    -------
    (U, S, Vh)
        S, (..., k), falls, and is replicated for one matrix. For one distributed matrix, U is split
        like ``x`` if it is split along rows, Vh if it is split along columns; the other one may be
        replicated.

    Notes
    -----
    Tall matrices by TSQR (one allgather of n**2 numbers of each rank) and the singular values of R,
    wide ones transposed; others on every rank
    up to ``config.replicate_bytes``, and beyond by one-sided Jacobi rotations of blocks of columns,
    without gathering.
    """
    matrices = as_matrices(x, "svd")
    if not compute_uv:
        return svdvals(matrices)
    if full_matrices:
        return SVDResult(*map_matrices(_full, matrices))
    if is_tall(matrices):
        return _of_tall(matrices)
    if is_tall(adjoint(matrices)):
        return _adjoint_of(_of_tall(adjoint(matrices)))
    if fits(matrices):
        return SVDResult(*map_matrices(_reduced, matrices))
    m, n = matrices.shape
    if m < n:
        return _adjoint_of(SVDResult(*jacobi_svd(adjoint(matrices))))
    return SVDResult(*jacobi_svd(matrices))


def _full(local: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return lapack.svd(local, full_matrices=True)


def _reduced(local: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return lapack.svd(local, full_matrices=False)


def _adjoint_of(result: SVDResult) -> SVDResult:
    return SVDResult(adjoint(result.Vh), result.S, adjoint(result.U))


def _of_tall(x: DNDarray) -> SVDResult:
    """By the small factor of QR, which every rank has."""
    q, r = reduced_qr(x)
    assert q is not None
    parts = [wrap(p, replicated_layout(tuple(p.shape)), x.comm) for p in _reduced(r.larray)]
    u = matmul(q, parts[0])
    return SVDResult(to_layout(u, u.layout.with_split(x.split, x.comm.size)), parts[1], parts[2])


def svdvals(x: Any, /) -> DNDarray:
    """The singular values, falling. Collective if distributed.

    Parameters
    ----------
    x : DNDarray, (..., m, n)

    Returns
    -------
    DNDarray, (..., min(m, n))
        Replicated for one matrix.
    """
    matrices = as_matrices(x, "svdvals")
    for turned in (matrices, adjoint(matrices)):
        if is_tall(turned):
            _, matrices = reduced_qr(turned, with_q=False)
    if fits(matrices):
        return map_matrices(lapack.svdvals, matrices)[0]
    result = svd(matrices, full_matrices=False)
    assert isinstance(result, SVDResult)
    return result.S
