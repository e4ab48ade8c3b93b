"""Distributed Asynchronous and Selective Optimization: hierarchical data-parallel training."""

from daso._version import __version__

__all__ = ["__version__"]
