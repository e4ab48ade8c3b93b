"""Backends: one module for each source of energy, power or utilisation."""

from energymeter.backends.registry import OPTIONAL, SAFE, discover, get_backend, select

__all__ = ["OPTIONAL", "SAFE", "discover", "get_backend", "select"]
