"""HeAT: distributed NumPy-like arrays on torch and MPI, and analytics on them."""

from heat_core._version import __version__

__all__ = ["__version__"]
