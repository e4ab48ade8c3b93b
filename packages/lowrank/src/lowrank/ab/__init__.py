"""AB-training: half of the ranks train one factor of each weight, half the other."""

from lowrank.ab.config import ABConfig
from lowrank.ab.controller import ABTraining

__all__ = ["ABConfig", "ABTraining"]
