"""What can be told of a weight, or of two stages of one: stability, spectra, overlaps."""

from __future__ import annotations

import torch
from torch import Tensor

from lowrank.linalg import polar_factor, thin_svd

__all__ = [
    "core_distance",
    "effective_rank",
    "stability",
    "stable_rank",
    "subspace_overlap",
]


def stability(first: Tensor, second: Tensor) -> float:
    """How little the orthogonal part of a weight has turned: ``tr(E1ᵀ E2) / k``.

    `E` is the polar factor ``U V`` of the weight's 2-D view and ``k = min(m, n)`` (OIALR, section
    3). Directions with a vanishing singular value don't count, and lower the result. It goes to 1
    when the learning rate goes to 0, too: compare weights the same distance of learning apart.

    Parameters
    ----------
    first, second : Tensor, shape (m, n)

    Returns
    -------
    float
        Between -1 and 1.
    """
    return polar_similarity(polar_factor(first), polar_factor(second))


def polar_similarity(first: Tensor, second: Tensor) -> float:
    """`stability` of two polar factors, shape (..., m, n)."""
    directions = first[..., 0, 0].numel() * min(first.shape[-2:])
    return float((first * second).sum()) / directions


def subspace_overlap(first: Tensor, second: Tensor) -> float:
    """Share of one subspace in another, ``||U1ᵀ U2||² / min(r1, r2)``; 1 if one holds the other.

    Parameters
    ----------
    first : Tensor, shape (m, r1)
    second : Tensor, shape (m, r2)
        Orthonormal columns.
    """
    smaller = min(first.shape[1], second.shape[1])
    return float((first.mT @ second).square().sum()) / smaller


def core_distance(first: Tensor, second: Tensor) -> float:
    """Relative distance ``||R1 - R2|| / ||R1||`` of the triangular factors of two weights' QR."""
    upper = [torch.linalg.qr(weight.detach().float(), mode="r")[1] for weight in (first, second)]
    # the signs of the rows are arbitrary
    left, right = (r * torch.sign(torch.diagonal(r)).unsqueeze(-1) for r in upper)
    return float((left - right).norm() / left.norm().clamp_min(1e-30))


def stable_rank(weight: Tensor) -> float:
    """``||W||² / s_max²`` of a weight, shape (m, n); 0 for zeros."""
    s = thin_svd(weight).s
    return float(s.square().sum() / s[0].square()) if s[0] > 0 else 0.0


def effective_rank(weight: Tensor) -> float:
    """The exponential of the entropy of ``s / sum(s)`` (Roy and Vetterli, 2007); 0 for zeros."""
    s = thin_svd(weight).s.double()
    if not s[0] > 0:
        return 0.0
    share = s[s > 0] / s.sum()
    return float(torch.exp(-(share * share.log()).sum()))
