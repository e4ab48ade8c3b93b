"""Pruners: ending evaluations that are not promising."""

from propulate.pruners.base import Pruner, TrialPruned
from propulate.pruners.forecast import DynamicSurrogate
from propulate.pruners.rules import (
    ASHA,
    Hyperband,
    MedianPruner,
    PatientPruner,
    PercentilePruner,
    StaticSurrogate,
    ThresholdPruner,
)

__all__ = [
    "ASHA",
    "DynamicSurrogate",
    "Hyperband",
    "MedianPruner",
    "PatientPruner",
    "PercentilePruner",
    "Pruner",
    "StaticSurrogate",
    "ThresholdPruner",
    "TrialPruned",
]
