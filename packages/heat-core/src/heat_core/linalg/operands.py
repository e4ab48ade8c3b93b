"""The two operands of a system of equations."""

from __future__ import annotations

from typing import Any

from heat_core.array.conversion import astype
from heat_core.array.dndarray import DNDarray
from heat_core.array.relayout import to_layout
from heat_core.dispatch.operands import coerce, common_comm, common_device
from heat_core.dtypes import result_type
from heat_core.linalg.stacks import as_matrices, as_square
from heat_core.ops.shape import expand_dims, squeeze

__all__ = ["matrix_and_right_side", "restored"]


def matrix_and_right_side(
    a: Any, b: Any, name: str, *, square: bool = True
) -> tuple[DNDarray, DNDarray]:
    """The matrices and right sides of ``a @ x = b`` in one type; a vector becomes one column.

    Raises
    ------
    ValueError
        If the matrices are not square or the right sides have another number of rows.
    """
    comm = common_comm((a, b))
    device = common_device((a, b))
    matrix, right = coerce(a, comm, device), coerce(b, comm, device)
    if not isinstance(matrix, DNDarray) or not isinstance(right, DNDarray) or right.ndim == 0:
        raise ValueError(f"{name} needs matrices and right sides, not scalars")
    if right.ndim == 1:
        right = expand_dims(right, 1)
    matrix = as_square(matrix, name) if square else as_matrices(matrix, name)
    right = as_matrices(right, name)
    if matrix.shape[-2] != right.shape[-2]:
        raise ValueError(
            f"{name}: matrices of shape {matrix.shape} and right sides of shape {right.shape}"
        )
    dtype = result_type(matrix, right)
    return astype(matrix, dtype, copy=False), astype(right, dtype, copy=False)


def restored(solution: DNDarray, right: DNDarray, b: Any) -> DNDarray:
    """The solution split like the right side, and a vector if that was one. Collective."""
    if solution.ndim == 2 and right.ndim == 2 and solution.split != right.split:
        solution = to_layout(solution, solution.layout.with_split(right.split, right.comm.size))
    return squeeze(solution, -1) if getattr(b, "ndim", 1) == 1 else solution
