"""Decompositions of the matrices of one rank, by the faster one of two libraries.

In double precision on CPUs the LAPACK of NumPy is up to a third faster than that of torch with
matrices that are nearly square; with others and in single precision it is the other way round.
"""

from __future__ import annotations

import numpy as np
import torch

__all__ = ["eigh", "eigvalsh", "svd", "svdvals"]


def _is_for_numpy(a: torch.Tensor) -> bool:
    is_double = a.dtype in (torch.float64, torch.complex128)
    is_long = max(a.shape[-2:]) > 2 * min(a.shape[-2:])
    return is_double and not is_long and a.device.type == "cpu" and not a.requires_grad


def _array(a: torch.Tensor) -> np.ndarray:
    return a.resolve_conj().resolve_neg().numpy()


def svd(a: torch.Tensor, *, full_matrices: bool) -> tuple[torch.Tensor, ...]:
    """U, S and Vh of matrices, (..., m, n); see ``torch.linalg.svd``."""
    if _is_for_numpy(a):
        return tuple(map(torch.from_numpy, np.linalg.svd(_array(a), full_matrices=full_matrices)))
    return tuple(torch.linalg.svd(a, full_matrices=full_matrices))


def svdvals(a: torch.Tensor) -> torch.Tensor:
    """The singular values of matrices, falling, (..., min(m, n))."""
    if _is_for_numpy(a):
        return torch.from_numpy(np.linalg.svd(_array(a), compute_uv=False))
    result: torch.Tensor = torch.linalg.svdvals(a)
    return result


def eigh(a: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Eigenvalues and vectors of Hermitian matrices, (..., n, n), by their lower triangles."""
    if _is_for_numpy(a):
        return tuple(map(torch.from_numpy, np.linalg.eigh(_array(a))))
    return tuple(torch.linalg.eigh(a))


def eigvalsh(a: torch.Tensor) -> torch.Tensor:
    """The eigenvalues of Hermitian matrices, rising, (..., n)."""
    if _is_for_numpy(a):
        return torch.from_numpy(np.linalg.eigvalsh(_array(a)))
    result: torch.Tensor = torch.linalg.eigvalsh(a)
    return result
