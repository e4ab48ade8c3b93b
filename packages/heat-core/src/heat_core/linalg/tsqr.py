"""QR of tall matrices that are cut in rows: each rank its own, then one of all small factors.

J. Demmel, L. Grigori, M. Hoemmen, J. Langou: Communication-optimal parallel and sequential QR and
LU factorizations, SIAM J. Sci. Comput. 34 (2012).
"""

from __future__ import annotations

import torch

from heat_core.array.dndarray import DNDarray

__all__ = ["local_qr", "tsqr"]


def local_qr(a: torch.Tensor, mode: str) -> tuple[torch.Tensor, torch.Tensor]:
    """QR of local matrices, (..., m, n), with a real diagonal of R that is not negative.

    With ``mode="r"`` the first factor is empty.
    """
    q, r = torch.linalg.qr(a, mode=mode)
    diagonal = r.diagonal(dim1=-2, dim2=-1)
    phase = torch.sgn(diagonal)
    phase = torch.where(phase == 0, torch.ones_like(phase), phase)
    k = phase.shape[-1]
    r = r.clone()
    r[..., :k, :] *= phase.conj().unsqueeze(-1)
    r = torch.triu(r)  # no negative zeros below the diagonal
    if r.is_complex():
        r.diagonal(dim1=-2, dim2=-1).imag.zero_()
    if mode != "r":
        q = q.clone() if mode == "complete" else q
        q[..., :k] *= phase.unsqueeze(-2)
    return q, r


def tsqr(x: DNDarray, with_q: bool) -> tuple[torch.Tensor | None, torch.Tensor]:
    """The local rows of Q, (m of the rank, n), and R, (n, n). Collective, one small allgather.

    Parameters
    ----------
    x : DNDarray, (m, n), m >= n
        Split along rows; a rank may have less than n rows, or none.
    with_q : bool
    """
    comm, n = x.comm, x.shape[1]
    counts = x.layout.counts
    assert counts is not None
    q, r = local_qr(x.larray, "reduced" if with_q else "r")
    heights = tuple(min(count, n) for count in counts)
    stacked = comm.allgatherv(r.contiguous(), heights)
    second, r = local_qr(stacked, "reduced" if with_q else "r")
    if not with_q:
        return None, r
    start = sum(heights[: comm.rank])
    return q @ second[start : start + heights[comm.rank]], r
