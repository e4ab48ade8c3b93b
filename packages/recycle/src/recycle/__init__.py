"""ReCycle: residual cyclic transformer for long time-series forecasting."""

from recycle._version import __version__

__all__ = ["__version__"]
