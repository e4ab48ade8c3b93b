"""What the original package keeps under this name."""

from propulate.logs import set_logger_config
from propulate.propagators.default import get_default_propagator

__all__ = ["get_default_propagator", "set_logger_config"]
