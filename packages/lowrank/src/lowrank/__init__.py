"""OIALR, AB-training and DLRT: low-rank training of neural networks with torch."""

from lowrank import init, nn
from lowrank._version import __version__
from lowrank.ab import ABConfig, ABTraining
from lowrank.checkpoint import load, save
from lowrank.compiling import compile  # noqa: A004 - as in torch
from lowrank.dlrt import DLRT, DLRTConfig
from lowrank.ema import remap_ema
from lowrank.errors import NonFiniteWeightError, UnsupportedOptimizerError
from lowrank.export import factorize, merge, to_dense_state_dict, to_sequential
from lowrank.loading import load_factored
from lowrank.measures import (
    core_distance,
    effective_rank,
    stability,
    stable_rank,
    subspace_overlap,
)
from lowrank.oialr import OIALR, OIALRConfig
from lowrank.parallel import GradientAverager, TorchDistributed
from lowrank.report import report
from lowrank.selection import LayerOptions, select_layers

__all__ = [
    "DLRT",
    "OIALR",
    "ABConfig",
    "ABTraining",
    "DLRTConfig",
    "GradientAverager",
    "LayerOptions",
    "NonFiniteWeightError",
    "OIALRConfig",
    "TorchDistributed",
    "UnsupportedOptimizerError",
    "__version__",
    "compile",
    "core_distance",
    "effective_rank",
    "factorize",
    "init",
    "load",
    "load_factored",
    "merge",
    "nn",
    "remap_ema",
    "report",
    "save",
    "select_layers",
    "stability",
    "stable_rank",
    "subspace_overlap",
    "to_dense_state_dict",
    "to_sequential",
]
