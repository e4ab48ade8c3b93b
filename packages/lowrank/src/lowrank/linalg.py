"""Singular value decompositions, and what is done with them. Pure functions on tensors.

Matrices may come in batches: ``(..., m, n)``.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lowrank.errors import NonFiniteWeightError

__all__ = [
    "SVD",
    "USV",
    "balanced",
    "orthonormality_error",
    "orthonormalized",
    "polar_factor",
    "tail_norm",
    "thin_svd",
]


class SVD(NamedTuple):
    """A thin decomposition ``W = U diag(s) V``.

    Attributes
    ----------
    U : Tensor, shape (..., m, k)
        Orthonormal columns.
    s : Tensor, shape (..., k)
        Singular values, falling.
    V : Tensor, shape (..., k, n)
        Orthonormal rows.
    """

    U: Tensor
    s: Tensor
    V: Tensor

    def truncated(self, rank: int) -> SVD:
        """The leading `rank` singular values and their vectors."""
        return SVD(self.U[..., :rank], self.s[..., :rank], self.V[..., :rank, :])

    def product(self) -> Tensor:
        """``U diag(s) V``, shape (..., m, n)."""
        return (self.U * self.s.unsqueeze(-2)) @ self.V

    def to(self, dtype: torch.dtype) -> SVD:
        """The same in another data type."""
        return SVD(self.U.to(dtype), self.s.to(dtype), self.V.to(dtype))


class USV(NamedTuple):
    """A weight ``U S V``.

    Attributes
    ----------
    U : Tensor, shape (..., m, r)
        Orthonormal columns.
    S : Tensor, shape (..., r, r)
    V : Tensor, shape (..., r, n)
        Orthonormal rows.
    """

    U: Tensor
    S: Tensor
    V: Tensor

    def product(self) -> Tensor:
        """``U S V``, shape (..., m, n)."""
        return self.U @ self.S @ self.V


def thin_svd(matrix: Tensor, name: str = "the matrix") -> SVD:
    """Decompose in float32, or in float64 if the matrix is of that type.

    Raises
    ------
    NonFiniteWeightError
        If an entry is NaN or infinite; the message has `name`.
    """
    wide = matrix.detach()
    wide = wide if wide.dtype == torch.float64 else wide.float()
    if not torch.isfinite(wide).all():
        raise NonFiniteWeightError(f"{name} has NaN or infinite entries: training has diverged")
    # torch's default on CUDA leaves errors of 1e-3 in single precision; this one, of 1e-5
    driver = "gesvd" if wide.is_cuda else None
    return SVD(*torch.linalg.svd(wide, full_matrices=False, driver=driver))


def tail_norm(s: Tensor, rank: int) -> float:
    """Frobenius norm of what is lost by keeping the first `rank` singular values (Eckart-Young)."""
    return float(s[..., rank:].square().sum().sqrt())


def balanced(svd: SVD) -> tuple[Tensor, Tensor]:
    """Two factors of equal weight, ``A = U sqrt(s)`` and ``B = sqrt(s) V``, with ``A B = W``."""
    root = svd.s.clamp_min(0).sqrt()
    return svd.U * root.unsqueeze(-2), root.unsqueeze(-1) * svd.V


def polar_factor(matrix: Tensor) -> Tensor:
    """The orthogonal polar factor ``U V``, without the directions whose singular value is zero."""
    U, s, V = thin_svd(matrix)
    tiny = s[..., :1] * max(matrix.shape[-2:]) * torch.finfo(s.dtype).eps
    return (U * (s > tiny).to(s.dtype).unsqueeze(-2)) @ V


def orthonormality_error(U: Tensor, V: Tensor) -> float:
    """Largest entry of ``UᵀU - I`` and ``VVᵀ - I``."""
    eye = torch.eye(U.shape[-1], dtype=U.dtype, device=U.device)
    left, right = (U.mT @ U - eye).abs().max(), (V @ V.mT - eye).abs().max()
    return float(torch.maximum(left, right))


def orthonormalized(U: Tensor, S: Tensor, V: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Make bases orthonormal again without changing the product ``U S V``."""
    left, upper = torch.linalg.qr(U)
    right, lower = torch.linalg.qr(V.mT)
    return left, upper @ S @ lower.mT, right.mT
