"""Few extreme eigenvalues of a large Hermitian matrix.

A. V. Knyazev: Toward the optimal preconditioned eigensolver, SIAM J. Sci. Comput. 23 (2001); with
the orthonormal basis of U. Hetmaniuk, R. Lehoucq, J. Comput. Physics 218 (2006).
"""

from __future__ import annotations

import logging
import math
from typing import Any

import torch

from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import to_layout
from heat_core.layout import canonical_layout, replicated_layout
from heat_core.linalg.eigen import EighResult
from heat_core.linalg.operators import operator, operator_type

__all__ = ["lobpcg"]

logger = logging.getLogger(__name__)


def lobpcg(
    A: Any,
    X: DNDarray,
    *,
    M: Any = None,
    largest: bool = True,
    tol: float | None = None,
    maxiter: int = 200,
) -> EighResult:
    """The largest or smallest eigenvalues, and their vectors, from a first guess. Collective.

    Parameters
    ----------
    A : DNDarray, (n, n), sparse matrix, or callable
        Hermitian; a callable takes and returns columns, (n, j).
    X : DNDarray, (n, k)
        First vectors, random ones do; ``3 k <= n``.
    M : as ``A``, optional
        Approximate inverse of ``A``, the preconditioner.
    largest : bool
    tol : float, optional
        It stops when all ``|A x - w x|`` are below ``tol`` times the largest magnitude of a Ritz
        value. Default: the square root of the machine epsilon.
    maxiter : int
        A warning is logged if they are not enough.

    Returns
    -------
    (eigenvalues, eigenvectors)
        (k,), falling if ``largest``, else rising; (n, k), split along rows if ``X`` or ``A`` is.

    Notes
    -----
    An iteration multiplies k columns with ``A``, and sends six allreduces of up to ``9 k**2``
    numbers.
    """
    n, k = X.shape
    if not k >= 1 or 3 * k > n:
        raise ValueError(f"lobpcg finds at most a third of {n} eigenvalues, not {k}")
    iteration = _Iteration(A, X, M, largest)
    eps = torch.finfo(iteration.kind).eps
    limit = eps**0.5 if tol is None else tol
    for _ in range(maxiter):
        if iteration.residual() <= limit:
            break
        iteration.step()
    else:
        logger.warning("lobpcg did not reach its tolerance in %d iterations", maxiter)
    values = wrap(iteration.values, replicated_layout((k,)), X.comm)
    vectors = iteration.array(iteration.x)
    return EighResult(values, wrap(vectors.larray.contiguous(), vectors.layout, X.comm))


class _Iteration:
    """Orthonormal columns X and P of this rank, their products with A, and the Ritz values.

    Columns are stored as rows, (k, n of the rank), with which products of few columns are faster.
    """

    def __init__(self, A: Any, X: DNDarray, preconditioner: Any, largest: bool) -> None:
        self.apply = operator(A, "lobpcg")
        self.inverse = None if preconditioner is None else operator(preconditioner, "lobpcg")
        self.kind, self.comm, self.largest = operator_type(A, X), X.comm, largest
        distributed = X.is_distributed() or (
            hasattr(A, "is_distributed") and bool(A.is_distributed())
        )
        self.distributed = distributed and X.comm.size > 1
        split = 0 if self.distributed else None
        self.rows = canonical_layout((X.shape[0],), split, X.comm.size)
        local = to_layout(X, self._layout(X.shape[1])).larray.to(self.kind).T.contiguous()
        self.x = self._orthonormal(self._orthonormal(local))
        self.p, self.scale = self.x[:0], 0.0
        self.ax, self.ap = self.times(self.x), self.p
        self._rotate(self.x, self.ax, len(self.x))

    def _layout(self, width: int) -> Any:
        return canonical_layout((self.rows.gshape[0], width), self.rows.split, self.comm.size)

    def array(self, columns: torch.Tensor) -> DNDarray:
        return wrap(columns.T, self._layout(len(columns)), self.comm)

    def times(self, columns: torch.Tensor, inverse: bool = False) -> torch.Tensor:
        apply = self.inverse if inverse else self.apply
        if apply is None or len(columns) == 0:
            return columns
        product = apply(self.array(columns))
        local = to_layout(product, self._layout(product.shape[1])).larray
        return local.to(self.kind).T.contiguous()

    def _products(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """The inner products of the columns of a with those of b."""
        part = a.conj() @ b.T
        result: torch.Tensor = self.comm.allreduce(part) if self.distributed else part
        return result

    def _orthonormal(self, w: torch.Tensor) -> torch.Tensor:
        """Columns of the same range, by the eigenvalues of their products; once more is exact."""
        if len(w) == 0:
            return w
        values, vectors = torch.linalg.eigh(self._products(w, w))
        kept = values > values[-1] * torch.finfo(self.kind).eps * len(values)
        result: torch.Tensor = (vectors[:, kept] / values[kept].sqrt()).T @ w
        return result

    def _rotate(self, basis: torch.Tensor, image: torch.Tensor, k: int) -> None:
        """Ritz vectors of an orthonormal basis, and the direction in which they moved."""
        small = self._products(basis, image)
        values, vectors = torch.linalg.eigh((small + small.mH) / 2)
        if self.largest:
            values, vectors = values.flip(0), vectors.flip(1)
        chosen = vectors[:, :k]
        direction = chosen.clone()
        direction[: len(self.x)] = 0
        for _ in range(2):
            direction = direction - chosen @ (chosen.mH @ direction)
            u, s, _ = torch.linalg.svd(direction, full_matrices=False)
            direction = u[:, s > 1e-8 * s.sum().clamp_min(1e-30)]
        # The norm of A, nearly: all residuals are measured by it.
        self.scale = max(self.scale, float(values.abs().max()))
        self.values = values[:k]
        turn = torch.cat((chosen, direction), 1).T
        moved, moved_image = turn @ basis, turn @ image
        self.x, self.p = moved[:k], moved[k:]
        self.ax, self.ap = moved_image[:k], moved_image[k:]

    def residual(self) -> float:
        """The largest norm of ``A x - w x``, relative to that of A."""
        self.r = self.ax - self.x * self.values.to(self.kind).unsqueeze(1)
        squares = self.r.abs().double().square().sum(1)
        if self.distributed:
            self.comm.allreduce(squares, out=squares)
        return math.sqrt(float(squares.max())) / max(self.scale, 1e-300)

    def step(self) -> None:
        w = self.times(self.r, inverse=True)
        known = torch.cat((self.x, self.p))
        for _ in range(2):
            w = w - self._products(known, w).T @ known
            w = self._orthonormal(w)
        basis = torch.cat((known, w))
        image = torch.cat((self.ax, self.ap, self.times(w)))
        self._rotate(basis, image, len(self.x))
