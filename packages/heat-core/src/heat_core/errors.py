"""Exceptions of the array library."""

from __future__ import annotations

__all__ = ["AxisError"]


class AxisError(ValueError, IndexError):
    """An axis that the array does not have."""

    def __init__(self, axis: int, ndim: int) -> None:
        super().__init__(f"axis {axis} is out of bounds for an array with {ndim} dimensions")
