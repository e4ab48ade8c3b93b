"""The conjugate transpose."""

from __future__ import annotations

from heat_core.array.dndarray import DNDarray
from heat_core.ops.complex_numbers import conj
from heat_core.ops.shape import matrix_transpose

__all__ = ["adjoint"]


def adjoint(x: DNDarray) -> DNDarray:
    """The conjugate transpose of matrices, (..., n, m); a view of the same slabs. Local."""
    transposed = matrix_transpose(x)
    return conj(transposed) if x.larray.is_complex() else transposed
