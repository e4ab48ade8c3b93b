"""QR of tall, well-conditioned matrices by two Cholesky factorisations of the Gram matrix.

Y. Yamamoto, Y. Nakatsukasa, Y. Yanagisawa, T. Fukaya: Roundoff error analysis of the CholeskyQR2
algorithm, Electron. Trans. Numer. Anal. 44 (2015).
"""

from __future__ import annotations

import torch

from heat_core.array.dndarray import DNDarray

__all__ = ["cholesky_qr2"]


def cholesky_qr2(x: DNDarray) -> tuple[torch.Tensor, torch.Tensor] | None:
    """The local rows of Q and R; None if the condition is too bad. Collective, two allreduces.

    Gram matrices are summed up in double precision.

    Parameters
    ----------
    x : DNDarray, (m, n), m >= n
        Split along rows.
    """
    wide = torch.complex128 if x.larray.is_complex() else torch.float64
    q, total = x.larray.to(wide), None
    for _ in range(2):
        gram = x.comm.allreduce(q.mH @ q, "sum")
        # The same on every rank, and so is the decision.
        factor, failed = torch.linalg.cholesky_ex(gram, upper=True)
        ratio = factor.diagonal().abs()
        if int(failed) or float(ratio.min()) <= 1e-7 * float(ratio.max()):
            return None
        q = torch.linalg.solve_triangular(factor, q, upper=True, left=False)
        total = factor if total is None else factor @ total
    assert total is not None
    return q.to(x.larray.dtype), total.to(x.larray.dtype)
