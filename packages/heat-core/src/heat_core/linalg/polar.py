"""The polar decomposition."""

from __future__ import annotations

from typing import Any, NamedTuple

from heat_core.array.dndarray import DNDarray
from heat_core.linalg.adjoint import adjoint
from heat_core.linalg.matmul import matmul
from heat_core.linalg.stacks import as_matrices
from heat_core.linalg.svd import SVDResult, svd
from heat_core.ops.shape import expand_dims

__all__ = ["PolarResult", "polar"]


class PolarResult(NamedTuple):
    """``x = U @ H``; H is None where it was not asked for."""

    U: DNDarray
    H: DNDarray | None


def polar(
    A: Any,
    r: int | None = None,  # noqa: ARG001 - arguments of the original's iteration
    calcH: bool = True,
    condition_estimate: float = 1e16,  # noqa: ARG001
    silent: bool = True,  # noqa: ARG001
    r_max: int = 8,  # noqa: ARG001
) -> PolarResult:
    """Orthonormal columns times a Hermitian positive semidefinite matrix. Collective.

    Parameters
    ----------
    A : DNDarray, (..., m, n)
        m >= n.
    calcH : bool
        Whether H is wanted.
    r, condition_estimate, silent, r_max
        Have no effect: they steer the original's iteration.

    Returns
    -------
    (U, H)
        (..., m, n) and (..., n, n). U is the closest matrix with orthonormal columns.

    Notes
    -----
    By singular values: U is as orthogonal as LAPACK's vectors are, whatever the condition. A matrix
    beyond ``config.replicate_bytes`` is not gathered; see ``svd``.
    """
    matrices = as_matrices(A, "polar")
    if matrices.shape[-2] < matrices.shape[-1]:
        raise ValueError(f"polar needs at least as many rows as columns, not {matrices.shape}")
    found = svd(matrices, full_matrices=False)
    assert isinstance(found, SVDResult)
    u = matmul(found.U, found.Vh)
    if not calcH:
        return PolarResult(u, None)
    return PolarResult(u, matmul(adjoint(found.Vh) * expand_dims(found.S, -2), found.Vh))
