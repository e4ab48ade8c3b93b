"""Asynchronous evolutionary optimisation and hyper-parameter search over MPI."""

from propulate import propagators, pruners, topologies
from propulate._version import __version__
from propulate.individual import Individual, Status, Uid
from propulate.optimizer import Optimizer
from propulate.population import Population
from propulate.propagators import get_default_propagator
from propulate.propulator import Islands, Propulator
from propulate.pruners import TrialPruned
from propulate.result import Result, load_result
from propulate.session import EvaluationError, TooManyFailuresError
from propulate.settings import Settings
from propulate.space import (
    Bool,
    Categorical,
    Constant,
    Float,
    Int,
    Ordinal,
    SearchSpace,
)

__all__ = [
    "Bool",
    "Categorical",
    "Constant",
    "EvaluationError",
    "Float",
    "Individual",
    "Int",
    "Islands",
    "Optimizer",
    "Ordinal",
    "Population",
    "Propulator",
    "Result",
    "SearchSpace",
    "Settings",
    "Status",
    "TooManyFailuresError",
    "TrialPruned",
    "Uid",
    "__version__",
    "get_default_propagator",
    "load_result",
    "propagators",
    "pruners",
    "topologies",
]
