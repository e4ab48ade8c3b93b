"""Propagators: how new individuals are made from known ones."""

from propulate.propagators.adaptive import AdaptivePropagator, Shares
from propulate.propagators.base import Context, Propagator, Stochastic
from propulate.propagators.bayesian import BayesianPropagator
from propulate.propagators.cmaes import ActiveCMA, BasicCMA, CMAAdapter, CMAPropagator
from propulate.propagators.combine import (
    Compose,
    Conditional,
    Fork,
    PerIsland,
    PerWorker,
    Schedule,
)
from propulate.propagators.crossover import (
    CrossoverArithmetic,
    CrossoverBlend,
    CrossoverMultiple,
    CrossoverSBX,
    CrossoverSigmoid,
    CrossoverUniform,
)
from propulate.propagators.default import get_default_propagator
from propulate.propagators.models import TPE, DifferentialEvolution
from propulate.propagators.nm import ParallelNelderMead
from propulate.propagators.pareto import NSGA2
from propulate.propagators.pso import (
    BasicPSO,
    CanonicalPSO,
    ConstrictionPSO,
    InitUniformPSO,
    StatelessPSO,
    VelocityClampingPSO,
)
from propulate.propagators.select import (
    SelectBoltzmann,
    SelectMax,
    SelectMin,
    SelectRank,
    SelectTournament,
    SelectUniform,
    SelectYoungest,
)
from propulate.propagators.vary import (
    InitUniform,
    IntervalMutationNormal,
    MutationPolynomial,
    PointMutation,
    RandomPointMutation,
)

__all__ = [
    "NSGA2",
    "TPE",
    "ActiveCMA",
    "AdaptivePropagator",
    "BasicCMA",
    "BasicPSO",
    "BayesianPropagator",
    "CMAAdapter",
    "CMAPropagator",
    "CanonicalPSO",
    "Compose",
    "Conditional",
    "ConstrictionPSO",
    "Context",
    "CrossoverArithmetic",
    "CrossoverBlend",
    "CrossoverMultiple",
    "CrossoverSBX",
    "CrossoverSigmoid",
    "CrossoverUniform",
    "DifferentialEvolution",
    "Fork",
    "InitUniform",
    "InitUniformPSO",
    "IntervalMutationNormal",
    "MutationPolynomial",
    "ParallelNelderMead",
    "PerIsland",
    "PerWorker",
    "PointMutation",
    "Propagator",
    "RandomPointMutation",
    "Schedule",
    "SelectBoltzmann",
    "SelectMax",
    "SelectMin",
    "SelectRank",
    "SelectTournament",
    "SelectUniform",
    "SelectYoungest",
    "Shares",
    "StatelessPSO",
    "Stochastic",
    "VelocityClampingPSO",
    "get_default_propagator",
]
