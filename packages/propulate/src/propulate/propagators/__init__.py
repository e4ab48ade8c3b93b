"""Propagators: how new individuals are made from known ones."""

from propulate.propagators.adaptive import AdaptivePropagator, Shares
from propulate.propagators.base import Context, Propagator, Stochastic
from propulate.propagators.combine import Compose, Conditional, Fork
from propulate.propagators.default import get_default_propagator
from propulate.propagators.select import SelectMax, SelectMin, SelectTournament, SelectUniform
from propulate.propagators.vary import (
    CrossoverMultiple,
    CrossoverSigmoid,
    CrossoverUniform,
    InitUniform,
    IntervalMutationNormal,
    MutationPolynomial,
    PointMutation,
    RandomPointMutation,
)

__all__ = [
    "AdaptivePropagator",
    "Compose",
    "Conditional",
    "Context",
    "CrossoverMultiple",
    "CrossoverSigmoid",
    "CrossoverUniform",
    "Fork",
    "InitUniform",
    "IntervalMutationNormal",
    "MutationPolynomial",
    "PointMutation",
    "Propagator",
    "RandomPointMutation",
    "SelectMax",
    "SelectMin",
    "SelectTournament",
    "SelectUniform",
    "Shares",
    "Stochastic",
    "get_default_propagator",
]
