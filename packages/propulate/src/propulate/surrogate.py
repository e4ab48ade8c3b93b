"""Pruners, under the names of the original."""

from propulate.pruners import DynamicSurrogate, Pruner, StaticSurrogate

__all__ = ["DynamicSurrogate", "StaticSurrogate", "Surrogate"]

Surrogate = Pruner
