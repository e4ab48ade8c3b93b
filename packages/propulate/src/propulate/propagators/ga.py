"""The genetic operators, under the name of the original's module."""

from propulate.propagators.crossover import (
    CrossoverMultiple,
    CrossoverSigmoid,
    CrossoverUniform,
)
from propulate.propagators.vary import (
    IntervalMutationNormal,
    PointMutation,
    RandomPointMutation,
)

__all__ = [
    "CrossoverMultiple",
    "CrossoverSigmoid",
    "CrossoverUniform",
    "IntervalMutationNormal",
    "PointMutation",
    "RandomPointMutation",
]
