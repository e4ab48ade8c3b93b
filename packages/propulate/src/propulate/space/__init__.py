"""The search space: parameters, their encoding as numbers, initial designs."""

from propulate.space.designs import Design
from propulate.space.parameters import (
    Bool,
    Categorical,
    Constant,
    Float,
    Int,
    Ordinal,
    Parameter,
)
from propulate.space.space import SearchSpace

__all__ = [
    "Bool",
    "Categorical",
    "Constant",
    "Design",
    "Float",
    "Int",
    "Ordinal",
    "Parameter",
    "SearchSpace",
]
