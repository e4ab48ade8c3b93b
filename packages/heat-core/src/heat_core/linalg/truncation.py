"""Matrices of low rank that stand for larger ones; pure."""

from __future__ import annotations

import torch

__all__ = ["compressed", "kept_rank"]


def kept_rank(squares: torch.Tensor, rank: int | None, energy: float, spare: int = 0) -> int:
    """How many singular values are kept.

    Parameters
    ----------
    squares : torch.Tensor, (k,)
        Squared singular values, falling.
    rank : int or None
        No more than these.
    energy : float
        The squares of those that are left out add up to at most this.
    spare : int
        So many more are kept.
    """
    tails = squares.flip(0).cumsum(0)
    needed = len(squares) - int((tails <= energy).sum())
    if rank is not None:
        needed = min(needed, rank)
    return min(max(needed, 1) + spare, len(squares))


def compressed(
    block: torch.Tensor, rank: int | None, energy: float, spare: int
) -> tuple[torch.Tensor, float]:
    """Left singular vectors times singular values, (m, r), and the squares left out.

    Single precision goes by the eigenvalues of the product with itself in double precision, which
    is several times as fast, and exact enough.

    Parameters
    ----------
    block : torch.Tensor, (m, n)
    rank, energy, spare
        As for ``kept_rank``.
    """
    m, n = block.shape
    if min(m, n) == 0:
        return block.new_zeros((m, 0)), 0.0
    if block.dtype in (torch.float64, torch.complex128):
        u, s, _ = torch.linalg.svd(block, full_matrices=False)
        squares = s * s
        r = kept_rank(squares, rank, energy, spare)
        return u[:, :r] * s[:r], float(squares[r:].sum())
    wide = block.to(torch.complex128 if block.is_complex() else torch.float64)
    rows = m <= n
    values, vectors = torch.linalg.eigh(wide @ wide.mH if rows else wide.mH @ wide)
    squares = values.flip(0).clamp_min(0)
    r = kept_rank(squares, rank, energy, spare)
    vectors = vectors.flip(1)[:, :r]
    scaled = vectors * squares[:r].sqrt() if rows else wide @ vectors
    return scaled.to(block.dtype), float(squares[r:].sum())
