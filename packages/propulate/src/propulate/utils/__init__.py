"""What the original package keeps under this name."""

from propulate.logs import set_logger_config
from propulate.propagators.default import get_default_propagator
from propulate.utils import benchmark_functions

__all__ = ["benchmark_functions", "get_default_propagator", "set_logger_config"]
