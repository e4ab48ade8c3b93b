"""Pruners: ending evaluations that are not promising."""

from propulate.pruners.base import Pruner, TrialPruned
from propulate.pruners.rules import (
    ASHA,
    MedianPruner,
    PatientPruner,
    PercentilePruner,
    StaticSurrogate,
    ThresholdPruner,
)

__all__ = [
    "ASHA",
    "MedianPruner",
    "PatientPruner",
    "PercentilePruner",
    "Pruner",
    "StaticSurrogate",
    "ThresholdPruner",
    "TrialPruned",
]
