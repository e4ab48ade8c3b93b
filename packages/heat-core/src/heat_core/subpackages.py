"""Attributes of the package that are made or imported when they are first used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from heat_core.comm import lazy
from heat_core.topics import TOPICS, topic

__all__ = ["SUBPACKAGES"]

SUBPACKAGES = (
    "classification",
    "cluster",
    "decomposition",
    "fft",
    "graph",
    "naive_bayes",
    "nn",
    "optim",
    "preprocessing",
    "random",
    "regression",
    "signal",
    "sparse",
    "spatial",
    "utils",
)


def __getattr__(name: str) -> Any:
    """A subpackage, a topic of the original, or ``MPI_WORLD`` or ``MPI_SELF``."""
    if name in SUBPACKAGES:
        return import_module(f"heat_core.{name}")
    return topic(name) if name in TOPICS else lazy(name)


def __dir__() -> list[str]:
    import heat_core

    return sorted({*vars(heat_core), *SUBPACKAGES, *TOPICS, "MPI_WORLD", "MPI_SELF"})
