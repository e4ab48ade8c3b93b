"""Exceptions of the array library."""

from __future__ import annotations

from numpy.linalg import LinAlgError

__all__ = ["AxisError", "LinAlgError"]


class AxisError(ValueError, IndexError):
    """An axis that the array does not have."""

    def __init__(self, axis: int, ndim: int) -> None:
        super().__init__(f"axis {axis} is out of bounds for an array with {ndim} dimensions")
