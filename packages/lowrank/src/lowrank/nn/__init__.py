"""Factored layers, and how a dense layer becomes one."""

from lowrank.nn.attention import MultiheadAttention
from lowrank.nn.conv import (
    FactoredConv1d,
    FactoredConv2d,
    FactoredConv3d,
    FactoredConvTranspose1d,
    FactoredConvTranspose2d,
    FactoredConvTranspose3d,
)
from lowrank.nn.factored import Factored
from lowrank.nn.factory import factored
from lowrank.nn.linear import FactoredLinear

__all__ = [
    "Factored",
    "FactoredConv1d",
    "FactoredConv2d",
    "FactoredConv3d",
    "FactoredConvTranspose1d",
    "FactoredConvTranspose2d",
    "FactoredConvTranspose3d",
    "FactoredLinear",
    "MultiheadAttention",
    "factored",
]
