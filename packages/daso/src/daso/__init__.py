"""Distributed Asynchronous and Selective Optimization: hierarchical data-parallel training."""

from daso._version import __version__
from daso.codec import Codec, register_codec
from daso.config import DASOConfig
from daso.errors import (
    ConfigMismatchError,
    DASOError,
    DesyncError,
    NonFiniteError,
    SyncTimeoutError,
    UnevenStepsError,
)
from daso.metrics import SyncStats
from daso.optimizer import DASO
from daso.schedule import Action, AutoSchedule, CyclicSchedule, FixedSchedule, Schedule, Skips
from daso.topology import Topology
from daso.transport import Throttled, Transport, make_transport

__all__ = [
    "DASO",
    "Action",
    "AutoSchedule",
    "Codec",
    "ConfigMismatchError",
    "CyclicSchedule",
    "DASOConfig",
    "DASOError",
    "DesyncError",
    "FixedSchedule",
    "NonFiniteError",
    "Schedule",
    "Skips",
    "SyncStats",
    "SyncTimeoutError",
    "Throttled",
    "Topology",
    "Transport",
    "UnevenStepsError",
    "__version__",
    "make_transport",
    "register_codec",
]
