"""Asynchronous evolutionary optimisation and hyper-parameter search over MPI."""

from propulate._version import __version__

__all__ = ["__version__"]
