"""Asynchronous evolutionary optimisation and hyper-parameter search over MPI."""

from propulate import propagators, pruners, surrogate, topologies, utils
from propulate._version import __version__
from propulate.individual import Individual, Status, Uid
from propulate.islands import Islands
from propulate.logs import set_logger_config
from propulate.optimizer import Optimizer
from propulate.population import Population
from propulate.propagators import get_default_propagator
from propulate.propulator import Migrator, Pollinator, Propulator
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
from propulate.study import FrozenTrial, Study, Trial, create_study
from propulate.surrogate import Surrogate

__all__ = [
    "Bool",
    "Categorical",
    "Constant",
    "EvaluationError",
    "Float",
    "FrozenTrial",
    "Individual",
    "Int",
    "Islands",
    "Migrator",
    "Optimizer",
    "Ordinal",
    "Pollinator",
    "Population",
    "Propulator",
    "Result",
    "SearchSpace",
    "Settings",
    "Status",
    "Study",
    "Surrogate",
    "TooManyFailuresError",
    "Trial",
    "TrialPruned",
    "Uid",
    "__version__",
    "create_study",
    "get_default_propagator",
    "load_result",
    "propagators",
    "pruners",
    "set_logger_config",
    "surrogate",
    "topologies",
    "utils",
]
