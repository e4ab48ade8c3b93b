"""Dynamical low-rank training: bases that go on turning, ranks that rise and fall."""

from lowrank.dlrt.config import DLRTConfig
from lowrank.dlrt.controller import DLRT

__all__ = ["DLRT", "DLRTConfig"]
