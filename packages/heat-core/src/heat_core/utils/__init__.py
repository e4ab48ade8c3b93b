"""What surrounds the arrays: ``heat_core.utils.data``."""

from heat_core.utils import data

__all__ = ["data"]
