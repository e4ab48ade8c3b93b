"""Steps of the rank-adaptive integrator (arXiv 2104.05247, alg. 2). Pure functions on tensors.

A weight ``W = U S V`` follows a flow with right-hand side ``F(W)``, here ``-dL/dW``, in four steps:
K: ``K1 = U S + h F Vᵀ``; L: ``L1 = S V + h Uᵀ F``, both from the same point; wider bases, which
span `U` and `K1`, and `V` and `L1`; S: the core in these bases, from the old weight on; and a cut
of the core's small singular values. Since `U` is kept, the span of ``[U, K1]`` is that of
``[U, F Vᵀ]``, whatever the length h of the step: of K and L only the directions are needed.

Matrices may come in batches: ``(..., m, n)``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lowrank.linalg import USV, thin_svd

__all__ = ["augmented", "core_gradient", "new_directions", "probe", "probed"]


def probe(weight: USV) -> tuple[Tensor, Tensor]:
    """Two factors of a weight whose gradients have those of K and L: ``[U S, U] [V; 0]``.

    Returns
    -------
    A : Tensor, shape (..., m, 2 r)
    B : Tensor, shape (..., 2 r, n)
    """
    U, S, V = weight
    return torch.cat([U @ S, U], dim=-1), torch.cat([V, torch.zeros_like(V)], dim=-2)


def probed(A_gradient: Tensor, B_gradient: Tensor) -> tuple[Tensor, Tensor]:
    """``G Vᵀ`` and ``Uᵀ G`` for the gradient G of the weight, out of those of `probe`'s factors."""
    rank = B_gradient.shape[-2] // 2
    return A_gradient[..., :rank], B_gradient[..., rank:, :]


def new_directions(basis: Tensor, change: Tensor, count: int) -> Tensor:
    """Directions by which a basis must grow to span a change.

    Parameters
    ----------
    basis : Tensor, shape (..., m, r)
        Orthonormal columns.
    change : Tensor, shape (..., m, r)
    count : int
        At most r, and m - r. If it is less than r, the strongest directions are taken.

    Returns
    -------
    Tensor, shape (..., m, count)
        Orthonormal columns, orthogonal to the basis even where the change has not so many.
    """
    rest = change - basis @ (basis.mT @ change)
    if count < rest.shape[-1]:
        rest = thin_svd(rest, "the change of a basis").U[..., :count]
    else:  # a change of any size is as good: only its directions count
        rest = rest / torch.linalg.matrix_norm(rest, keepdim=True).clamp_min(1e-30)
    rank = basis.shape[-1]
    orthonormal: Tensor = torch.linalg.qr(torch.cat([basis, rest], dim=-1)).Q
    return orthonormal[..., rank : rank + count]


def augmented(weight: USV, left: Tensor, right: Tensor) -> USV:
    """The same weight in bases that have become wider by new directions.

    Parameters
    ----------
    weight : USV
    left : Tensor, shape (..., m, q)
        Orthonormal columns, orthogonal to `U`.
    right : Tensor, shape (..., n, q)
        Likewise for the rows of `V`.
    """
    U, S, V = weight
    core = torch.nn.functional.pad(S, (0, left.shape[-1], 0, left.shape[-1]))
    return USV(torch.cat([U, left], dim=-1), core, torch.cat([V, right.mT], dim=-2))


def core_gradient(left: Tensor, right: Tensor, K: Tensor, L: Tensor) -> Tensor:
    """The gradient of a wide core where it is new, as far as ``K = G Vᵀ`` and ``L = Uᵀ G`` tell it.

    Returns
    -------
    Tensor, shape (..., r + q, r + q)
        ``[[0, L right], [leftᵀ K, 0]]``.
    """
    rank, new = K.shape[-1], left.shape[-1]
    gradient = K.new_zeros(*K.shape[:-2], rank + new, rank + new)
    gradient[..., rank:, :rank] = left.mT @ K
    gradient[..., :rank, rank:] = L @ right
    return gradient
