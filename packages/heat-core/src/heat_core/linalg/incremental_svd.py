"""An SVD that takes more columns.

M. Brand: Fast low-rank modifications of the thin singular value decomposition, Linear Algebra Appl.
415 (2006).
"""

from __future__ import annotations

from typing import Any

from heat_core.linalg.matmul import matmul
from heat_core.linalg.qr import reduced_qr
from heat_core.linalg.stacks import as_matrices
from heat_core.linalg.svd import SVDResult, svd
from heat_core.ops.joining import concatenate

__all__ = ["isvd"]


def isvd(
    new_data: Any, U_old: Any, S_old: Any, Vt_old: Any, maxrank: int | None = None
) -> SVDResult:
    """The SVD of ``[(U_old * S_old) @ Vt_old, new_data]``. Collective if distributed.

    Parameters
    ----------
    new_data : DNDarray, (m, c)
        More columns.
    U_old, S_old, Vt_old : DNDarray, (m, r), (r,), (r, n)
    maxrank : int, optional
        Keep so many singular values at most; default: all, ``min(m, r + c)``.

    Returns
    -------
    (U, S, Vh)
        (m, k), (k,) and (k, n + c). Exact up to what ``maxrank`` cuts off.
    """
    old, new = as_matrices(U_old, "isvd"), as_matrices(new_data, "isvd")
    right = as_matrices(Vt_old, "isvd")
    r = old.shape[1]
    if old.shape[0] != new.shape[0] or right.shape[0] != r or S_old.shape != (r,):
        raise ValueError(
            f"new columns of shape {new.shape} do not fit factors of shapes {old.shape}, "
            f"{S_old.shape} and {right.shape}"
        )
    # [U S Vt, N] = [U, N] diag(S, I) diag(Vt, I), and only the first factor is long.
    q, triangle = reduced_qr(concatenate([old, new], axis=1))
    assert q is not None
    scaled = concatenate([triangle[:, :r] * S_old, triangle[:, r:]], axis=1)
    found = svd(scaled.resplit(None), full_matrices=False)
    assert isinstance(found, SVDResult)
    k = len(found.S) if maxrank is None else min(maxrank, len(found.S))
    turn = found.Vh[:k]
    vh = concatenate([matmul(turn[:, :r], right), turn[:, r:]], axis=1)
    return SVDResult(matmul(q, found.U[:, :k]), found.S[:k], vh)
