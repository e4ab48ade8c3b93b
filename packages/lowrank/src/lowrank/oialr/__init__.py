"""Orthogonality-Informed Adaptive Low-Rank training."""

from lowrank.oialr.config import OIALRConfig
from lowrank.oialr.controller import OIALR

__all__ = ["OIALR", "OIALRConfig"]
