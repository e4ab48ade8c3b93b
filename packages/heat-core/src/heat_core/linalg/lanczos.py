"""The Lanczos iteration with full orthogonalisation.

G. H. Golub, C. F. Van Loan: Matrix Computations, 4th ed. (2013), section 10.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from heat_core.array.conversion import convert
from heat_core.array.dndarray import DNDarray, wrap
from heat_core.array.relayout import to_layout
from heat_core.layout import Layout, replicated_layout
from heat_core.linalg.operators import Apply, VectorSpace, applied, operator, operator_type

if TYPE_CHECKING:
    from heat_core.comm import Communicator

__all__ = ["LanczosResult", "lanczos"]


class LanczosResult(NamedTuple):
    """``A @ V ~ V @ T`` with orthonormal V and tridiagonal T."""

    V: DNDarray
    T: DNDarray


def lanczos(
    A: Any,
    m: int,
    v0: DNDarray | None = None,
    V_out: DNDarray | None = None,
    T_out: DNDarray | None = None,
) -> LanczosResult:
    """``m`` steps from a vector: eigenvalues of T approach the extreme ones of A. Collective.

    Parameters
    ----------
    A : DNDarray, (n, n), sparse matrix, or callable
        Hermitian. A callable takes and returns vectors (n,), or columns (n, 1).
    m : int
        1 to n.
    v0 : DNDarray, (n,), optional
        Where it begins; default: random, the same on any number of ranks. Needed for a callable.
    V_out, T_out : DNDarray, optional
        Take the results under their own layouts.

    Returns
    -------
    (V, T)
        (n, m), split along rows if ``A`` is distributed; (m, m), real, replicated.

    Notes
    -----
    A step sends what the product with ``A`` sends, and three allreduces: twice the inner products
    with all vectors before, and the norm. Where an invariant
    subspace is found, a random vector goes on, and T has a zero beside the diagonal.
    """
    apply = operator(A, "lanczos")
    like = A if v0 is None else v0
    n, comm = like.shape[0], like.comm
    if not 1 <= m <= n:
        raise ValueError(f"m={m} steps with {n} rows")
    start = _start(v0, n, comm, operator_type(A, v0))
    image = applied(apply, start)
    space = VectorSpace(n, comm, image.is_distributed() or _is_distributed(A))
    kind = torch.promote_types(start.larray.dtype, image.larray.dtype)
    basis, alpha, beta = _steps(apply, space, space.own(start, kind), m)
    triangle = torch.diag(alpha) + torch.diag(beta, 1) + torch.diag(beta, -1)
    real = kind.to_real() if kind.is_complex else kind
    found = LanczosResult(
        wrap(basis.T.contiguous(), Layout((n, m), space.layout.split, space.layout.counts), comm),
        wrap(triangle.to(basis.device, real), replicated_layout((m, m)), comm),
    )
    for out, part in ((V_out, found.V), (T_out, found.T)):
        if out is not None:
            out.larray.copy_(to_layout(part, out.layout).larray)
    return found


def _is_distributed(A: Any) -> bool:
    return hasattr(A, "is_distributed") and bool(A.is_distributed())


def _start(v0: DNDarray | None, n: int, comm: Communicator, kind: torch.dtype) -> DNDarray:
    if v0 is None:
        return _random(n, comm, 0, kind)
    if v0.shape != (n,):
        raise ValueError(f"a first vector of shape {v0.shape} for {n} rows")
    return wrap(convert(v0.larray, kind), v0.layout, comm)


def _random(n: int, comm: Communicator, seed: int, kind: torch.dtype) -> DNDarray:
    from heat_core.random import default_rng

    drawn = default_rng(seed).standard_normal((n,), dtype="float64", comm=comm)
    return wrap(drawn.larray.to(kind), drawn.layout, comm)


def _steps(
    apply: Apply, space: VectorSpace, vector: torch.Tensor, m: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Orthonormal rows, (m, n of the rank), and the diagonals of T, (m,) and (m - 1,)."""
    basis = vector.new_zeros((m, len(vector)))
    alpha = torch.zeros(m, dtype=torch.float64)
    beta = torch.zeros(m - 1, dtype=torch.float64)
    vector = vector / space.norm(vector)
    scale = 0.0
    for step in range(m):
        basis[step] = vector
        known = basis[: step + 1]
        w = space.own(applied(apply, space.array(vector)), vector.dtype)
        coefficients = space.project_out(known, w)
        coefficients = coefficients + space.project_out(known, w)
        alpha[step] = float(coefficients[step].real)
        if step + 1 == m:
            break
        norm = space.norm(w)
        scale = max(scale, abs(float(alpha[step])), norm)
        if norm > 10 * torch.finfo(vector.dtype).eps * scale:
            beta[step] = norm
        else:  # an invariant subspace: go on in another one
            w = space.own(_random(space.layout.gshape[0], space.comm, step + 1, w.dtype), w.dtype)
            for _ in range(3):
                space.project_out(known, w)
            norm = space.norm(w)
        vector = w / norm
    return basis, alpha, beta
