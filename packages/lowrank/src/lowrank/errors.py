"""Errors of this package; all of them tell the layer or the optimiser they are about."""

__all__ = ["NonFiniteWeightError", "UnsupportedOptimizerError"]


class NonFiniteWeightError(ValueError):
    """A weight has NaN or infinite entries, so that it has no singular value decomposition."""


class UnsupportedOptimizerError(TypeError):
    """An optimiser keeps state that can't follow a parameter whose shape changes."""
