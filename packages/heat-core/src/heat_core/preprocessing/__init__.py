"""Samples in another scale."""

from heat_core.preprocessing.normalizer import Normalizer
from heat_core.preprocessing.scalers import (
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)

__all__ = ["MaxAbsScaler", "MinMaxScaler", "Normalizer", "RobustScaler", "StandardScaler"]
