"""QR of tall, well-conditioned matrices by two Cholesky factorisations of the Gram matrix.

Y. Yamamoto, Y. Nakatsukasa, Y. Yanagisawa, T. Fukaya: Roundoff error analysis of the CholeskyQR2
algorithm, Electron. Trans. Numer. Anal. 44 (2015).
"""

from __future__ import annotations

import torch

from heat_core.array.dndarray import DNDarray
from heat_core.memory import empty
from heat_core.samples import products_with_themselves

__all__ = ["cholesky_qr2"]

_BLOCK_ROWS = 2048  # stay in the cache from one step to the next


def cholesky_qr2(x: DNDarray) -> tuple[torch.Tensor, torch.Tensor] | None:
    """The local rows of Q and R; None if the condition is too bad.

    Collective, two allreduces, if distributed. Computed in double precision.

    Parameters
    ----------
    x : DNDarray, (m, n), m >= n
        If distributed, split along rows.
    """

    def total(part: torch.Tensor) -> torch.Tensor:
        return x.comm.allreduce(part, "sum") if x.is_distributed() else part

    wide = torch.complex128 if x.larray.is_complex() else torch.float64
    rows = x.larray.to(wide)
    gram = total(_gram(rows))
    # The same on every rank, and so are the decisions.
    first, failed = torch.linalg.cholesky_ex(gram, upper=True)
    ratio = first.diagonal().abs()
    if int(failed) or not float(ratio.min()) > 1e-7 * float(ratio.max()):
        return None
    q = empty(rows.shape, wide, rows.device)
    blocks = list(zip(rows.split(_BLOCK_ROWS), q.split(_BLOCK_ROWS), strict=True))
    part = torch.zeros_like(gram)
    for block, found in blocks:
        torch.linalg.solve_triangular(first.mT, block.mT, upper=False, out=found.mT)
        part += _gram(found)
    gram = total(part)
    identity = torch.eye(len(gram), dtype=wide, device=gram.device)
    # So near to orthonormal columns, once more makes them so; the diagonal alone may mislead.
    if not float(torch.linalg.matrix_norm(gram - identity)) < 0.5:
        return None
    second = torch.linalg.cholesky(gram, upper=True)
    inverse = torch.linalg.solve_triangular(second, identity, upper=True)
    for _, found in blocks:
        found.copy_(found @ inverse)
    return q.to(x.larray.dtype), torch.triu(second @ first).to(x.larray.dtype)


def _gram(rows: torch.Tensor) -> torch.Tensor:
    """``rows.mH @ rows``."""
    return rows.mH @ rows if rows.is_complex() else products_with_themselves(rows)
